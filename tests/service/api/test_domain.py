"""How near a molecule is to what the model learned from, in every form of answer; what is nearest."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.registry.store import Repository
from service.inference.backend.device import CPU, Device
from service.scoring.run import score_file
from tests.service.conftest import App
from tests.support import bundles

KIND = bundles.JUDGED_MOLECULES
MEASURED, NEAR, FAR, BAD = "OCC", "CCCO", "C" * 58, "C["
RECORDS = [MEASURED, NEAR, FAR, BAD]
INSIDE = [True, True, False, None]


@pytest.fixture
def with_domain(with_app, tmp_path):
    """Return a function that runs a test's work with a service of a small tox21 that has a domain."""
    bundles.publish(tmp_path, name="tox21", kind=KIND, domain=bundles.domain_of(KIND))
    return with_app


def inside(results: list[dict]) -> list[bool | None]:
    """Whether each result is in the domain."""
    return [result.get("domain", {}).get("in_domain") for result in results]


def test_json_tells_the_domain_and_what_was_measured(with_domain) -> None:
    """With a warning outside of it; a second time, out of the cache, the same."""

    async def work(app: App) -> None:
        results = (await app.predict(smiles=RECORDS)).json()["results"]
        assert inside(results) == INSIDE
        assert results[0]["domain"]["similarity"] == 1.0
        assert 0 < results[1]["domain"]["similarity"] < 1
        assert ["measured" in result for result in results] == [True, False, False, False]
        assert set(results[0]["measured"].values()) == {True, False}
        assert [warning["code"] for warning in results[2]["warnings"]] == ["outside_domain"]
        assert (await app.predict(smiles=RECORDS)).json()["results"] == results
        listed = (await app.predict(model="tox21", inputs=[*RECORDS, {"smiles": NEAR, "id": 7}])).json()
        assert inside(listed["results"]) == [*INSIDE, True]

    with_domain(work)


@pytest.mark.parametrize("applicability", ["judge", "ignore"])
def test_what_is_not_applicable_is_outside_and_not_measured(with_app, tmp_path, applicability) -> None:
    """The acid of a metal's salt is another compound; that of a sodium salt is the record's own."""
    domain = bundles.domain_of(KIND, [*bundles.SMILES, "CC(=O)O", "OP(=O)(O)O"])
    bundles.publish(tmp_path, name="tox21", kind=KIND, domain=domain)
    records = ["[Hg+2].CC(=O)[O-].CC(=O)[O-]", "OP(=O)(O)O", "[Na+].CC(=O)[O-]"]

    async def work(app: App) -> None:
        answer = await app.predict(smiles=records, applicability=applicability)
        results = answer.json()["results"]
        assert inside(results) == [False, False, True]
        assert ["measured" in result for result in results] == [False, False, True]
        assert results[0]["domain"]["similarity"] == 1.0

    with_app(work)


def test_a_bundle_without_an_index_tells_no_domain(with_app, tmp_path) -> None:
    """As bundles from before; asked for the nearest it says so."""
    bundles.publish(tmp_path, name="tox21", kind=KIND)

    async def work(app: App) -> None:
        (result,) = (await app.predict(smiles=[NEAR])).json()["results"]
        assert "domain" not in result
        refused = await app.predict(smiles=[NEAR], nearest=3)
        assert refused.status_code == 422
        assert "no index" in refused.json()["error"]

    with_app(work)


@pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson"])
def test_tables_have_it_in_columns(with_domain, accept: str) -> None:
    """CSV as ``similarity`` and ``in_domain``, NDJSON as JSON has it."""

    async def work(app: App) -> None:
        table = "smiles\n" + "\n".join(RECORDS)
        headers = {"content-type": "text/csv", "accept": accept}
        text = (await app.client.post("/predict", content=table, headers=headers)).text
        if accept == "text/csv":
            rows = list(csv.DictReader(io.StringIO(text)))
            assert [row["in_domain"] for row in rows] == ["true", "true", "false", ""]
            assert rows[0]["similarity"] == "1.0"
            assert "outside_domain: " in rows[2]["warnings"]
        else:
            assert inside([json.loads(line) for line in text.splitlines()]) == INSIDE

    with_domain(work)


def test_offline_scoring_writes_typed_columns(tmp_path: Path) -> None:
    """Parquet has numbers and booleans, null where a record could not be read."""
    bundles.publish(tmp_path / "models", name="tox21", kind=KIND, domain=bundles.domain_of(KIND))
    (tmp_path / "in.csv").write_text("smiles\n" + "\n".join(RECORDS))
    out = tmp_path / "out.parquet"
    repository = Repository(tmp_path / "models")
    score_file(
        tmp_path / "in.csv", out, "tox21", None, repository, Device(CPU), lambda _: None, workers=1
    )
    table = pq.read_table(out)
    assert table["in_domain"].to_pylist() == INSIDE
    similarity = table["similarity"].to_pylist()
    assert similarity[0] == 1.0
    assert similarity[3] is None


