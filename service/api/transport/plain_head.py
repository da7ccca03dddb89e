"""The head of a plain request: one whose headers leave nothing to be negotiated."""

from typing import NamedTuple

from service.api.auth.headers import KEY_HEADERS, key_of
from service.api.context import SANE_ID, SYNTHETIC_HEADER, TIMEOUT_HEADER, new_request_id
from service.observability.tracing import TRACE_HEADER

#: Headers that matter to a plain request, with the values that it may have; None for any value.
_PLAIN: dict[bytes, tuple[bytes, ...] | None] = {
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


def plain_head(headers: list[tuple[bytes, bytes]]) -> PlainHead | None:
    """Read the headers of a ``POST /predict``; None where the usual path is needed."""
    request_id = timeout = key = parent = None
    for name, value in headers:
        if name not in _PLAIN:
            continue
        plain = _PLAIN[name]
        if plain is not None:
            if value not in plain:
                return None
        elif name == b"x-request-id":
            if SANE_ID.fullmatch(value):
                request_id = value
        elif name == TIMEOUT_HEADER:
            timeout = value
        elif name == TRACE_HEADER:
            parent = value
        elif (presented := key_of(name, value)) and presented != key:
            if key is not None:
                return None
            key = presented
    return PlainHead(new_request_id() if request_id is None else request_id, timeout, key, parent)
