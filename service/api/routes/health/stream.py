"""``GET /health/activations/stream``: the activation health of every model as server-sent events.

Source: "Server-sent events" of the HTML standard. Once a second the document is computed and encoded,
once for all clients, and not at all without a client. A client has no queue: a slow one misses
documents and receives the newest next, and one that reads nothing for a while is disconnected.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from time import monotonic, time
from typing import Any

from starlette.types import Receive, Scope, Send

from service.api.context import TRANSPORT
from service.api.problems import Disconnected, Headers
from service.errors import Overloaded
from service.inference.served_models import ServedModels
from service.observability.logs import get_logger, place_of

PATH = "/health/activations/stream"

#: Seconds between two documents. With the delay between workers, values are younger than 2 s.
INTERVAL_SECONDS = 1.0
#: Seconds after which a stopping service ends its streams.
_LOOK_SECONDS = 0.1
#: Seconds after which a client that reads nothing is disconnected.
_PATIENCE_SECONDS = 10.0
#: The kernel's send buffer for one client. By default it takes megabytes of documents before the
#: service notices that nothing is read.
_SOCKET_BYTES = 128 * 1024
_AT_ONCE = struct.pack("ii", 1, 0)
#: Streams of one worker.
_MOST = 512
#: Milliseconds after which a browser reconnects.
_RETRY = 2000

_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would buffer events
    (b"x-content-type-options", b"nosniff"),
]
_HEARTBEAT = b": nothing could be computed\n\n"
_LAST = b"event: end\ndata: the service is stopping\n\n"

_log = get_logger()


class Stream:
    """The route as a plain ASGI application."""

    def __init__(
        self, document: Callable[[], bytes | Awaitable[bytes]], served_models: ServedModels
    ) -> None:
        """``document`` returns the present JSON of all models in one line.

        It may take its time in steps, between which requests are answered.
        """
        self._document = document
        self._served_models = served_models
        self._listeners = 0
        self._ticking: asyncio.Task[None] | None = None
        self._number, self._event = 0, b""
        self._next: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until either side ends the stream; raises ``Overloaded`` beyond ``_MOST``."""
        if self._listeners >= _MOST:
            raise Overloaded(f"{self._listeners} clients are listening, which is the most", 10.0)
        self._listeners += 1
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())
        gone = asyncio.create_task(_gone(receive))
        transport: asyncio.Transport | None = scope.get(TRANSPORT)
        if transport is not None:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        try:
            await _send_in_time(
                send, {"type": "http.response.start", "status": 200, "headers": _HEADERS}
            )
            await self._send_events(send, gone)
        except TimeoutError:
            if transport is not None:
                # Closing would wait until the client reads what is buffered.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                transport.abort()
                await gone
            raise Disconnected from None
        finally:
            gone.cancel()
            self._listeners -= 1
            if not self._listeners and self._ticking is not None:
                self._ticking.cancel()
                self._ticking, self._event = None, b""

    async def _send_events(self, send: Send, gone: asyncio.Task[None]) -> None:
        content, sent_number = b"retry: %d\n\n" % _RETRY, 0
        while not self._served_models.draining:
            if self._event and self._number != sent_number:  # the newest alone
                content, sent_number = content + self._event, self._number
            if content:
                await _send_in_time(send, _body(content))
                content = b""
            if self._number == sent_number or not self._event:
                await asyncio.wait({self._upcoming(), gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise Disconnected
        await _send_in_time(send, _body(_LAST, more=False))

    def _upcoming(self) -> asyncio.Future[None]:
        """Return a future that is done when there is a new document."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    async def _tick(self) -> None:
        """Compute the document once a second, and wake all clients."""
        due = monotonic()
        while not self._served_models.draining:
            if monotonic() >= due:
                due = monotonic() + INTERVAL_SECONDS
                event = await self._compute()
                self._number, self._event = self._number + 1, event
                self._wake()
            await asyncio.sleep(_LOOK_SECONDS)
        self._wake()

    async def _compute(self) -> bytes:
        """Return one event; its id is the time of computing, in milliseconds since 1970."""
        try:
            document = self._document()
            if not isinstance(document, bytes):
                document = await document
        except Exception as error:  # noqa: BLE001 - the next second may succeed
            _log.error("stream", kind=type(error).__name__, place=place_of(error))
            return _HEARTBEAT
        return b"id: %d\ndata: %b\n\n" % (time() * 1000, document)

    def _wake(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)


def _body(content: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def _send_in_time(send: Send, message: dict[str, Any]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await send(message)


async def _gone(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
