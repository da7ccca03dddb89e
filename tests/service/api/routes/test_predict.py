"""``POST /predict``: both forms, and what bad input gets."""

import asyncio
import json
from dataclasses import replace

import httpx
import numpy as np
import pytest

from models.features import Accepted, Features, Rejected
from service.inference.measurements.latency import LatencyEstimator
from service.inference.served_models import Leases
from tests.service.conftest import MAX_BYTES, MAX_ROWS, App
from tests.support import bundles

NAMES = (
    "profile_mean", "profile_stdev", "profile_skewness", "profile_kurtosis",
    "dm_mean", "dm_stdev", "dm_skewness", "dm_kurtosis",
)  # fmt: skip


def check_error(answer: httpx.Response, status: int, *words: str) -> None:
    """Check an error's shape, and that its sentence names what is wrong."""
    assert answer.status_code == status, answer.text[:300]
    document = answer.json()
    assert set(document) == {"error", "code", "request_id"}
    assert document["request_id"] == answer.headers["x-request-id"]
    for word in words:
        assert word in document["error"]


def test_candidates_are_predicted_as_the_network_does(with_app) -> None:
    """Probabilities are onnxruntime's, calls follow the threshold, every row has a p-value."""
    rows = bundles.candidates(300)

    async def work(app: App) -> None:
        answer = await app.predict(model="htru2", inputs=rows.tolist())
        assert answer.status_code == 200
        document = answer.json()
        assert (document["model"], document["version"]) == ("htru2", "1")
        expected = bundles.run(bundles.graph(), rows)["probability"][:, 0]
        shown = [result["probability"]["pulsar"] for result in document["results"]]
        assert shown == pytest.approx(expected.tolist(), abs=1e-6)
        for result, probability in zip(document["results"], shown, strict=True):
            assert result["status"] == "ok"
            assert result["call"] == {"pulsar": probability >= 0.5}
            assert 0 < result["p_value"] <= 1

    with_app(work)


def test_good_rows_are_answered_beside_bad_ones(with_app) -> None:
    """Each bad record gets its own message in its own place."""
    good = bundles.candidates(1)[0].tolist()
    bad = [[1, 2], [*good[:7], "x"], None, "text", {"wrong": 1}, [True] * 8, [1e39] * 8, {}]

    async def work(app: App) -> None:
        alone = (await app.predict(model="htru2", inputs=[good])).json()["results"][0]
        named = dict(zip(NAMES, good, strict=True))
        answer = await app.predict(model="htru2", inputs=[good, *bad, named, good])
        results = answer.json()["results"]
        assert [result["status"] for result in results] == ["ok", *["error"] * len(bad), "ok", "ok"]
        assert results[0] == results[-1] == results[-2] == alone
        assert results[1]["message"] == "8 features expected, 2 given"
        assert results[5].pop("wrong") == 1  # what is no feature is carried
        assert all(set(result) == {"status", "message"} for result in results[1:-2])
        assert app.telemetry.traffic("htru2", 1).rejected["unreadable"] == len(bad)

    with_app(work)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_numbers_that_json_lacks_cost_their_own_row_alone(with_app, number: str) -> None:
    """What Python's json writes for a NaN is read, refused in its place, and never echoed."""
    good = json.dumps(bundles.candidates(1)[0].tolist())
    body = f'{{"model": "htru2", "inputs": [[{number},1,1,1,1,1,1,1], {good}]}}'

    async def work(app: App) -> None:
        answer = await app.client.post("/predict", content=body)
        assert answer.status_code == 200, answer.text
        results = answer.json(parse_constant=pytest.fail)["results"]
        assert [result["status"] for result in results] == ["error", "ok"]
        assert "profile_mean" in results[0]["message"]

    with_app(work)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, ["not JSON"]),
        (b"{", 400, ["not JSON"]),
        (b'{"model": "htru2", "inputs": [[1]]} x', 400, ["not JSON"]),
        (b'{"model": "\xff"}', 400, ["UTF-8"]),
        (b'{"model": "\\ud800", "inputs": [[1]]}', 404, ["\ufffd"]),
        (b'{"model": "htru2", "inputs": [[1]], "modle": 1, "x": 2}', 422, ["'modle', 'x'", "'version'"]),
        (b'{"model": "", "inputs": [[1]]}', 404, ["''"]),
        (b'{"inputs": ' + b"[" * 40_000 + b"]" * 40_000 + b"}", 400, ["too deep"]),
        (b"[1, 2]", 422, ["object"]),
        (b"null", 422, []),
        (b"{}", 422, ["smiles", "inputs"]),
        (b'{"model": "htru2"}', 422, ["inputs"]),
        (b'{"inputs": [[1]]}', 422, ["'model' is missing"]),
        (b'{"model": 7, "inputs": [[1]]}', 422, ["$.model"]),
        (b'{"model": "htru2", "inputs": "CCO"}', 422, ["$.inputs"]),
        (b'{"model": "htru2", "inputs": {}}', 422, ["$.inputs"]),
        (b'{"model": "htru2", "inputs": []}', 422, ["empty"]),
        (b'{"smiles": ["C"], "inputs": [[1]]}', 422, ["either"]),
        (b'{"model": "htru2", "smiles": ["C"]}', 422, ["does not take SMILES"]),
        (b'{"model": "nope", "inputs": [[1]]}', 404, ["nope", "htru2"]),
        (b'{"model": "../htru2", "inputs": [[1]]}', 404, []),
        (b'{"smiles": ["C"]}', 404, ["tox21"]),
    ],
)
def test_what_makes_no_sense_is_refused_as_a_whole(with_app, body, status, words) -> None:
    """One sentence, the right status, and a request id; never a traceback."""

    async def work(app: App) -> None:
        check_error(await app.client.post("/predict", content=body), status, *words)

    with_app(work)


