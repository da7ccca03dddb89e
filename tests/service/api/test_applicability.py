"""What a model cannot judge, in every form of request and answer, and the same with it ignored."""

import csv
import io
import json
import math

import pytest

from service.inference.predictor import Predictor
from tests.service.conftest import MAX_ROWS, App
from tests.support import bundles

KCL, SALT, MIXTURE, DRUG, BAD = "[K+].[Cl-]", "CC(=O)O[Na]", "Cc1ccccc1O.Cc1cccc(O)c1", "CCO", "C["
TIN, RADICAL = "CCCC[Sn](Cl)(CCCC)CCCC", "CC1(C)CCCC(C)(C)N1[O]"
RECORDS = [DRUG, KCL, SALT, MIXTURE, TIN, RADICAL, BAD, KCL]
STATUSES = ["ok", "not_applicable", "ok", "ok", "ok", "ok", "error", "not_applicable"]
CODES = [[], ["inorganic"], [], ["mixture"], ["metal"], ["radical"], [], ["inorganic"]]


@pytest.fixture
def with_molecules(with_app, tmp_path):
    """Return a function that runs a test's work with an application that serves a small tox21, too."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.JUDGED_MOLECULES)
    return with_app


def codes_of(result: dict[str, object]) -> list[str]:
    """The codes of a result's warnings, each of which has a message."""
    warnings = result.get("warnings", [])
    assert all(set(warning) == {"code", "message"} and warning["message"] for warning in warnings)
    return [warning["code"] for warning in warnings]


def test_json_tells_what_is_not_applicable(with_molecules) -> None:
    """With reason, parent and warnings; its prediction is null, its neighbours are answered."""

    async def work(app: App) -> None:
        document = (await app.predict(smiles=RECORDS)).json()
        results = document["results"]
        assert [result["status"] for result in results] == STATUSES
        assert [codes_of(result) for result in results] == CODES
        assert "carbon" in results[1]["message"]
        assert (results[1]["smiles"], results[1]["parent"]) == (KCL, "[Cl-].[K+]")
        assert not {"probability", "call", "p_value"} & set(results[1])
        assert results[3]["removed"]
        assert document["predictions"][KCL] is None
        assert len(document["predictions"][DRUG]) == 12
        alone = (await app.predict(smiles=[DRUG])).json()
        assert document["predictions"][DRUG] == alone["predictions"][DRUG]
        rejected = app.telemetry.traffic("tox21", 1).rejected
        assert (rejected["not_applicable"], rejected["unreadable"]) == (1, 1)  # each molecule once

    with_molecules(work)


def test_a_request_of_nothing_applicable_is_answered(with_molecules) -> None:
    """No row reaches the network."""

    async def work(app: App) -> None:
        for body in ({"smiles": [KCL]}, {"model": "tox21", "inputs": [KCL, {"smiles": KCL, "id": 7}]}):
            document = (await app.client.post("/predict", json=body)).json()
            assert {result["status"] for result in document["results"]} == {"not_applicable"}
        assert app.telemetry.traffic("tox21", 1).rows == 0

    with_molecules(work)


@pytest.mark.parametrize("way", ["body", "query", "service"])
def test_numbers_for_everything_where_applicability_is_ignored(with_molecules, way: str) -> None:
    """The warnings stay; a record that cannot be read has none all the same."""

    def prepare(app: App) -> None:
        if way == "service":
            app.predictor = Predictor(app.served_models, MAX_ROWS, applicability="ignore")
            app.rebuild()

    async def work(app: App) -> None:
        body: dict[str, object] = {"smiles": RECORDS}
        if way == "body":
            body["applicability"] = "ignore"
        path = "/predict?applicability=ignore" if way == "query" else "/predict"
        document = (await app.client.post(path, json=body)).json()
        results = document["results"]
        assert [result["status"] for result in results] == ["ok"] * 6 + ["error", "ok"]
        assert [codes_of(result) for result in results] == CODES
        assert len(document["predictions"][KCL]) == 12
        if way == "service":
            judged = await app.predict(smiles=[KCL], applicability="judge")
            assert judged.json()["results"][0]["status"] == "not_applicable"

    with_molecules(work, prepare=prepare)


def test_an_unknown_value_is_refused(with_molecules) -> None:
    """In the body, in the query and in the v2 protocol's parameters."""

    async def work(app: App) -> None:
        answer = await app.predict(smiles=[DRUG], applicability="maybe")
        assert answer.status_code == 422
        answer = await app.client.post("/predict?applicability=maybe", json={"smiles": [DRUG]})
        assert answer.status_code == 422
        answer = await app.client.post("/v2/models/tox21/infer", json=infer(applicability="maybe"))
        assert answer.status_code == 400

    with_molecules(work)


