"""``POST /predict`` with tables: kinds, limits, faults in their places, and clients that go away."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.api.body import reading
from service.api.body.decoding import Limits
from service.api.routes import predict as predict_module
from service.api.routes.predict import PredictEndpoint
from service.errors import FeaturizingFailed, InferenceFailed, Overloaded
from tests.service.api.routes.test_predict import NAMES, check_error
from tests.service.conftest import App
from tests.support import bundles

CSV, NDJSON = {"content-type": "text/csv"}, {"content-type": "application/x-ndjson"}
HTRU2 = {"model": "htru2"}


def table(rows: int, seed: int = 0) -> str:
    """Candidates as CSV, with an id first and the features the other way round."""
    made = bundles.candidates(rows, seed)
    lines = [f"{place},{','.join(map(repr, row[::-1]))}" for place, row in enumerate(made.tolist())]
    return "\r\n".join([f"id,{','.join(NAMES[::-1])}", *lines, ""])


def rows_of(text: str) -> list[dict[str, str]]:
    """A CSV's rows by name."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_table_is_answered_as_its_rows_would_be(with_app) -> None:
    """More rows than a request may have, in pieces, each with what a JSON request gives it."""
    count = 2500

    async def work(app: App) -> None:
        answer = await app.client.post("/predict", params=HTRU2, content=table(count), headers=CSV)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["x-model-version"] == "1"
        rows = rows_of(answer.text)
        assert [row["id"] for row in rows] == [str(place) for place in range(count)]
        expected = []
        for start in range(0, count, 500):
            part = bundles.candidates(count)[start : start + 500].tolist()
            expected += (await app.predict(model="htru2", inputs=part)).json()["results"]
        for row, result in zip(rows, expected, strict=True):
            assert float(row["probability_pulsar"]) == pytest.approx(
                result["probability"]["pulsar"], abs=1e-6
            )
            assert row["call_pulsar"] == str(result["call"]["pulsar"]).lower()
            assert row["error"] == ""
            assert 0 < float(row["p_value"]) <= 1

    with_app(work)


def test_bad_rows_are_answered_in_their_places(with_app, tmp_path: Path) -> None:
    """Molecules with an id: a salt, nonsense, a ragged row and a duplicate."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)
    content = 'id,smiles\n1,CCO\n2,CC[Na\n3\n4,"CCO.Cl"\n5,CCO\n'

    async def work(app: App) -> None:
        answer = await app.client.post("/predict", content=content, headers=CSV)
        rows = rows_of(answer.text)
        assert [row["id"] for row in rows] == ["1", "2", "3", "4", "5"]
        assert [bool(row["error"]) for row in rows] == [False, True, True, False, False]
        assert rows[3]["removed"] == "Cl"
        assert rows[0] | {"id": "5"} == rows[4]
        document = (
            await app.client.post(
                "/predict", content=content, headers=CSV | {"accept": "application/json"}
            )
        ).json()
        assert (document["model"], document["version"]) == ("tox21", "1")
        assert [result["status"] for result in document["results"]] == [
            "ok",
            "error",
            "error",
            "ok",
            "ok",
        ]
        assert document["results"][0]["probability"]["NR-AR"] == float(rows[0]["probability_NR-AR"])

    with_app(work)


def test_every_kind_is_answered_in_every_kind(with_app) -> None:
    """The body's own kind where nothing is asked for, or else what Accept wants most."""
    row = bundles.candidates(1)[0].tolist()
    named = dict(zip(NAMES, row, strict=True))
    bodies = {
        "text/csv": ",".join(NAMES) + "\n" + ",".join(map(repr, row)) + "\n",
        "application/x-ndjson": json.dumps(named) + "\n",
        "application/json": json.dumps({"model": "htru2", "inputs": [named]}),
    }

    async def work(app: App) -> None:
        for kind, body in bodies.items():
            for accept in ("*/*", "text/html;q=0.3, */*;q=0.1"):
                headers = {"content-type": kind, "accept": accept}
                answer = await app.client.post("/predict", params=HTRU2, content=body, headers=headers)
                assert answer.status_code == 200, answer.text
                assert answer.headers["content-type"].startswith(kind)
            for wanted in bodies:
                headers = {"content-type": kind, "accept": f"{wanted}, */*;q=0.5"}
                answer = await app.client.post("/predict", params=HTRU2, content=body, headers=headers)
                assert answer.headers["content-type"].startswith(wanted)
                assert "pulsar" in answer.text
        headers = CSV | {"accept": "image/png"}
        check_error(await app.client.post("/predict", content="smiles\n", headers=headers), 406)

    with_app(work)