def test_limits_are_stated_and_kept(with_app) -> None:
    """More rows or bytes than allowed is a 413 that says how many are."""

    async def chunks():
        for _ in range(100):
            yield b" " * 10_000

    async def work(app: App) -> None:
        most = await app.predict(model="htru2", inputs=[[1]] * MAX_ROWS)
        assert most.status_code == 200
        many = await app.predict(model="htru2", inputs=[[1]] * (MAX_ROWS + 1))
        check_error(many, 413, str(MAX_ROWS))
        large = await app.client.post("/predict", content=b" " * (MAX_BYTES + 1))
        check_error(large, 413, str(MAX_BYTES))
        assert large.headers["connection"] == "close"
        check_error(await app.client.post("/predict", content=chunks()), 413, str(MAX_BYTES))

    with_app(work)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-type": "Application/JSON"}, 200),
        ({}, 200),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-encoding": "gzip"}, 400),
        ({"content-encoding": "br"}, 415),
    ],
)
def test_the_content_type_is_json_or_left_out(with_app, headers, status) -> None:
    """Anything else is told what to send."""
    body = json.dumps({"model": "htru2", "inputs": bundles.candidates(1).tolist()}).encode()

    async def work(app: App) -> None:
        request = httpx.Request("POST", "http://test/predict", headers=headers, content=body)
        answer = await app.client.send(request)
        assert answer.status_code == status
        if status == 415:
            check_error(answer, 415)

    with_app(work)


def test_request_ids_are_taken_or_made(with_app) -> None:
    """A sane id comes back; one that could break a log line is replaced."""

    async def work(app: App) -> None:
        for sent, kept in [("abc-123", True), ("a b", False), ("x" * 200, False), ("é", False)]:
            headers = {"x-request-id": sent.encode("latin-1").decode("latin-1")}
            if sent == "é":
                headers = httpx.Headers([(b"x-request-id", b"\xe9")])
            answer = await app.client.get("/healthz", headers=headers)
            assert (answer.headers["x-request-id"] == sent) is kept
        first, second = [(await app.client.get("/healthz")).headers["x-request-id"] for _ in range(2)]
        assert first != second

    with_app(work)


