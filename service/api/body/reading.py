"""Reads a request's body: of the right type, within the limit, within a time."""

import asyncio

from starlette.types import Receive, Scope

from service.api.problems import Disconnected, Problem

#: A body has this long to arrive.
_SECONDS = 30.0
#: A client that sends too much is heard out up to so many bytes and seconds, or else it would see
#: a reset connection in place of the answer that says why. Nothing of it is kept.
_DRAIN_BYTES = 64 * 1024 * 1024
_DRAIN_SECONDS = 2.0


async def read_json(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the body; raises ``Problem`` 413, 415 or 408, or ``Disconnected``.

    A body without a content type is taken for JSON, as the service takes nothing else here.
    """
    for name, value in scope["headers"]:
        if name == b"content-type":
            _check_type(value)
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise Problem(415, "compressed bodies are not taken here; send it as it is")
        elif name == b"content-length" and int(value) > limit:
            await drain(receive)
            raise _too_large(limit)
    return await _read_in_time(receive, limit)


async def read_bytes(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the body, whatever its type; raises ``Problem`` 413 or 408, or ``Disconnected``."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            await drain(receive)
            raise _too_large(limit)
    return await _read_in_time(receive, limit)


async def _read_in_time(receive: Receive, limit: int) -> bytes:
    try:
        async with asyncio.timeout(_SECONDS):
            return await _read(receive, limit)
    except TimeoutError:
        text = f"the body did not arrive within {_SECONDS:.0f} s"
        raise Problem(408, text, [(b"connection", b"close")]) from None


async def _read(receive: Receive, limit: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        whole: bytes = message.get("body", b"")
        if len(whole) <= limit:
            return whole
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            parts.clear()
            if message.get("more_body", False):
                await drain(receive)
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()


async def drain(receive: Receive) -> None:
    """Hear the client out, within bounds, and forget what it says."""
    heard = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while heard < _DRAIN_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
                heard += len(message.get("body", b""))
    except TimeoutError:
        return


def _too_large(limit: int) -> Problem:
    text = f"the body is larger than {limit} bytes; send the records in several requests"
    return Problem(413, text, [(b"connection", b"close")])


def _check_type(value: bytes) -> None:
    if value == b"application/json":
        return
    kind, _, parameters = value.decode("latin-1").lower().partition(";")
    charset = parameters.replace('"', "").replace(" ", "")
    if kind.strip() != "application/json":
        raise Problem(415, f"the content type is {kind.strip()[:80]!r}; send application/json")
    if charset and charset not in ("charset=utf-8", "charset=utf8"):
        raise Problem(415, f"the content type says {charset[:80]!r}; JSON is sent in UTF-8")
