"""The short way of plain requests, over sockets, beside the usual way of the same requests."""

import asyncio
import gc
import json
import socket
import struct
import time
import weakref
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import Accepted
from service.api.auth.keys import KeyFile, KeyStore, new_key
from service.api.transport.fast_path import FastPath
from service.errors import Overloaded
from service.inference.answers.decision import Decision
from service.inference.answers.json_writing import Writing
from service.inference.results import results_of
from tests.service.api.transport.conftest import GOOD, Server, body_of, request
from tests.service.conftest import App


def test_keys_are_asked_for_on_the_short_way_too(with_server, tmp_path) -> None:
    """A good key without a rate goes the short way; whatever else is refused, or metered, the usual."""
    made = {
        "good": new_key("good", ("predict",)),
        "metered": new_key("metered", ("predict",), requests_per_second=1000),
        "metrics": new_key("metrics", ("metrics",)),
        "expired": new_key("expired", ("predict",), datetime(2026, 1, 1, tzinfo=UTC)),
    }
    keys = {name: key for name, (key, _) in made.items()}
    file = tmp_path / "keys.json"
    file.write_bytes(msgspec.json.encode(KeyFile(tuple(entry for _, entry in made.values()))))
    cases = [
        ({"authorization": f"Bearer {keys['good']}"}, 200, True),
        ({"x_api_key": keys["good"]}, 200, True),
        ({"x_api_key": keys["good"], "authorization": "Bearer no"}, 200, False),
        ({"authorization": "Bearer no", "x_api_key": keys["good"]}, 200, False),
        ({"authorization": "Basic eDp5", "x_api_key": keys["good"]}, 200, True),
        ({"x_api_key": keys["good"], "authorization": "Basic eDp5"}, 200, True),
        ({"x_api_key": "", "authorization": f"bearer  {keys['good']}"}, 200, True),
        ({"x_api_key": keys["metrics"], "authorization": f"Bearer {keys['good']}"}, 200, False),
        ({"x_api_key": keys["expired"], "authorization": f"Bearer {keys['good']}"}, 200, False),
        ({"x_api_key": "no", "authorization": "Bearer neither"}, 401, False),
        ({"x_api_key": keys["metrics"], "authorization": "Bearer no"}, 403, False),
        ({"x_api_key": keys["metered"]}, 200, False),
        ({"x_api_key": keys["metrics"]}, 403, False),
        ({"x_api_key": keys["expired"]}, 401, False),
        ({"authorization": f"Basic {keys['good']}"}, 401, False),
        ({"x_api_key": keys["good"][:-1]}, 401, False),
        ({}, 401, False),
    ]

    async def work(app: App, server: Server) -> None:
        async with server.client() as client:
            for headers, status, short in cases:
                before = server.taken
                assert (await client.ask(body_of(GOOD[0]), **headers))[0] == status, headers
                assert server.taken == before + short, headers

    with_server(work, key_store=KeyStore(file))


_SHORT = [
    body_of(GOOD[0]),
    body_of(*GOOD),
    body_of([1, 2, 3, 4, 5, 6, 7, 8]),
    json.dumps({"inputs": GOOD, "model": "htru2"}, indent=2).encode(),
    body_of([2**70] + [0] * 7),
]
_USUAL = [
    body_of(GOOD[0], unknown=[1, {"a": 2}]),
    body_of([1e300] + [0] * 7, GOOD[0]),
    body_of(dict(zip(range(8), GOOD[0], strict=True))),
    body_of(GOOD[0], [1, 2]),
    body_of(GOOD[0], [True, *GOOD[0][1:]], "C"),
    body_of(GOOD[0], [None, *GOOD[0][1:]]),
    body_of([float("nan"), *GOOD[0][1:]]),
    body_of([10**400, *GOOD[0][1:]], GOOD[1]),
    body_of(),
    body_of(GOOD[0], smiles=["C"]),
    body_of(GOOD[0], model="nope"),
    body_of(GOOD[0], model=""),
    body_of(GOOD[0], model=7),
    b'{"inputs": [[1]]}',
    b'{"model": "htru2", "inputs": ' + b"[" * 2000,
    b"\xff\xfe",
    b"",
    b"{",
]