def test_a_network_that_raises_is_a_500_that_tells_nothing(with_app, capsys) -> None:
    """The client gets a sentence and an id; the next request is answered again."""

    class Broken:
        provider, may_block, breaks = "CPUExecutionProvider", False, False

        def __init__(self, session) -> None:
            self.session = session

        def run(self, rows):
            if self.breaks:
                raise RuntimeError("secret weights")
            return self.session.run(rows)

    sessions = []

    def prepare(app: App) -> None:
        real = app.open_session
        app.open_session = lambda *given: sessions.append(Broken(real(*given))) or sessions[-1]

    async def work(app: App) -> None:
        rows = bundles.candidates(2).tolist()
        sessions[0].breaks = True
        answer = await app.predict(model="htru2", inputs=rows)
        check_error(answer, 500, "request id")
        assert "secret" not in answer.text
        sessions[0].breaks = False
        assert (await app.predict(model="htru2", inputs=rows)).status_code == 200

    with_app(work, prepare=prepare)


def test_a_network_that_gives_nan_answers_in_that_row(with_app) -> None:
    """No NaN leaves the service: the row is an error, its neighbour is served."""

    class Holes:
        provider, may_block = "CPUExecutionProvider", False

        def __init__(self, session) -> None:
            self.session = session

        def run(self, rows):
            outputs = self.session.run(rows)
            outputs["probability"][rows[:, 0] == 7] = np.nan
            return outputs

    def prepare(app: App) -> None:
        real = app.open_session
        app.open_session = lambda *given: Holes(real(*given))

    async def work(app: App) -> None:
        good = bundles.candidates(1)[0].tolist()
        answer = await app.predict(model="htru2", inputs=[good, [7, *good[1:]], good])
        results = answer.json(parse_constant=pytest.fail)["results"]
        assert [result["status"] for result in results] == ["ok", "error", "ok"]
        assert "finite" in results[1]["message"]

    with_app(work, prepare=prepare)


class Letters:
    """A featurizer of words: slow, and as choosy as a molecule's."""

    identifier, parameters, names = "molecules-0", {}, NAMES
    judges_applicability = False
    domain = None

    def featurize(self, records):
        """Turn a word into its length, and refuse what has a dash."""
        rows, outcomes = [], []
        for record in records:
            if not isinstance(record, str) or "-" in record:
                outcomes.append(Rejected(f"not a word: {record!r}"))
                continue
            total = sum(range(60_000))
            rows.append([len(record) + 0 * total] * 8)
            outcomes.append(Accepted({"parent": record.upper()}))
        return Features(np.array(rows, np.float32).reshape(-1, 8), outcomes)


def serve_words(app: App) -> None:
    """Let the served model be one that takes words, as tox21 takes SMILES."""
    served = app.served_models.get("htru2")
    manifest = served.manifest.model_copy(
        update={
            "name": "tox21",
            "featurizer": served.manifest.featurizer.model_copy(update={"identifier": "molecules-0"}),
        }
    )
    bundle = replace(served.bundle, manifest=manifest, featurizer=Letters())
    latency = LatencyEstimator()
    latency.learn(1, 0.002)
    traffic = app.telemetry.traffic("tox21", 1)
    slow = replace(served, bundle=bundle, featurize_pace=latency, traffic=traffic, leases=Leases())
    app.served_models.put("tox21", slow)


def test_the_smiles_form_is_keyed_and_keeps_every_place(with_app) -> None:
    """Duplicates keep their places in ``results``; what cannot be read is null in ``predictions``."""

    async def work(app: App) -> None:
        serve_words(app)
        answer = await app.predict(smiles=["CCO", "C-", "CCO", 7, "", "N"])
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert document["model_info"] == {"name": "tox21", "version": "1"}
        assert set(document["predictions"]) == {"CCO", "C-", "", "N"}
        assert document["predictions"]["C-"] is None
        assert set(document["predictions"]["CCO"]) == {"pulsar"}
        results = document["results"]
        assert [result["status"] for result in results] == ["ok", "error", "ok", "error", "ok", "ok"]
        assert results[0] == results[2]
        assert results[0]["smiles"] == "CCO"
        assert results[0]["parent"] == "CCO"
        assert results[1] == {"status": "error", "smiles": "C-", "message": "not a word: 'C-'"}
        assert "smiles" not in results[3]
        listed = (await app.predict(model="tox21", inputs=["CCO", "C-"])).json()
        assert listed["results"] == results[:2]
        assert (await app.predict(model="tox21", smiles=["CCO"])).json()["results"] == results[:1]
        assert (await app.predict(smiles=["-", "--"])).json()["predictions"] == {"-": None, "--": None}

    with_app(work)


