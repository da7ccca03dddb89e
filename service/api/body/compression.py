"""Content codings of bodies and answers, piece by piece and within limits.

Sources: RFC 9110 section 8.4.1 (gzip, deflate), RFC 8878 (zstd). A body is decompressed as it is read,
into pieces of a bounded size, so that the limit of who reads it counts decompressed bytes: a small body
that would become very large is refused as soon as it has become too large.
"""

import asyncio
import re
import zlib
from collections.abc import Iterator
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from service.api.problems import Problem

#: The key under which the scope of a decompressed request has what receives its body as it was sent.
CODED = "snn.coded"
#: ``wbits`` of zlib by content coding. "deflate" is a zlib stream by RFC 9110.
_WBITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
#: RFC 9110 notes that some clients send deflate data without the zlib wrapper.
_RAW_DEFLATE = -15
#: Bytes of the pieces into which a body is decompressed.
_PIECE = 65_536
#: The largest window of zstd, as a power of two: RFC 8878 asks decoders for no more than 8 MiB.
_WINDOW_LOG = 23

#: Weight 0: the client does not accept this coding.
_REFUSED = re.compile(rb"q=0(\.0{0,3})?")
#: Smaller answers fit a packet or two, and gain nothing.
WORTHWHILE = 1024
#: Answers from so many bytes on are compressed in a thread.
_LARGE = 65_536
#: At higher levels floats compress hardly better, in several times the time.
_LEVEL = 1
#: Answers that are worth it: of text, but no stream of events, which must not wait.
_TEXT = re.compile(rb"(text/(?!event-stream)|application/(json|x-ndjson|openmetrics-text)|image/svg)")

try:  # the extra ``zstd``
    from backports import zstd
except ImportError:
    zstd = None  # type: ignore[assignment]

CODINGS = (b"gzip", b"deflate") if zstd is None else (b"gzip", b"deflate", b"zstd")


def coding_of(scope: Scope) -> bytes | None:
    """Return the coding of a request's body, None for none; raises ``Problem`` 415 for another."""
    values = [value for name, value in scope["headers"] if name == b"content-encoding"]
    if not values or values == [b"identity"]:
        return None
    known = ", ".join(each.decode() for each in CODINGS)
    if len(values) > 1:
        raise Problem(415, f"the body is encoded more than once; send {known} or none")
    coding: bytes = values[0].strip().lower()
    if coding not in (*CODINGS, b"x-gzip"):
        shown = coding.decode("latin-1")[:40]
        raise Problem(415, f"the content encoding is {shown!r}; send {known} or none")
    return coding


