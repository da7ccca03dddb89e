"""``POST /invocations``: the forms of MLflow's scoring server ("Inference Server Specification")."""

from typing import Any

import pytest

from models.features.tabular.pulsar import NAMES
from tests.service.conftest import MAX_ROWS, App
from tests.support import bundles

ROWS = bundles.candidates(3).tolist()
NAMED = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
SPLIT = {"columns": list(NAMES), "index": [0, 1, 2], "data": ROWS}
COLUMNS = {name: [row[place] for row in ROWS] for place, name in enumerate(NAMES)}


@pytest.fixture
def with_both(with_app, tmp_path):
    """Return a function that runs a test's work with an application that serves a small tox21, too."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)
    return with_app


async def invoke(app: App, query: str = "", **body: object) -> Any:
    """Post a body of these fields."""
    return await app.client.post(f"/invocations{query}", json=body)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": {"data": ROWS}},
        {"dataframe_records": NAMED},
        {"instances": ROWS},
        {"instances": NAMED},
        {"inputs": ROWS},
        {"inputs": COLUMNS},
        {"inputs": {name: [[value] for value in values] for name, values in COLUMNS.items()}},
        {"instances": ROWS, "params": {"model": "htru2", "applicability": "judge"}},
        {"dataframe_records": NAMED, "params": None},
    ],
)
def test_each_form_is_answered_as_by_predict(with_both, body: dict[str, Any]) -> None:
    """By the model whose columns the records have, with its results under ``predictions``."""

    async def work(app: App) -> None:
        answer = await invoke(app, **body)
        assert answer.status_code == 200, answer.text
        assert (answer.headers["x-model-name"], answer.headers["x-model-version"]) == ("htru2", "1")
        expected = (await app.predict(model="htru2", inputs=ROWS)).json()["results"]
        assert answer.json() == {"predictions": expected}

    with_both(work)


def test_molecules_csv_and_extra_columns(with_both) -> None:
    """A column ``smiles`` finds tox21; a column more is carried; CSV is a form of MLflow's as well."""

    async def work(app: App) -> None:
        (found,) = (await invoke(app, dataframe_records=[{"smiles": "CCO", "id": 7}])).json()[
            "predictions"
        ]
        assert (found["smiles"], found["id"], found["status"]) == ("CCO", 7, "ok")
        assert (await invoke(app, inputs=["CCO"])).headers["x-model-name"] == "tox21"
        split = {"columns": [*NAMES, "name"], "data": [[*ROWS[0], "J0437-4715"]]}
        (found,) = (await invoke(app, dataframe_split=split)).json()["predictions"]
        assert (found["name"], found["status"]) == ("J0437-4715", "ok")
        text = ",".join(NAMES) + "\n" + ",".join(map(str, ROWS[0])) + "\n"
        for written in (text, f"# made by hand, twice\n{text}", f"# {text}", text.replace(",", " ")):
            answer = await app.client.post(
                "/invocations", content=written, headers={"content-type": "text/csv"}
            )
            assert answer.json()["predictions"][0]["probability"] == found["probability"], written
        for cut_off, call in (({"pulsar": 1.0}, False), ({"pulsar": 0.0}, True)):
            body = {"instances": ROWS[:1], "params": {"threshold": cut_off}}
            (called,) = (await invoke(app, **body)).json()["predictions"]
            assert called["call"] == {"pulsar": call}

    with_both(work)


@pytest.mark.parametrize(
    ("query", "body", "status", "word"),
    [
        ("", {}, 422, "send one of"),
        ("", {"inputs": ROWS, "instances": ROWS}, 422, "send one of"),
        ("", {"inputs": ROWS, "data": 1}, 422, "unknown field 'data'"),
        ("", {"inputs": [[1, 2]]}, 422, "no model has these columns"),
        ("?model=none", {"inputs": ROWS}, 404, "none"),
        ("?models=x", {"inputs": ROWS}, 422, "unknown parameter"),
        ("", {"inputs": {"a": [1], "b": [1, 2]}}, 422, "all of one length"),
        ("", {"inputs": 5}, 422, "wrong shape"),
        ("", {"dataframe_split": {"data": 5}}, 422, "dataframe_split"),
        ("", {"inputs": ROWS, "params": {"temperature": 1}}, 422, "'temperature'"),
        ("", {"inputs": ROWS, "params": {"model": [1]}}, 422, "'model'"),
        ("", {"inputs": ROWS, "params": {"threshold": {"ill": 0.5}}}, 422, "'ill'"),
        ("", {"dataframe_split": {"columns": list(NAMES), "data": []}}, 422, "there is no record"),
        ("?model=htru2", {"inputs": [[1] * 8] * (MAX_ROWS + 1)}, 413, str(MAX_ROWS)),
        ("?model=htru2", {"inputs": []}, 422, ""),
    ],
)
def test_a_wrong_request_is_told(with_both, query: str, body: Any, status: int, word: str) -> None:
    """With the statuses of ``POST /predict``."""

    async def work(app: App) -> None:
        answer = await invoke(app, query, **body)
        assert answer.status_code == status, answer.text
        assert word in answer.json()["error"]

    with_both(work)


def test_a_record_that_cannot_be_read_is_an_error_in_its_place(with_both) -> None:
    """Its neighbours are answered."""

    async def work(app: App) -> None:
        split = {"columns": list(NAMES), "data": [ROWS[0], ROWS[1][:7], ROWS[2]]}
        found = (await invoke(app, dataframe_split=split)).json()["predictions"]
        assert [each["status"] for each in found] == ["ok", "error", "ok"]
        assert found[1]["message"] == "8 features expected, 7 given"

    with_both(work)