def test_both_ways_answer_the_same(with_server) -> None:
    """Whatever is sent, the short way answers as the usual one does, or leaves it to that one."""

    async def work(app: App, server: Server) -> None:
        async with server.client() as client:
            for sent in [*_SHORT, *_USUAL]:
                status, headers, body = await client.ask(sent)
                content = {"content-type": "application/json"}
                usual = await app.client.post("/predict", content=sent, headers=content)
                assert status == usual.status_code, sent
                shown, expected = json.loads(body), usual.json()
                assert shown.pop("request_id", None) != "" != expected.pop("request_id", None)
                assert shown == expected, sent
                assert headers["content-type"] == usual.headers["content-type"]
        assert server.taken == len(_SHORT)
        counted = {status: n for (route, status), n in app.telemetry.requests.items() if n}
        assert sum(counted.values()) == 2 * len([*_SHORT, *_USUAL])

    with_server(work)


@pytest.mark.parametrize(
    "head",
    [
        {"content_type": "application/json; charset=utf-8"},
        {"content_type": "text/csv"},
        {"content_encoding": "gzip"},
        {"accept": "text/csv"},
        {"x_request_timeout_ms": "soon"},
        {"connection": "close"},
        {"expect": "100-continue"},
    ],
)
def test_heads_out_of_the_ordinary_go_the_usual_way(with_server, head: dict[str, str]) -> None:
    """Nothing is taken whose head asks for more than a plain answer."""

    async def work(app: App, server: Server) -> None:
        async with server.client() as client:
            client.writer.write(request(body_of(GOOD[0]), **head))
            first = await asyncio.wait_for(client.reader.readline(), 10)
            assert first.startswith(b"HTTP/1.1 ")
        assert server.taken == 0

    with_server(work)


def test_a_request_keeps_its_id_and_is_counted(with_server) -> None:
    """A sane id comes back, another is replaced; model and route have the request in their counts."""

    async def work(app: App, server: Server) -> None:
        async with server.client() as client:
            _, headers, _ = await client.ask(body_of(GOOD[0]), x_request_id="mine-1")
            assert headers["x-request-id"] == "mine-1"
            _, headers, _ = await client.ask(body_of(GOOD[0]), x_request_id="two words")
            assert len(headers["x-request-id"]) == 21
        traffic = app.served_models.get("htru2").traffic
        assert (server.taken, traffic.succeeded.count, traffic.rows) == (2, 2, 2)
        assert app.telemetry.requests == {("/predict", 200): 2}
        assert sum(traffic.featurize.counts) == 2

    with_server(work)


def test_pieces_and_pipelines_are_answered_in_order(with_server) -> None:
    """A body in two reads and requests that don't wait for answers get theirs, in their order."""

    async def work(app: App, server: Server) -> None:
        async with server.client() as client:
            whole = request(body_of(GOOD[0]))
            for cut in (20, len(whole) - 30):
                client.writer.write(whole[:cut])
                await asyncio.sleep(0.05)
                client.writer.write(whole[cut:])
                assert (await client.answer())[0] == 200
            bodies = [body_of(*GOOD[: 1 + number % 3]) for number in range(9)]
            client.writer.write(b"".join(map(request, bodies)))
            sizes = [len(json.loads((await client.answer())[2])["results"]) for _ in bodies]
            assert sizes == [1 + number % 3 for number in range(9)]

    with_server(work)


def slow(app: App, seconds: float, outputs: object = None) -> None:
    """Let every run take so long, in its thread, and give these outputs, or raise them."""
    batcher = app.served_models.get("htru2").batcher
    compute = batcher._compute

    def sluggish(rows, parts):
        time.sleep(seconds)
        if isinstance(outputs, Exception):
            raise outputs
        return compute(rows, parts) | (outputs or {})

    batcher._compute = sluggish
    batcher._latency._per_row = [1.0] * 40


