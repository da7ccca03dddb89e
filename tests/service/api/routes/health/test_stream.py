"""Server-sent events: one computation for all who listen, and nobody who can hold it up."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import uvicorn

from service.api.middleware import RequestMiddleware
from service.api.routes.health import stream as module
from service.api.routes.health.stream import PATH, Stream
from service.api.transport.protocol import HttpProtocol
from service.errors import Overloaded
from service.inference.served_models import ServedModels
from service.observability.counters import Telemetry


class Counting:
    """A document that tells how often it was asked for."""

    def __init__(self, padding: int = 0) -> None:
        self.asked = 0
        self.padding = "x" * padding

    def __call__(self) -> bytes:
        """Count, and tell."""
        self.asked += 1
        return json.dumps({"asked": self.asked, "padding": self.padding}).encode()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become hundredths."""
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.5)


@asynccontextmanager
async def serving(
    document: Callable[[], bytes], served_models: ServedModels
) -> AsyncIterator[tuple[int, Stream]]:
    """A real server of this route alone, in this loop; gives its port."""
    stream = Stream(document, served_models)
    app = RequestMiddleware(stream, {("GET", PATH): stream}, [], Telemetry())
    config = uvicorn.Config(app, lifespan="off", log_config=None, http=HttpProtocol, ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1], stream
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def listening(port: int, count: int = 1) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Ask for the stream so many times and read the heads."""
    async with AsyncExitStack() as stack:

        async def one() -> asyncio.StreamReader:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            stack.push_async_callback(_close, writer)
            writer.write(f"GET {PATH} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert b"content-type: text/event-stream" in head
            return reader

        yield await asyncio.gather(*(one() for _ in range(count)))


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def next_data(reader: asyncio.StreamReader) -> dict:
    """The next event's data."""
    while True:
        line = await reader.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            return json.loads(line.removeprefix(b"data: "))


def test_everybody_is_told_what_was_computed_once() -> None:
    """A hundred listeners cost as many computations as one, and all hear the same."""
    document = Counting()

    async def main() -> None:
        async with serving(document, ServedModels()) as (port, _), listening(port, 100) as readers:
            heard = await asyncio.gather(*(next_data(reader) for reader in readers))
            for _ in range(5):
                heard = await asyncio.gather(*(next_data(reader) for reader in readers))
            latest = max(one["asked"] for one in heard)
            assert all(one["asked"] >= 5 for one in heard)
            assert document.asked <= latest + 2

    asyncio.run(main())


def test_events_have_ids_that_grow_and_say_when_to_come_back() -> None:
    """The first event brings ``retry``; ids are times, one after the other."""

    async def main() -> None:
        async with serving(Counting(), ServedModels()) as (port, _), listening(port) as [reader]:
            text = b""
            while text.count(b"data: ") < 3:
                text += await reader.read(1000)
            lines = text.decode().splitlines()
            assert "retry: 2000" in lines
            ids = [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]
            assert len(ids) >= 3
            assert ids == sorted(ids)

    asyncio.run(main())


def test_nothing_is_computed_for_nobody() -> None:
    """When the last listener has left, the work ends; the next one is told what is new."""
    document = Counting()

    async def main() -> None:
        async with serving(document, ServedModels()) as (port, _):
            await asyncio.sleep(0.2)
            assert document.asked == 0
            async with listening(port) as [reader]:
                await next_data(reader)
            await asyncio.sleep(0.2)
            before = document.asked
            await asyncio.sleep(0.2)
            assert document.asked == before
            async with listening(port) as [again]:
                assert (await next_data(again))["asked"] == before + 1

    asyncio.run(main())


def test_a_client_that_never_reads_is_cut_off_and_no_other_notices(caplog) -> None:
    """Its connection is reset once the buffers are full; a reader beside it hears every document."""

    async def main() -> None:
        async with serving(Counting(padding=200_000), ServedModels()) as (port, stream):
            deaf = socket.create_connection(("127.0.0.1", port), timeout=5)
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(f"GET {PATH} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            async with listening(port) as [reader], asyncio.timeout(20):
                while stream._listeners != 1:
                    before = (await next_data(reader))["asked"]
                    assert (await next_data(reader))["asked"] > before
            with deaf, pytest.raises(ConnectionResetError):
                while deaf.recv(1 << 20):
                    pass

    asyncio.run(main())
    assert not caplog.records


def test_a_stopping_service_ends_its_streams() -> None:
    """Who listens is told of the end, and the answer is whole."""

    async def main() -> None:
        served_models = ServedModels()
        async with serving(Counting(), served_models) as (port, _), listening(port) as [reader]:
            await next_data(reader)
            served_models.draining = True
            rest = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
            assert b"event: end\n" in rest

    asyncio.run(main())


def test_a_failed_computation_is_a_heartbeat_and_the_next_is_told(capsys) -> None:
    """A second in which nothing can be computed ends no stream."""
    document = Counting()

    def sometimes() -> bytes:
        if document.asked == 0:
            document.asked += 1
            raise ZeroDivisionError
        return document()

    async def main() -> None:
        async with serving(sometimes, ServedModels()) as (port, _), listening(port) as [reader]:
            text = await reader.readuntil(b"data: ")
            assert b": nothing could be computed" in text

    asyncio.run(main())
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_more_listeners_than_the_most_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit there is an error, not a stream."""
    monkeypatch.setattr(module, "_MOST", 0)

    async def main() -> None:
        with pytest.raises(Overloaded, match="which is the most"):
            await Stream(Counting(), ServedModels())({}, None, None)

    asyncio.run(main())
