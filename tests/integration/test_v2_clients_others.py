"""kserve's ``InferenceRESTClient`` and ``mlserver infer`` against the real server.

Each runs in an environment of its own, made at the first run and kept in ``.clients/``.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.integration.clients.environment import CannotInstall, programs
from tests.support import bundles
from tests.support.server import ROOT, Server, running

# The first run installs some hundred megabytes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SMILES = ["CCO", "c1ccccc1O"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a small htru2 and a small tox21."""
    folder: Path = tmp_path_factory.mktemp("server")
    root = folder / "repository"
    root.mkdir()
    bundles.publish(root)
    bundles.publish(root, name="tox21", kind=bundles.MOLECULES)
    with running(folder, models=root) as started:
        assert started.wait_until_ready().status_code == 200
        yield started


def programs_of(client: str) -> Path:
    """A client's programs; the test is skipped, with the installer's reason, where it has none."""
    try:
        return programs(client)
    except CannotInstall as reason:
        pytest.skip(f"{client} cannot be installed here: {reason}")


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a client to its end."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_kserve(server: Server) -> None:
    """Health, both models as JSON and as binary tensors, and an error, by kserve's own client."""
    python = programs_of("kserve") / "python"
    rows = bundles.candidates(5)
    script = ROOT / "tests" / "integration" / "clients" / "ask_with_kserve.py"
    done = run(python, script, server.address, json.dumps(rows.tolist()), json.dumps(SMILES))
    heard = json.loads(done.stdout.splitlines()[-1])
    assert (heard["live"], heard["ready"]) == (True, True)
    assert (heard["htru2 ready"], heard["nobody ready"]) == (True, False)
    assert "input 'features' has shape [1,7]" in heard["error"]
    expected = bundles.run(bundles.graph(), rows)
    for form in ("json", "binary"):
        told = heard[f"htru2 {form}"]
        assert told["model"] == "htru2"
        for name in ("probability", "logit", "taps"):
            np.testing.assert_allclose(told["outputs"][name], expected[name], rtol=1e-5, atol=1e-6)
    assert heard["tox21 json"] == heard["tox21 binary"]
    assert np.shape(heard["tox21 json"]["outputs"]["probability"]) == (2, 12)


@pytest.mark.parametrize("binary", [False, True])
def test_mlserver(server: Server, tmp_path: Path, binary: bool) -> None:
    """A file of requests, one a line, answered in order by ``mlserver infer``."""
    mlserver = programs_of("mlserver") / "mlserver"
    rows = bundles.candidates(5)
    lines = [
        {"inputs": [{"name": "features", "shape": [1, 8], "datatype": "FP32", "data": row.tolist()}]}
        for row in rows
    ]
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    asked.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = ["-u", server.address.removeprefix("http://"), "-m", "htru2", "-i", asked, "-o", answered]
    run(mlserver, "infer", *options, "-w", 2, *(["-b"] if binary else []))
    found = sorted(
        (json.loads(line) for line in answered.read_text().splitlines()),
        key=lambda document: document["parameters"]["batch_index"],
    )
    expected = bundles.run(bundles.graph(), rows)["logit"].ravel()
    logits = [
        output["data"] for each in found for output in each["outputs"] if output["name"] == "logit"
    ]
    np.testing.assert_allclose(np.ravel(logits), expected, rtol=1e-5)