@pytest.mark.parametrize(
    ("headers", "query", "content", "status", "words"),
    [
        (CSV, {"model": "no"}, "a\n", 404, "no model named 'no'"),
        (CSV, {"mode": "htru2"}, "a\n", 422, "unknown parameter 'mode'"),
        (CSV, {"model": ["htru2", "x"]}, "a\n", 422, "twice"),
        (CSV, HTRU2, "", 422, "no header"),
        (CSV, HTRU2, "dm_mean,x\n", 422, "profile_mean, profile_stdev"),
        (CSV, HTRU2, '"dm_mean\n', 400, "closing quote"),
        (CSV, HTRU2, table(1) + '"', 400, "record 2"),
        (CSV, HTRU2, ",".join([*NAMES, "error"]) + "\n", 422, "'error' has the name of a result's"),
        (CSV | {"content-encoding": "gzip"}, HTRU2, "x", 400, "not the gzip that it says"),
        (CSV | {"content-encoding": "br"}, HTRU2, "x", 415, "gzip, deflate"),
        ({"content-type": "text/csv; charset=utf-16"}, HTRU2, "x", 415, "UTF-8"),
    ],
)
def test_tables_that_cannot_be_answered_say_why(
    with_app, headers: dict, query: dict, content: str, status: int, words: str
) -> None:
    """As long as nothing was answered yet, it is an error like any other."""

    async def work(app: App) -> None:
        answer = await app.client.post("/predict", params=query, content=content, headers=headers)
        check_error(answer, status, words)

    with_app(work)


def test_no_rows_are_no_error(with_app) -> None:
    """A pipeline's empty table comes back empty."""

    async def work(app: App) -> None:
        answer = await app.client.post("/predict", params=HTRU2, content=",".join(NAMES), headers=CSV)
        assert (answer.status_code, len(answer.text.splitlines())) == (200, 1)
        answer = await app.client.post("/predict", params=HTRU2, content="\n\n", headers=NDJSON)
        assert (answer.status_code, answer.text) == (200, "")

    with_app(work)


def test_a_quote_that_is_never_closed_ends_a_long_answer_with_the_reason(with_app) -> None:
    """The rows before it are answered; the last row says what was not read."""

    async def work(app: App) -> None:
        content = table(2600) + '"1'
        answer = await app.client.post("/predict", params=HTRU2, content=content, headers=CSV)
        assert answer.status_code == 200
        rows = rows_of(answer.text)
        assert len(rows) == 2601
        assert rows[-2]["error"] == ""
        assert "record 2601: a quoted field has no closing quote" in rows[-1]["error"]
        headers = CSV | {"accept": "application/json"}
        answer = await app.client.post("/predict", params=HTRU2, content=content, headers=headers)
        assert len(answer.json()["results"]) == 2600
        assert "record 2601" in answer.json()["error"]

    with_app(work)


def test_large_bodies_are_kept_in_a_file_up_to_the_limit(with_app, tmp_path: Path, monkeypatch) -> None:
    """In pieces of any size; one byte more than the limit is refused, with or without its length."""
    monkeypatch.setattr(reading, "_GATHERED_BYTES", 1000)
    content = table(300).encode()

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    async def work(app: App) -> None:
        for limit, status in ((len(content), 200), (len(content) - 1, 413)):
            app.asgi._direct["POST", "/predict"] = PredictEndpoint(
                app.predictor, Limits(100, 100, limit), tmp_path / "spool"
            )
            for body in (content, pieces(777), pieces(5000)):
                answer = await app.client.post("/predict", params=HTRU2, content=body, headers=CSV)
                assert answer.status_code == status, answer.text
                if status == 200:
                    assert len(rows_of(answer.text)) == 300
                else:
                    check_error(answer, 413, str(limit))
        assert list((tmp_path / "spool").iterdir()) == []

    with_app(work)


