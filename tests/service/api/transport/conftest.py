"""The application on a socket of this process, and a client that reads answer by answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from uvicorn.server import ServerState

from service.api.transport.connection import ConnectionPolicy
from service.api.transport.fast_path import FastPath
from service.api.transport.protocol import HttpProtocol
from tests.service.conftest import App
from tests.support import bundles

GOOD = bundles.candidates(3).tolist()


class Client:
    """One connection, whose answers are read one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode()
        status, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(status.split()[1]), headers, body

    async def ask(self, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read its answer."""
        self.writer.write(request(body, **headers))
        return await self.answer()


def request(body: bytes, **headers: str) -> bytes:
    """A ``POST /predict`` as it goes over the wire."""
    named = {"host": "x", "content-type": "application/json", "content-length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST /predict HTTP/1.1\r\n{lines}\r\n".encode() + body


def body_of(*rows: object, **more: object) -> bytes:
    """A body for the small model."""
    return json.dumps({"model": "htru2", "inputs": rows} | more).encode()


class Server:
    """The application on a socket, and how many requests took the short way."""

    def __init__(self, port: int, state: ServerState) -> None:
        self.port, self.state, self.taken = port, state, 0

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A connection to it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()


@pytest.fixture
def with_server(with_app, monkeypatch) -> Callable[[Callable[[App, Server], Awaitable[None]]], None]:
    """Return a function that runs a test's work with the application on a socket."""

    def run(
        work: Callable[[App, Server], Awaitable[None]], keep_alive: float = 75, **options: object
    ) -> None:
        async def main(app: App) -> None:
            config = uvicorn.Config(
                app.asgi,
                lifespan="off",
                ws="none",
                log_config=None,
                proxy_headers=False,
            )
            config.load()
            state, loop = ServerState(), asyncio.get_running_loop()

            def protocol() -> HttpProtocol:
                made = HttpProtocol(config, state, {})
                made.policy = ConnectionPolicy(idle_seconds=keep_alive)
                return made

            listener = await loop.create_server(protocol, "127.0.0.1", 0)
            server = Server(listener.sockets[0].getsockname()[1], state)
            begin = FastPath.begin

            def counted(*arguments):
                request = begin(*arguments)
                server.taken += request is not None
                return request

            monkeypatch.setattr(FastPath, "begin", counted)
            # On a busy machine featurizing may seem slow, and its requests take the usual path.
            app.served_models.get("htru2").featurize_pace.learn = lambda *_: None
            await work(app, server)
            listener.close()
            while state.connections:
                await asyncio.sleep(0.01)
            assert app.served_models.get("htru2").leases.count == 0
            assert app.served_models.get("htru2").batcher.idle

        with_app(main, **options)

    return run