def test_deadlines_hold(with_server) -> None:
    """Rows that waited for longer than their request allows are answered by 504, the others served."""

    async def work(app: App, server: Server) -> None:
        async with server.client() as one, server.client() as two:
            slow(app, 0.2)
            one.writer.write(request(body_of(GOOD[0])))
            await asyncio.sleep(0.05)
            status, _, body = await two.ask(body_of(GOOD[0]), x_request_timeout_ms="50")
            assert status == 504
            assert set(json.loads(body)) == {"error", "code", "request_id"}
            assert (await one.answer())[0] == 200
        assert server.taken == 2

    with_server(work)


def test_a_full_queue_is_said_at_once(with_server, monkeypatch) -> None:
    """429 with Retry-After, and the connection goes on."""

    async def work(app: App, server: Server) -> None:
        batcher = app.served_models.get("htru2").batcher
        with monkeypatch.context() as patch:

            def full(*_: object, **__: object) -> None:
                raise Overloaded("rows are waiting", 2.5)

            patch.setattr(batcher, "submit", full)
            async with server.client() as client:
                client.writer.write(2 * request(body_of(GOOD[0])))
                for _ in range(2):
                    status, headers, _ = await client.answer()
                    assert (status, headers["retry-after"]) == (429, "3")
                patch.undo()
                assert (await client.ask(body_of(GOOD[0])))[0] == 200
        assert app.telemetry.requests == {("/predict", 429): 2, ("/predict", 200): 1}

    with_server(work)


@pytest.mark.parametrize("resets", [True, False])
def test_a_client_that_leaves_is_not_computed_for(with_server, resets: bool) -> None:
    """What waits for a client that hung up is withdrawn, and counted as its leaving."""

    async def work(app: App, server: Server) -> None:
        async with server.client() as one:
            slow(app, 0.5)
            one.writer.write(request(body_of(GOOD[0])))
            async with server.client() as two:
                await asyncio.sleep(0.05)
                two.writer.write(request(body_of(GOOD[0], GOOD[1])))
                await asyncio.sleep(0.05)
                if resets:
                    two.writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
            assert (await one.answer())[0] == 200
            await asyncio.sleep(0.05)
            assert app.telemetry.requests == {("/predict", 499): 1, ("/predict", 200): 1}
            assert app.served_models.get("htru2").traffic.rows == 1

    with_server(work)


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_a_client_that_only_ended_its_sending_waits_for_a_slow_answer(
    with_server, content_type: str
) -> None:
    """It gets its answer, after 100 (Continue), which tells it from a client that has left."""

    async def work(app: App, server: Server) -> None:
        slow(app, 0.4)
        async with server.client() as client:
            client.writer.write(request(body_of(GOOD[0]), content_type=content_type))
            client.writer.write_eof()
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert await client.reader.read() == b""

    with_server(work)


@pytest.mark.parametrize("outputs", [RuntimeError("SECRET"), {"probability": np.full((1, 1), np.nan)}])
def test_a_network_at_fault_tells_as_it_does_elsewhere(with_server, outputs: object) -> None:
    """A run that raises is a 500 without its text, a row that is no number an error in its place."""

    async def work(app: App, server: Server) -> None:
        slow(app, 0.0, outputs)
        async with server.client() as client:
            status, _, body = await client.ask(body_of(GOOD[0]))
        usual = await app.predict(model="htru2", inputs=GOOD[:1])
        assert (status, server.taken) == (usual.status_code, 1)
        shown, expected = json.loads(body), usual.json()
        assert b"SECRET" not in body
        shown.pop("request_id", None), expected.pop("request_id", None)
        assert shown == expected

    with_server(work)


