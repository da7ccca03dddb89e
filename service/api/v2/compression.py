"""Compression of request and response bodies, within a limit.

Source: RFC 9110 section 8.4.1; Triton's HTTP front end takes and gives gzip and deflate.
"""

import re
import zlib

from service.api.problems import Problem

#: ``wbits`` of zlib by content coding. "deflate" is a zlib stream by RFC 9110.
_WBITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_RAW_DEFLATE = -15

#: Weight 0: the client does not accept this coding.
_REFUSED = re.compile(rb"q=0(\.0{0,3})?")

#: Smaller answers fit a packet or two, and gain nothing.
_WORTHWHILE = 1024
#: At higher levels floats compress hardly better, in several times the time.
_LEVEL = 1


def decompress(content: bytes, coding: bytes, limit: int) -> bytes:
    """Undo a content coding; raises ``Problem`` 415, 400 or, for more than ``limit`` bytes, 413.

    No more than the limit is decompressed, whatever the body expands to.
    """
    coding = coding.strip().lower()
    if coding == b"identity":
        return content
    wbits = _WBITS.get(coding)
    if wbits is None:
        shown = coding.decode("latin-1")[:40]
        raise Problem(415, f"the content encoding is {shown!r}; send gzip, deflate or none")
    try:
        return _inflate(content, wbits, limit)
    except zlib.error as error:
        if coding == b"deflate":
            # RFC 9110 notes that some clients send deflate data without the zlib wrapper.
            try:
                return _inflate(content, _RAW_DEFLATE, limit)
            except zlib.error:
                pass
        raise Problem(400, f"the body is not the {coding.decode()} that it says: {error}") from error


def _inflate(content: bytes, wbits: int, limit: int) -> bytes:
    """Decompress one stream with nothing after it.

    RFC 1952 allows several gzip members. No client sends them, and a body of very many empty ones
    would take unbounded time.
    """
    stream = zlib.decompressobj(wbits)
    inflated = stream.decompress(content, limit + 1)
    if len(inflated) > limit:
        text = f"the body is larger than {limit} bytes once decompressed; send it in several"
        raise Problem(413, text)
    if not stream.eof:
        raise zlib.error("it ends too early")
    if stream.unused_data:
        raise zlib.error("something follows its end")
    return inflated


def choose(accepted: bytes, size: int) -> bytes | None:
    """Return the coding for an answer of ``size`` bytes by ``Accept-Encoding``; None for no coding.

    It is the client's first of gzip and deflate that is not refused by ``q=0``.
    """
    if size < _WORTHWHILE or not accepted:
        return None
    for part in accepted.lower().split(b","):
        coding, *parameters = part.replace(b" ", b"").split(b";")
        if coding in (b"gzip", b"deflate") and not any(map(_REFUSED.fullmatch, parameters)):
            return coding
    return None


def compress(content: bytes, coding: bytes) -> bytes:
    """Apply a coding that ``choose`` returned."""
    stream = zlib.compressobj(_LEVEL, wbits=_WBITS[coding])
    return stream.compress(content) + stream.flush()
