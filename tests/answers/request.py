"""One recorded request, and how requests are written down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

#: A line of every request; a key goes behind it where a configuration asks for one.
HOST_LINE = b"host: answers\r\n"

#: What workers tell each other arrives within this many seconds.
SETTLE = 2.5

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """Bytes to send and what to expect of the connection.

    ``pieces`` are sent one after the other; ``answers`` says how many are read. ``keyed`` requests get
    the configuration's API key; ``fresh`` ones have a connection of their own. ``settle`` is how many
    seconds to wait first, for several workers to tell each other. ``exact`` answers are compared to the
    last digit of sums that are otherwise rounded by how they were gathered in time. ``events`` says how
    many server-sent events are read of an answer without an end.
    After a ``change`` that was granted, a request is repeated until its answer has ``until`` in it.
    """

    name: str
    method: str
    path: str
    pieces: tuple[bytes, ...]
    answers: int = 1
    keyed: bool = True
    fresh: bool = False
    settle: float = 0.0
    exact: bool = False
    events: int = 0
    change: bool = False
    until: bytes = b""

    @property
    def route(self) -> str:
        """The group that the table counts it in: the name up to the first colon."""
        return self.name.partition(":")[0]

    def bytes_with(self, keys: Mapping[str, str]) -> tuple[bytes, ...]:
        """Return what is sent, with the default API key, that without a name, if it takes one.

        ``{NAME}`` stands for the key of that name.
        """
        pieces = self.pieces
        if "" in keys and self.keyed:
            line = HOST_LINE + b"authorization: Bearer " + keys[""].encode() + b"\r\n"
            pieces = tuple(piece.replace(HOST_LINE, line) for piece in pieces)
        if not self.keyed:
            for name, key in ((name, key) for name, key in keys.items() if name):
                pieces = tuple(piece.replace(f"{{{name}}}".encode(), key.encode()) for piece in pieces)
        return pieces

    def but(self, **changes: object) -> "Request":
        """Return a copy with other fields."""
        return replace(self, **changes)


def request(
    name: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Headers = (),
) -> Request:
    """Write a plain request; a body gets its ``content-length``."""
    lines = [f"{header}: {value}\r\n".encode("latin-1") for header, value in headers]
    if body is not None:
        lines.append(b"content-length: %d\r\n" % len(body))
    head = f"{method} {path} HTTP/1.1\r\n".encode() + HOST_LINE + b"".join(lines) + b"\r\n"
    return Request(name, method, path, (head + (body or b""),))


def get(name: str, path: str, *headers: tuple[str, str]) -> Request:
    """A GET."""
    return request(name, "GET", path, None, headers)


def post_json(name: str, path: str, document: object, *headers: tuple[str, str]) -> Request:
    """A POST of JSON, from bytes as they are or from what becomes JSON."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return request(name, "POST", path, body, [("content-type", "application/json"), *headers])


def raw(name: str, *pieces: bytes, method: str = "RAW", path: str = "", answers: int = 1) -> Request:
    """Bytes as they are, on a connection of their own."""
    return Request(name, method, path, pieces, answers, fresh=True)
