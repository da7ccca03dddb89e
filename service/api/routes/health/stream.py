"""``GET /health/activations/stream``: the activation health of every model as server-sent events.

Source: "Server-sent events" of the HTML standard. Once a second the document is computed and encoded,
once for all who listen, and not at all while nobody does. A listener has no queue: one that is slow
misses documents and gets the newest next, and one that takes nothing for a while is cut off.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from time import monotonic, time
from typing import Any

from starlette.types import Receive, Scope, Send

from service.api.context import TRANSPORT
from service.api.problems import Disconnected, Headers
from service.errors import Overloaded
from service.inference.served_models import ServedModels
from service.observability.logs import get_logger, place_of

PATH = "/health/activations/stream"

#: Between two documents; with what the workers take to tell each other, values are younger than 2 s.
INTERVAL_SECONDS = 1.0
#: How soon a stopping service ends its streams, lest they hold it up.
_LOOK_SECONDS = 0.1
#: A listener that takes nothing for so long is cut off.
_PATIENCE_SECONDS = 10.0
#: What the kernel may hold for one listener, so that few documents fill it: by itself it would take
#: megabytes before anybody noticed that nothing is read.
_SOCKET_BYTES = 128 * 1024
_AT_ONCE = struct.pack("ii", 1, 0)
#: Streams of one worker.
_MOST = 512
#: How long a browser waits before it comes back, in milliseconds.
_RETRY = 2000

_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would gather events, and pass them on in heaps
    (b"x-content-type-options", b"nosniff"),
]
_HEARTBEAT = b": nothing could be computed\n\n"
_LAST = b"event: end\ndata: the service is stopping\n\n"

_log = get_logger()


class Stream:
    """The route as a plain ASGI application."""

    def __init__(self, document: Callable[[], bytes], served_models: ServedModels) -> None:
        """``document`` returns the JSON of all models as it is now, in one line."""
        self._document = document
        self._served_models = served_models
        self._listeners = 0
        self._ticking: asyncio.Task[None] | None = None
        self._number, self._event = 0, b""
        self._next: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell one listener until either side ends it; raises ``Overloaded`` beyond ``_MOST``."""
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
            await self._tell(send, gone)
        except TimeoutError:
            if transport is not None:
                # To close it would wait, here and in the kernel, until what is held is taken.
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

    async def _tell(self, send: Send, gone: asyncio.Task[None]) -> None:
        content, told = b"retry: %d\n\n" % _RETRY, 0
        while not self._served_models.draining:
            if self._event and self._number != told:  # the newest, however many there were meanwhile
                content, told = content + self._event, self._number
            if content:
                await _send_in_time(send, _body(content))
                content = b""
            if self._number == told or not self._event:
                await asyncio.wait({self._upcoming(), gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise Disconnected
        await _send_in_time(send, _body(_LAST, more=False))

    def _upcoming(self) -> asyncio.Future[None]:
        """What is done when there is something new to tell."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    async def _tick(self) -> None:
        """Compute for all, once a second, and wake them."""
        due = monotonic()
        while not self._served_models.draining:
            if monotonic() >= due:
                due = monotonic() + INTERVAL_SECONDS
                self._number, self._event = self._number + 1, self._compute()
                self._wake()
            await asyncio.sleep(_LOOK_SECONDS)
        self._wake()

    def _compute(self) -> bytes:
        """One event; its id is when it was computed, in milliseconds since 1970."""
        try:
            document = self._document()
        except Exception as error:  # noqa: BLE001 - the next second may bring what this one did not
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
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