def test_too_much_at_once_is_turned_away_only_before_the_first_row(with_app, monkeypatch) -> None:
    """A queue that is full later is waited for, and a failing batch is its rows' error alone."""

    async def work(app: App) -> None:
        predict, calls = app.predictor.predict, []

        async def grudgingly(served, records, **named):
            calls.append(len(records))
            if len(calls) == 2:
                raise Overloaded("full", 0.01)
            if len(calls) == 4:
                raise InferenceFailed("the network could not be computed")
            return await predict(served, records, **named)

        monkeypatch.setattr(app.predictor, "predict", grudgingly)
        answer = await app.client.post("/predict", params=HTRU2, content=table(2500), headers=CSV)
        errors = [row["error"] for row in rows_of(answer.text)]
        assert len(errors) == 2500
        assert 0 < sum(error == "the network could not be computed" for error in errors) <= 1000
        calls[:] = [0]
        answer = await app.client.post("/predict", params=HTRU2, content=table(10), headers=CSV)
        check_error(answer, 429)
        monkeypatch.setattr(predict_module, "_TABLES", 0)
        answer = await app.client.post("/predict", params=HTRU2, content=table(10), headers=CSV)
        check_error(answer, 429, "tables")

    with_app(work)


def test_a_client_that_goes_away_leaves_nothing_behind(with_app) -> None:
    """The model is free again, and no piece goes on."""

    async def work(app: App) -> None:
        body = iter([{"type": "http.request", "body": table(5000).encode(), "more_body": False}])
        sent = []

        async def receive() -> dict:
            message = next(body, None)
            if message is None:
                await asyncio.sleep(0.03)
                return {"type": "http.disconnect"}
            return message

        async def send(message: dict) -> None:
            sent.append(message)
            await asyncio.sleep(0.02)

        scope = {
            "type": "http", "method": "POST", "path": "/predict", "query_string": b"model=htru2",
            "headers": [(b"content-type", b"text/csv")],
        }  # fmt: skip
        await app.asgi(scope, receive, send)
        assert all(message.get("more_body", True) for message in sent)
        assert app.served_models.get("htru2").leases.count == 0
        assert app.telemetry.requests["/predict", 499] == 1

    with_app(work)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FeaturizingFailed("a process that read these records ended"), "a process that read these"),
        (RuntimeError("SECRET"), "the service failed"),
    ],
)
@pytest.mark.parametrize("accept", ["text/csv", "application/json", "application/x-ndjson"])
def test_a_later_piece_that_fails_is_said_in_the_answer(
    with_app, monkeypatch, error: Exception, words: str, accept: str
) -> None:
    """Rows of a piece that cannot be featurized have an error; an unforeseen one ends the answer."""

    async def work(app: App) -> None:
        predict, calls = app.predictor.predict, []

        async def failing(served, records, **named):
            calls.append(len(records))
            if len(calls) == 2:
                raise error
            return await predict(served, records, **named)

        monkeypatch.setattr(app.predictor, "predict", failing)
        headers = CSV | {"accept": accept}
        answer = await app.client.post("/predict", params=HTRU2, content=table(1500), headers=headers)
        assert answer.status_code == 200
        assert "SECRET" not in answer.text
        if accept == "text/csv":
            errors = [row["error"] for row in rows_of(answer.text)]
        elif accept == "application/json":
            document = answer.json()
            errors = [result.get("message", "") for result in document["results"]]
            errors += [document["error"]] if "error" in document else []
        else:
            errors = [json.loads(line).get("message", "") for line in answer.text.splitlines()]
        if isinstance(error, FeaturizingFailed):
            assert [words in each for each in errors] == [512 <= place < 1024 for place in range(1500)]
        else:
            assert [words in each for each in errors] == [*[False] * 512, True]
        assert app.telemetry.requests["/predict", 200] == 1

    with_app(work)


def test_blank_lines_before_the_rows_leave_the_answer_valid(with_app) -> None:
    """A first piece without a row has no comma after it."""

    async def work(app: App) -> None:
        content = ",".join(NAMES) + "\n" * 600 + table(2, 5).split("\r\n", 1)[1].replace("\r", "")
        content = content.replace(",".join(NAMES), "id," + ",".join(NAMES[::-1]), 1)
        headers = CSV | {"accept": "application/json"}
        answer = await app.client.post("/predict", params=HTRU2, content=content, headers=headers)
        assert [result["status"] for result in answer.json()["results"]] == ["ok", "ok"]

    with_app(work)