def table() -> str:
    """The records as CSV."""
    return "id,smiles\n" + "".join(f"{number},{smiles}\n" for number, smiles in enumerate(RECORDS))


async def send_table(app: App, accept: str, query: str = "") -> str:
    """Send the table; return the answer's text."""
    headers = {"content-type": "text/csv", "accept": accept}
    answer = await app.client.post(f"/predict{query}", content=table(), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_tables_have_columns_for_it(with_molecules) -> None:
    """CSV has the status, the warnings' text and the reason; NDJSON has what JSON has."""

    async def work(app: App) -> None:
        rows = list(csv.DictReader(io.StringIO(await send_table(app, "text/csv"))))
        assert [row["status"] for row in rows] == STATUSES
        for row, codes in zip(rows, CODES, strict=True):
            parts = [part.partition(": ") for part in row["warnings"].split(" | ") if part]
            assert [code for code, _, _ in parts] == codes
            assert bool(row["probability_NR-AR"]) == (row["status"] == "ok")
        assert "carbon" in rows[1]["error"]
        assert rows[0]["error"] == ""
        lines = (await send_table(app, "application/x-ndjson")).splitlines()
        results = [json.loads(line) for line in lines]
        assert [result["status"] for result in results] == STATUSES
        assert [codes_of(result) for result in results] == CODES
        ignored = await send_table(app, "text/csv", "?applicability=ignore")
        rows = list(csv.DictReader(io.StringIO(ignored)))
        assert [row["status"] for row in rows] == ["ok"] * 6 + ["error", "ok"]

    with_molecules(work)


def infer(*outputs: str, smiles: tuple[str, ...] = (DRUG, KCL), **parameters: object) -> dict:
    """A request of the v2 protocol."""
    body: dict[str, object] = {
        "inputs": [{"name": "smiles", "datatype": "BYTES", "shape": [len(smiles)], "data": list(smiles)}]
    }
    if outputs:
        body["outputs"] = [{"name": name} for name in outputs]
    if parameters:
        body["parameters"] = parameters
    return body


def test_the_v2_protocol_has_rows_of_nan_and_the_reason_if_asked(with_molecules) -> None:
    """JSON has null for NaN; without a request for it there is no output of text."""

    async def work(app: App) -> None:
        async def outputs(body: dict) -> dict[str, dict]:
            answer = await app.client.post("/v2/models/tox21/infer", json=body)
            assert answer.status_code == 200, answer.text
            return {output["name"]: output for output in answer.json()["outputs"]}

        found = await outputs(infer())
        assert set(found) == {"probability", "logit", "taps"}
        assert found["probability"]["shape"] == [2, 12]
        values = found["probability"]["data"]
        assert all(isinstance(value, float) for value in values[:12])
        assert values[12:] == [None] * 12
        found = await outputs(infer("reason", "logit"))
        assert found["reason"]["datatype"] == "BYTES"
        assert found["reason"]["data"][0] == ""
        assert "carbon" in found["reason"]["data"][1]
        called = (await outputs(infer("call")))["call"]
        assert (called["datatype"], called["shape"]) == ("BOOL", [2, 12])
        assert all(isinstance(value, bool) for value in called["data"][:12])
        assert called["data"][12:] == [None] * 12
        body = infer("call")
        body["outputs"][0]["parameters"] = {"binary_data": True}
        answer = await app.client.post("/v2/models/tox21/infer", json=body)
        length = int(answer.headers["inference-header-content-length"])
        assert answer.content[length + 12 :] == bytes(12)
        found = await outputs(infer("probability", smiles=(KCL, KCL)))
        assert found["probability"]["data"] == [None] * 24
        found = await outputs(infer(applicability="ignore"))
        assert all(math.isfinite(value) for value in found["probability"]["data"])
        answer = await app.client.get("/v2/models/tox21")
        assert {"name": "reason", "datatype": "BYTES", "shape": [-1]} in answer.json()["outputs"]

    with_molecules(work)


def test_a_bundle_from_before_is_served_without_what_it_lacks(with_app, tmp_path) -> None:
    """Its answers have no warnings, no new columns and no new output."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)

    async def work(app: App) -> None:
        results = (await app.predict(smiles=RECORDS)).json()["results"]
        assert [result["status"] for result in results] == ["ok"] * 6 + ["error", "ok"]
        assert not any("warnings" in result for result in results)
        header = (await send_table(app, "text/csv")).splitlines()[0].split(",")
        assert not {"status", "warnings"} & set(header)
        names = [
            tensor["name"] for tensor in (await app.client.get("/v2/models/tox21")).json()["outputs"]
        ]
        assert "reason" not in names

    with_app(work)
