"""Molecules through the real server: the SMILES form, privacy, and who waits for whom."""

import json
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bundles
from tests.support.server import Server, running

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of a small tox21 and a small htru2."""
    root = tmp_path / "repository"
    root.mkdir()
    bundles.publish(root)
    bundles.publish(root, name="tox21", kind=bundles.MOLECULES)
    with running(tmp_path, models=root, log_level="debug") as running_server:
        assert running_server.wait_until_ready().status_code == 200
        yield running_server


def test_the_leaderboards_form_with_every_kind_of_molecule(server: Server) -> None:
    """Salts, duplicates and nonsense are answered in their places, keyed and in order."""
    smiles = ["CCO", "CC[Na", "CCO.Cl", "", "CCO", "C" * 5000, "[Pt]", "é"]
    document = server.client.post("/predict", json={"smiles": smiles}).json()
    assert document["model_info"] == {"name": "tox21", "version": "1"}
    assert set(document["predictions"]) == set(smiles)
    assert list(document["predictions"]["CCO"]) == list(bundles.TARGETS)
    assert document["predictions"]["CC[Na"] is None
    results = document["results"]
    assert [result["smiles"] for result in results] == smiles
    assert [result["status"] for result in results][:6] == ["ok", "error", "ok", "error", "ok", "error"]
    assert results[0] == results[4]
    assert results[2]["parent"] == "CCO"
    assert results[2]["removed"] == ["Cl"]
    assert results[2]["probability"] == results[0]["probability"]
    assert set(results[0]["call"]) == set(bundles.TARGETS)
    assert 0 < results[0]["p_value"] <= 1
    assert "message" in results[1]
    metadata = server.client.get("/metadata").json()
    assert metadata["tox_endpoints"] == list(bundles.TARGETS)
    assert metadata["name"] == "tox21"
    assert metadata["max_batch_size"] >= 1000


def test_smiles_are_never_logged(server: Server) -> None:
    """Neither by us nor by RDKit, which likes to print what it cannot parse."""
    secrets = ["C1CC1CCCCCNOP", "C1CC1CCCCCNOP[Na", "C1CC1CCCCCNOPc1cccc1", "C1CC1CCCCCNOP(C)(C)(C)(C)C"]
    server.client.post("/predict", json={"smiles": secrets})
    server.client.post("/predict", json={"model": "tox21", "inputs": secrets})
    server.client.post("/predict", json={"model": "htru2", "inputs": secrets})
    server.client.post("/predict", json={"smiles": secrets, "inputs": secrets})
    server.client.post("/predict", content=json.dumps({"smiles": secrets})[:-3])
    metrics = server.client.get("/metrics").text
    assert server.stop() == 0
    everything = json.dumps(server.lines()) + server.errors() + metrics
    assert "C1CC1CCCCCNOP" not in everything


def test_a_candidate_beside_a_thousand_molecules_is_quick(server: Server) -> None:
    """While a thousand molecules are read, single candidates are answered within milliseconds."""
    candidate = {"model": "htru2", "inputs": bundles.candidates(1).tolist()}
    server.client.post("/predict", json=candidate)
    many = {"smiles": ["C" * place + smiles for smiles in bundles.SMILES for place in range(124)]}
    answers = []

    def post_many() -> None:
        answers.append(server.client.post("/predict", json=many))

    thread = threading.Thread(target=post_many)
    thread.start()
    time.sleep(0.2)
    waits = []
    while thread.is_alive():
        started = time.perf_counter()
        assert server.client.post("/predict", json=candidate).status_code == 200
        waits.append(time.perf_counter() - started)
    thread.join()
    assert answers[0].status_code == 200
    assert len(waits) > 10
    assert statistics.median(waits) < 0.1