def decoded(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """Return a request without its content coding; raises ``Problem`` 415 for an unknown one."""
    coding = coding_of(scope)
    headers = [header for header in scope["headers"] if header[0] != b"content-encoding"]
    if coding is None:
        return {**scope, "headers": headers}, receive
    return {**scope, "headers": headers, CODED: receive}, DecodedBody(receive, coding)


class DecodedBody:
    """Receives a body as it is without its coding.

    What follows the end of the one stream is an error. RFC 1952 allows several gzip members; no client
    sends them, and a body of very many empty ones would take unbounded time.
    """

    def __init__(self, receive: Receive, coding: bytes) -> None:
        self._receive, self._coding = receive, coding
        self._stream: Any = None
        self._pieces: Iterator[bytes] = iter(())
        self._head = b""
        #: No more of the body comes; nothing more is passed on.
        self._last = self._over = False

    async def __call__(self) -> Message:
        """Return the next piece; raises ``Problem`` 400 for a body that is not what it says."""
        while not self._over:
            try:
                piece = next(self._pieces, b"")
                if not piece and self._last:
                    self._over = True
                    if self._stream is None or not self._stream.eof:
                        raise ValueError("it ends too early")
                    return {"type": "http.request", "body": b"", "more_body": False}
            except _ERRORS as error:
                self._over = True
                text = f"the body is not the {self._coding.decode()} that it says: {error}"
                raise Problem(400, text) from error
            if piece:
                await asyncio.sleep(0)  # other requests are read between two pieces
                return {"type": "http.request", "body": piece, "more_body": True}
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message
            self._last = not message.get("more_body", False)
            self._pieces = self._decompressed(message.get("body", b""))
        return await self._receive()

    def _decompressed(self, content: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._head += content
            if len(self._head) < 2 and not self._last:
                return
            self._stream, content = _decoder(self._coding, self._head), self._head
        if not content:
            return
        if self._stream.eof:
            raise ValueError("something follows its end")
        piece = self._stream.decompress(content, _PIECE)
        while True:
            if piece:
                yield piece
            if self._stream.eof:
                if self._stream.unused_data:
                    raise ValueError("something follows its end")
                return
            if isinstance(self._stream, _ZLIB):
                rest = self._stream.unconsumed_tail
                if not rest:
                    return
            elif self._stream.needs_input:
                return
            else:
                rest = b""
            piece = self._stream.decompress(rest, _PIECE)


_ZLIB, _DEFLATES = type(zlib.decompressobj()), type(zlib.compressobj())
_ERRORS: tuple[type[Exception], ...] = (ValueError, EOFError, zlib.error)
if zstd is not None:
    _ERRORS = (*_ERRORS, zstd.ZstdError)


def _decoder(coding: bytes, head: bytes) -> Any:
    if coding == b"zstd":
        limit = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG}
        return zstd.ZstdDecompressor(options=limit)
    # The wrapper of zlib: RFC 1950 section 2.2.
    wrapped = len(head) >= 2 and head[0] & 15 == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.decompressobj(_WBITS[coding] if coding != b"deflate" or wrapped else _RAW_DEFLATE)


def accepted_codings(scope: Scope) -> bytes:
    """Return what a client says in all of its ``Accept-Encoding``."""
    return b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")


def choose(accepted: bytes, size: int) -> bytes | None:
    """Return the coding for an answer of ``size`` bytes by ``Accept-Encoding``; None for no coding.

    It is the client's first of those that are known here and not refused by ``q=0``.
    """
    if size < WORTHWHILE or not accepted:
        return None
    for part in accepted.lower().split(b","):
        coding, *parameters = part.replace(b" ", b"").split(b";")
        if coding in CODINGS and not any(map(_REFUSED.fullmatch, parameters)):
            return coding
    return None


def compress(content: bytes, coding: bytes) -> bytes:
    """Apply a coding that ``choose`` returned."""
    if coding == b"zstd":
        return bytes(zstd.compress(content, _LEVEL))
    stream = zlib.compressobj(_LEVEL, wbits=_WBITS[coding])
    return stream.compress(content) + stream.flush()


class CompressedAnswer:
    """Sends an answer in a coding that its client accepts, if it is worth it.

    An answer that comes in pieces is compressed piece by piece, so that none waits for the next.
    """

    def __init__(self, send: Send, accepted: bytes) -> None:
        self._send, self._accepted = send, accepted
        self._start: Message | None = None
        self._stream: Any = None

    async def __call__(self, message: Message) -> None:
        """Send a message of an answer."""
        if message["type"] == "http.response.start":
            self._start = message  # it waits for the first piece, which tells the size
            return
        content, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            coding = _worth(start, self._accepted, WORTHWHILE if more else len(content))
            if coding is not None and not more:
                if len(content) < _LARGE:
                    content = compress(content, coding)
                else:
                    content = await asyncio.to_thread(compress, content, coding)
                start = _encoded(start, coding, len(content))
            elif coding is not None:
                start, self._stream = _encoded(start, coding, None), _encoder(coding)
            await self._send(start)
        if self._stream is not None:
            content = _step(self._stream, content, more=more)
        await self._send({**message, "body": content})


def _worth(start: Message, accepted: bytes, size: int) -> bytes | None:
    """Return the coding for an answer; None for one that stays as it is."""
    headers = dict(start["headers"])
    fits = start["status"] == 200 and b"content-encoding" not in headers
    return choose(accepted, size) if fits and _TEXT.match(headers.get(b"content-type", b"")) else None


def _encoded(start: Message, coding: bytes, size: int | None) -> Message:
    """Return the start of an answer in a coding; of one in pieces the size is not known."""
    headers = [header for header in start["headers"] if header[0] != b"content-length"]
    headers += [(b"content-encoding", coding), (b"vary", b"accept-encoding")]
    if size is not None:
        headers.append((b"content-length", b"%d" % size))
    return {**start, "headers": headers}


def _encoder(coding: bytes) -> Any:
    if coding == b"zstd":
        return zstd.ZstdCompressor(_LEVEL)
    return zlib.compressobj(_LEVEL, wbits=_WBITS[coding])


def _step(stream: Any, content: bytes, *, more: bool) -> bytes:
    """Compress a piece so that its client can read all of it now."""
    if not isinstance(stream, _DEFLATES):
        return bytes(stream.compress(content, stream.FLUSH_BLOCK if more else stream.FLUSH_FRAME))
    return bytes(stream.compress(content) + stream.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH))
