"""Reads a request's body within limits of size and time."""

import asyncio
from collections.abc import Callable

from starlette.types import Receive, Scope

from service.api.body.compression import CODED
from service.api.context import CLIENT_SECONDS
from service.api.problems import Disconnected, Problem

#: A body has the client's seconds to arrive, by default so many, and one more for each so many bytes of
#: it. Between two pieces it has no more than the client's seconds.
_SECONDS = 30.0
_BYTES_PER_SECOND = 16 * 1024
#: Bytes that are gathered before ``keep`` is called.
_GATHERED_BYTES = 1024 * 1024
#: A client that sends too much is read up to so many bytes and seconds, since it would see a reset
#: connection in place of the error. Nothing of it is kept.
_DRAIN_BYTES = 64 * 1024 * 1024
_DRAIN_SECONDS = 2.0


async def read_body(
    scope: Scope, receive: Receive, limit: int, keep: Callable[[bytes], None] | None = None
) -> bytes:
    """Return the body of at most ``limit`` bytes, or with ``keep`` the end that it was not called with.

    ``keep`` is called in a thread with each mebibyte of the body, in order. Raises ``Problem`` 408 or
    413, ``Disconnected``, and what ``keep`` raises.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            if not _waits(scope):
                await _drain(receive)
            raise _too_large(limit)
    loop = asyncio.get_running_loop()
    began, seconds = loop.time(), scope.get(CLIENT_SECONDS, _SECONDS)
    parts, gathered, size, more = list[bytes](), 0, 0, True
    try:
        async with asyncio.timeout(seconds) as timeout:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                parts.append(message.get("body", b""))
                gathered += len(parts[-1])
                more = message.get("more_body", False)
                if size + gathered > limit:
                    parts.clear()
                    if more:
                        await _drain(scope.get(CODED, receive))
                    raise _too_large(limit, " once decompressed" if CODED in scope else "")
                if more:
                    whole = began + seconds + (size + gathered) / _BYTES_PER_SECOND
                    timeout.reschedule(min(loop.time() + seconds, whole))
                if keep is not None and gathered > _GATHERED_BYTES:
                    try:
                        await asyncio.to_thread(keep, b"".join(parts))
                    except Exception:
                        if more:
                            await _drain(scope.get(CODED, receive))
                        raise
                    parts.clear()
                    size, gathered = size + gathered, 0
    except TimeoutError:
        text = f"the body did not arrive within {seconds:g} s and by {_BYTES_PER_SECOND} bytes/s"
        raise Problem(408, text, [(b"connection", b"close")]) from None
    return b"".join(parts)


def _waits(scope: Scope) -> bool:
    """Return whether the client sends its body only when it is asked for it."""
    return any(
        name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"]
    )


async def _drain(receive: Receive) -> None:
    """Read on within bounds, and keep nothing."""
    size = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while size < _DRAIN_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
                size += len(message.get("body", b""))
    except TimeoutError:
        return


def _too_large(limit: int, unpacked: str = "") -> Problem:
    text = f"the body is larger than {limit} bytes{unpacked}; send the records in several requests"
    return Problem(413, text, [(b"connection", b"close")])