def test_slow_featurizing_goes_in_pieces_and_blocks_nobody(with_app) -> None:
    """While many words are read, a candidate is answered at once; order is kept across pieces."""
    letters = "abcdefgh"  # no word twice, or it would be read once
    words = [
        f"{letters[number // 50] * (number % 50)}{'-' if number % 10 == 0 else ''}"
        for number in range(400)
    ]

    async def work(app: App) -> None:
        serve_words(app)
        slow = asyncio.ensure_future(app.predict(smiles=words))
        await asyncio.sleep(0.05)
        quick = 0
        while not slow.done():
            answer = await app.predict(model="htru2", inputs=bundles.candidates(1).tolist())
            assert answer.status_code == 200
            quick += 1
        assert quick > 5
        results = slow.result().json()["results"]
        for number, (word, result) in enumerate(zip(words, results, strict=True)):
            assert result["smiles"] == word
            assert (result["status"] == "error") is (number % 10 == 0)
            if number % 10:
                assert result["parent"] == word.upper()
        by_length = {}
        for word, result in zip(words, results, strict=True):
            if "-" not in word:
                by_length.setdefault(len(word), set()).add(result["probability"]["pulsar"])
        assert all(len(values) == 1 for values in by_length.values())

    with_app(work)


def test_a_disconnected_client_stops_the_work(with_app) -> None:
    """Featurizing for a client that has gone ends with the piece under way."""

    async def work(app: App) -> None:
        serve_words(app)
        body = json.dumps({"smiles": [f"word{number}" for number in range(900)]}).encode()
        messages = asyncio.Queue()
        messages.put_nowait({"type": "http.request", "body": body, "more_body": False})
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
        sent = []

        async def send(message) -> None:
            sent.append(message)

        running = asyncio.ensure_future(app.asgi(scope, messages.get, send))
        await asyncio.sleep(0.2)
        assert not running.done()
        messages.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(running, 2)
        assert sent == []
        assert app.telemetry.requests["/predict", 499] == 1
        assert app.served_models.get("tox21").leases.count == 0
        await asyncio.sleep(0.1)
        assert app.served_models.get("tox21").batcher.idle
        assert app.predictor._backlog[False] == pytest.approx(0, abs=1e-9)

    with_app(work)


def test_a_backlog_of_featurizing_turns_requests_away(with_app) -> None:
    """Beyond some seconds of waiting work: 429, with the measured wait in Retry-After."""

    async def work(app: App) -> None:
        serve_words(app)
        app.predictor._backlog[False] = 31.2
        answer = await app.predict(smiles=[f"word{number}" for number in range(100)])
        check_error(answer, 429, "try again")
        assert answer.headers["retry-after"] == "32"

    with_app(work)


_DIGITS = "9" * 5001
_ROW = json.dumps(bundles.candidates(1)[0].tolist())


@pytest.mark.parametrize(
    "record",
    [
        '"\\ud800"', '["\\udc00", 1]', '{"profile_mean": "\\ud83d"}', '{"\\ud800": 1}',
        f'{{"name": "\\ud800", {json.dumps(dict(zip(NAMES, json.loads(_ROW), strict=True)))[1:]}',
        _DIGITS, f"-{_DIGITS}", f"[{_DIGITS}, 1, 1, 1, 1, 1, 1, 1]", f'{{"profile_mean": {_DIGITS}}}',
        "1e999", f"[{_DIGITS}.0, 1, 1, 1, 1, 1, 1, 1]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_a_record_that_json_cannot_hold_is_an_error_in_its_own_place(
    with_app, record: str, accept: str
) -> None:
    """Halves of surrogate pairs and endless integers leave the records beside them their answers."""

    async def work(app: App) -> None:
        body = f'{{"model": "htru2", "inputs": [{_ROW}, {record}, {_ROW}]}}'
        answer = await app.client.post("/predict", content=body, headers={"accept": accept})
        assert answer.status_code == 200, answer.text
        if accept == "application/json":
            results = answer.json()["results"]
        else:
            results = [json.loads(line) for line in answer.text.splitlines()]
        assert [result["status"] for result in results] == ["ok", "error", "ok"]
        assert ("surrogate" in results[1]["message"]) == ("\\u" in record)
        assert results[0]["probability"] == results[2]["probability"]

    with_app(work)
