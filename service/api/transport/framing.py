"""What RFC 9112 asks of a request's head beyond what llhttp checks.

llhttp refuses most of what could hide a second request: a length twice, a length beside a coding, bare
line feeds, folded lines. It does not look at the ``Host``, takes ``Proxy-Connection`` for
``Connection``, takes codings before ``chunked``, HTTP/1.0 with a coding, HTTP/0.9 and HTTP/2.0, and
ends its reading at an offer to change the protocol.
"""

from collections.abc import Iterable
from typing import NamedTuple

from service.api.auth.headers import KEY_HEADERS
from service.api.context import SYNTHETIC_HEADER, TIMEOUT_HEADER
from service.observability.tracing import TRACE_HEADER

#: A status and a sentence, with which a request is refused.
Refusal = tuple[int, str]

#: The headers that decide how a request is read, and what follows it.
NOTED = frozenset((b"host", b"connection", b"transfer-encoding", b"expect"))

_NO_TUNNEL = (405, "this service is no proxy and opens no tunnels (CONNECT)")
_VERSION = (400, "the version of the request is not HTTP/1.1 or HTTP/1.0")
_HOST = (400, "the request has no Host header, or several; send it once")
_CODING_OF_1_0 = (400, "a request of HTTP/1.0 has a Transfer-Encoding; send a Content-Length")
_CODING = (501, "the only Transfer-Encoding that is taken here is chunked")
_TARGET = (400, "the target of the request is no path and no http address")


def fault_of(method: bytes, version: str, hosts: int, coding: bytes | None) -> Refusal | None:
    """Return why a head is refused (RFC 9112, sections 2.3, 3.2 and 6.1), None for a sound one.

    ``hosts`` is how many ``Host`` headers there are, ``coding`` the transfer coding.
    """
    if method == b"CONNECT":
        return _NO_TUNNEL
    if version not in ("1.1", "1.0"):
        return _VERSION
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        return _HOST
    if coding is not None:
        if version == "1.0":
            return _CODING_OF_1_0
        if coding.lower() != b"chunked":
            return _CODING
    return None


def says_close(connection: bytes) -> bool:
    """Return whether a ``Connection`` header says that this request is the last one."""
    value = connection.lower()
    return b"close" in value and b"close" in (token.strip(b" \t") for token in value.split(b","))


def path_of(target: bytes, method: bytes) -> bytes | Refusal:
    """Return a target that does not begin with a slash as path and query (RFC 9112, section 3.2)."""
    if target == b"*" and method == b"OPTIONS":
        return b"/"  # what is asked of the server as a whole is answered for its root
    scheme, _, rest = target.partition(b"://")
    if scheme.lower() not in (b"http", b"https") or not rest:
        return _TARGET
    ends = [place for place in map(rest.find, (b"/", b"?", b"#")) if place >= 0]
    rest = rest[min(ends) :] if ends else b""
    return rest if rest.startswith(b"/") else b"/" + rest


def head_without_offer(
    method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """Write a head again without its ``Upgrade``.

    A server may ignore the offer (RFC 9110, section 7.8); llhttp cannot, and would read neither the
    body nor what follows it.
    """
    lines = [b"%s: %s\r\n" % header for header in headers if header[0] != b"upgrade"]
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, target, version.encode(), b"".join(lines))


#: Headers that matter to a plain request, with the values that it may have; None for any value.
PLAIN: dict[bytes, tuple[bytes, ...] | None] = {
    b"content-type": (b"application/json",),
    # What libraries send that accept JSON; other values are weighed on the usual path.
    b"accept": (b"*/*", b"application/json", b"application/json, text/plain, */*"),
    **dict.fromkeys((b"content-encoding", b"expect", SYNTHETIC_HEADER), ()),
    **dict.fromkeys((b"x-request-id", TIMEOUT_HEADER, TRACE_HEADER, *KEY_HEADERS), None),
}


class PlainHead(NamedTuple):
    """What the headers of a plain request say; ``key`` is the API key, which is not checked yet."""

    request_id: bytes
    timeout: bytes | None
    key: bytes | None
    parent: bytes | None