def test_idle_connections_are_closed_and_busy_ones_are_not(with_server) -> None:
    """One timer for a connection closes it when it has been idle for so long, and not before."""

    async def work(app: App, server: Server) -> None:
        async with server.client() as client:
            started = time.monotonic()
            for _ in range(6):
                assert (await client.ask(body_of(GOOD[0])))[0] == 200
                await asyncio.sleep(0.25)
            assert time.monotonic() - started > 1.0
            assert await asyncio.wait_for(client.reader.read(), 10) == b""

    with_server(work, keep_alive=1)


def test_a_stopping_server_answers_what_it_has_and_hangs_up(with_server) -> None:
    """A connection with a request under way is closed after its answer, which says so."""

    async def work(app: App, server: Server) -> None:
        slow(app, 0.2)
        async with server.client() as client:
            client.writer.write(request(body_of(GOOD[0])))
            await asyncio.sleep(0.05)
            (connection,) = server.state.connections
            connection.shutdown()
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert await asyncio.wait_for(client.reader.read(), 10) == b""

    with_server(work)


@settings(max_examples=60, deadline=None)
@given(
    targets=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True),
    rows=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
    cut=st.tuples(st.integers(0, 19), st.integers(0, 19)),
    exclusive=st.booleans(),
)
def test_written_results_are_those_of_objects(
    targets: list[str], rows: int, seed: int, cut: tuple[int, int], exclusive: bool
) -> None:
    """The pieces of any rows, joined, are what the results of the same rows are as JSON."""
    random = np.random.default_rng(seed)
    outputs = {
        "probability": random.random((rows, len(targets)), np.float32) ** 8,
        "p_value": random.random(rows).round(6),
    }
    thresholds = random.random(len(targets))
    accepted = [Accepted({})] * rows
    results = results_of(
        [None] * rows, accepted, outputs, targets, Decision(thresholds), echo=False, exclusive=exclusive
    )
    to = Writing(targets, exclusive)
    pieces = to.pieces(outputs, thresholds)
    start = min(cut[0], rows - 1)
    stop = min(start + 1 + cut[1], rows)
    assert json.loads(to.joined(pieces, start, stop)) == results[start:stop]


def test_what_was_answered_is_let_go_without_the_collector(with_server) -> None:
    """A batch's outputs are freed when its answers are written: cycles would pile up megabytes."""

    async def work(app: App, server: Server) -> None:
        made: list[weakref.ref] = []
        batcher = app.served_models.get("htru2").batcher
        compute = batcher._compute

        def watched(rows, parts):
            outputs = compute(rows, parts)
            # Of the probabilities some are kept to be summed up; they are an array of their own.
            assert not isinstance(outputs["probability"].base, np.ndarray)
            made.append(weakref.ref(outputs["logit"]))
            return outputs

        batcher._compute = watched
        gc.disable()
        try:
            async with server.client() as client:
                for _ in range(3):
                    assert (await client.ask(body_of(*GOOD)))[0] == 200
                await app.predict(model="htru2", inputs=GOOD)
                await asyncio.sleep(0)
                assert [reference() for reference in made] == [None] * 4
        finally:
            gc.enable()
        assert server.taken == 3

    with_server(work)


def test_a_fault_of_the_service_amid_reading_is_its_own(with_server, monkeypatch) -> None:
    """An exception in a callback of the parser is 500 and in the log, and not the client's 400."""
    from structlog.testing import capture_logs

    async def work(app: App, server: Server) -> None:
        def fails(*_: object) -> None:
            raise KeyError("SECRET")

        monkeypatch.setattr(FastPath, "begin", fails)
        async with server.client() as client:
            with capture_logs() as logged:
                status, headers, body = await client.ask(body_of(GOOD[0]))
        assert (status, headers["connection"]) == (500, "close")
        assert json.loads(body)["code"] == "internal_error"
        (line,) = [line for line in logged if line["log_level"] == "error"]
        assert (line["event"], line["kind"]) == ("reading failed", "KeyError")
        assert "SECRET" not in f"{body!r}{logged}"

    with_server(work)