def test_the_nearest_compounds_are_told_to_who_asks(with_domain) -> None:
    """As many as were asked for, with what was measured; none of a record that cannot be read."""

    async def work(app: App) -> None:
        results = (await app.predict(smiles=RECORDS, nearest=2)).json()["results"]
        assert [len(result.get("nearest", [])) for result in results] == [2, 2, 2, 0]
        first = results[0]["nearest"][0]
        assert first == {"smiles": "CCO", "similarity": 1.0, "measured": results[0]["measured"]}
        assert results[1]["nearest"][0]["similarity"] == results[1]["domain"]["similarity"]
        assert "nearest" not in (await app.predict(smiles=[NEAR])).json()["results"][0]
        carried = await app.predict(model="tox21", inputs=[{"smiles": NEAR, "id": 7}], nearest=1)
        (result,) = carried.json()["results"]
        assert (result["id"], len(result["nearest"])) == (7, 1)

    with_domain(work)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"smiles": [NEAR], "nearest": 11}, "nearest"),
        ({"smiles": [NEAR], "nearest": 0}, "nearest"),
        ({"smiles": [NEAR], "nearest": "3"}, "nearest"),
        ({"smiles": [NEAR] * 101, "nearest": 3}, "at most 100|most is 100"),
        ({"model": "htru2", "inputs": [[1.0] * 8], "nearest": 3}, "no index"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(with_domain, body: dict, why: str) -> None:
    """With 422, and what is possible."""

    async def work(app: App) -> None:
        answer = await app.client.post("/predict", json=body)
        assert answer.status_code == 422, answer.text
        assert re.search(why, answer.json()["error"])

    with_domain(work)


def test_the_nearest_are_no_columns(with_domain) -> None:
    """A request for a table that asks for them is refused."""

    async def work(app: App) -> None:
        body = {"smiles": [NEAR], "nearest": 3}
        answer = await app.client.post("/predict", json=body, headers={"accept": "text/csv"})
        assert answer.status_code == 422

    with_domain(work)


def test_a_new_version_finds_no_answers_of_the_old_domain(with_domain, tmp_path) -> None:
    """The cache tells two domains apart, though the features are the same."""

    async def work(app: App) -> None:
        before = (await app.predict(smiles=["CCCCO"])).json()["results"][0]["domain"]
        domain = bundles.domain_of(KIND, [*bundles.SMILES, "CCCCO"])
        bundles.publish(tmp_path, name="tox21", kind=KIND, domain=domain)
        await app.reloader.poll()
        after = (await app.predict(smiles=["CCCCO"])).json()["results"][0]
        assert before["similarity"] < 1 == after["domain"]["similarity"]
        assert "measured" in after

    with_domain(work)


@pytest.mark.parametrize("binary", [False, True])
def test_the_v2_protocol_has_it_as_outputs_by_name(with_domain, binary: bool) -> None:
    """FP32 and BOOL, one for each row; not sent to who does not ask, and unknown without a domain."""
    tensor = {"name": "smiles", "shape": [3], "datatype": "BYTES", "data": [MEASURED, NEAR, FAR]}

    async def work(app: App) -> None:
        names = ("similarity", "in_domain", "logit")
        wanted = [{"name": name, "parameters": {"binary_data": binary}} for name in names]
        body = {"inputs": [tensor], "outputs": wanted}
        answer = await app.client.post("/v2/models/tox21/infer", json=body)
        assert answer.status_code == 200, answer.text
        length = int(answer.headers.get("inference-header-content-length", len(answer.content)))
        document = json.loads(answer.content[:length])
        described = {output["name"]: output for output in document["outputs"]}
        assert described["similarity"]["datatype"] == "FP32"
        assert described["in_domain"]["datatype"] == "BOOL"
        assert described["in_domain"]["shape"] == [3]
        if binary:
            similarity = np.frombuffer(answer.content[length : length + 12], "<f4").tolist()
            told = [bool(byte) for byte in answer.content[length + 12 : length + 15]]
        else:
            similarity, told = (described[name]["data"] for name in names[:2])
        assert told == INSIDE[:3]
        assert similarity[0] == 1.0
        plain = (await app.client.post("/v2/models/tox21/infer", json={"inputs": [tensor]})).json()
        assert not {"similarity", "in_domain"} & {output["name"] for output in plain["outputs"]}

    with_domain(work)
