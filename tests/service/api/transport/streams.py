"""Random streams of HTTP/1.1 requests, what h11 reads in them, and what the service's protocol does."""

import asyncio
import itertools
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import h11
import uvicorn
from uvicorn.server import ServerState

from service.api.transport.protocol import HttpProtocol


@dataclass(frozen=True)
class Seen:
    """A request as an application receives it; the target is in origin form."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass
class Outcome:
    """The requests that were read, the statuses of the answers in order, and how it ended."""

    seen: list[Seen] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    refused: bool = False
    #: Why h11 refused; it takes no blank line before a request, as RFC 9112 asks (section 2.2).
    reason: str = ""


def read_by_h11(stream: bytes) -> Outcome:
    """Read a stream with h11, answering each request."""
    outcome, connection = Outcome(), h11.Connection(h11.SERVER)
    connection.receive_data(stream)
    request, body = None, b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            outcome.refused, outcome.reason = True, str(error)
            return outcome
        if isinstance(event, h11.Request):
            request, body = event, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            headers = shown(request.headers)
            outcome.seen.append(
                Seen(request.method, origin_form(request.target), headers, kept(headers, body))
            )
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.MUST_CLOSE:
                return outcome
            connection.start_next_cycle()
        else:
            return outcome


def shown(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Return headers without the offer of another protocol, and codings as h11 writes them."""
    return tuple(
        (name, value.lower() if name == b"transfer-encoding" else value)
        for name, value in headers
        if name != b"upgrade"
    )


def kept(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Return the body, but nothing of a request that is answered before its body is read."""
    return b"" if dict(headers).get(b"x-how") == b"early" else body


def origin_form(target: bytes) -> bytes:
    """Return a target's path and query, of ``*`` the root."""
    if target == b"*":
        return b"/"
    path = re.sub(rb"(?i)^https?://[^/?#]*", b"", target).partition(b"#")[0].removesuffix(b"?")
    return path if path.startswith(b"/") else b"/" + path


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and tells its protocol when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: HttpProtocol
        self.written, self.paused, self.closing, self.ended = bytearray(), False, False, False

    def write(self, data: bytes) -> None:
        """Keep it; nothing may follow the end."""
        assert not self.ended
        if not self.closing:
            self.written += data

    def write_eof(self) -> None:
        """Note the end."""
        self.ended = True

    def can_write_eof(self) -> bool:
        """As a socket can."""
        return True

    def close(self) -> None:
        """Close in the loop's next turn, as a socket does."""
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closing

    def pause_reading(self) -> None:
        """Note it."""
        self.paused = True

    def resume_reading(self) -> None:
        """Note it."""
        self.paused = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Know nothing."""
        return default


class Taken:
    """A request that the fast path below has taken, with what uvicorn looks at."""

    def __init__(self, carrier: HttpProtocol) -> None:
        self.carrier, self.request_id = carrier, b"x"
        self.keep_alive, self.more_body, self.response_complete = True, False, False
        self.disconnected, self.message_event = False, asyncio.Event()


class Echo:
    """An application that notes each request; headers of a request say how it is answered."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.fast_path = self

    def begin(self, carrier: HttpProtocol, headers: list, content: bytes) -> Taken | None:
        """Take a request of the fast path, now or later, or decline it."""
        how = dict(headers).get(b"x-how")
        if how not in (b"now", b"later"):
            return None
        taken = Taken(carrier)
        self.seen.append(Seen(b"POST", b"/predict", shown(headers), content))
        answer = (taken, 200, (), b"{}")
        if how == b"now":
            carrier.deliver(*answer)
        else:
            asyncio.get_running_loop().call_soon(lambda: carrier.deliver(*answer))
        return taken

    def abandon(self, taken: Taken) -> None:
        """Forget a request whose client has left."""
        taken.response_complete = True

    async def __call__(self, scope, receive, send) -> None:
        """Answer after the body, or before it where ``x-how`` says ``early``."""
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = shown(scope["headers"])
        content, more = b"", True
        early = dict(headers).get(b"x-how") == b"early"
        if early:
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
            )
            await send({"type": "http.response.body", "body": b""})
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            content += message["body"]
            more = message["more_body"]
        if early or not more:
            self.seen.append(Seen(scope["method"].encode(), target, headers, kept(headers, content)))
        if not early:
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
            )
            await send({"type": "http.response.body", "body": b"{}"})


async def read_by_us(pieces: list[bytes], dice: random.Random) -> Outcome:
    """Pass a stream to the protocol piece by piece, and return what its application and client see."""
    echo, wire = Echo(), Wire()
    config = uvicorn.Config(echo, lifespan="off", ws="none", log_config=None, proxy_headers=False)
    config.load()
    config.loaded_app = echo
    wire.protocol = protocol = HttpProtocol(config, ServerState(), {})
    protocol.connection_made(wire)
    for piece in pieces:
        for _ in range(1000):
            if not wire.paused or wire.closing:
                break
            await asyncio.sleep(0)
        if wire.closing:
            break
        protocol.data_received(piece)
        for _ in range(dice.choice((0, 0, 1, 2, 9))):
            await asyncio.sleep(0)
    for _ in range(1000):
        await asyncio.sleep(0)
        if wire.closing or wire.ended or not (protocol._unanswered or protocol._coalescing.held):
            break
    outcome = Outcome(echo.seen)
    outcome.statuses = _statuses(bytes(wire.written))
    outcome.refused = bool(outcome.statuses) and outcome.statuses[-1] >= 400
    wire.close()
    await asyncio.sleep(0)
    return outcome


def _statuses(written: bytes) -> list[int]:
    """Return the statuses of answers, of which each is whole; those of HEAD have no body."""
    found = []
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        line = re.match(rb"HTTP/1\.1 (\d+) ", head)
        assert line is not None, written
        status = int(line[1])
        length = re.search(rb"content-length: (\d+)", head)
        written = rest
        if status >= 200:
            found.append(status)
            if not rest.startswith(b"HTTP/1.1"):  # of an answer to HEAD there is none
                written = rest[int(length[1]) :]
    return found


_INNER = b"GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
_METHODS = (b"GET", b"POST", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE")
_TARGETS = (
    b"/predict", b"/predict", b"/predict", b"/v2", b"/", b"/a%20b?c=d&e", b"//x", b"http://x/v2?y",
    b"HTTP://x", b"https://x?y", b"/p?http://x/", b"http://[::1]:80/",
)  # fmt: skip
_OFFERS = (b"h2c", b"websocket", b"WebSocket", b"TLS/1.0, h2c", b"IRC/6.9", b"")
_HEADERS = (
    b"Content-Type: application/json", b"Accept: */*", b"HTTP2-Settings: AAMAAABkAAQ", b"TE: trailers",
    b"Trailer: X-T", b"X-Empty:", b"X-Blank: \t ", b"X-Wide:   a b  \t", b"X-Text: \xe9\xff", b"x-a:b",
    b"X-Colon: a: b", b"COOKIE: a=b; c", b"Expect: 100-continue", b"Expect: 100-Continue ",
    b"Keep-Alive: timeout=5", b"Connection: keep-alive", b"Proxy-Connection: close", b"X: " + b"y" * 300,
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"X-How: now", b"X-How: later", b"X-How: early",
    b"Authorization: Basic eDp5", b"Content-Lengthy: 5", b"X-Transfer-Encoding: chunked",
)  # fmt: skip
_CONNECTIONS = (
    b"Connection: Upgrade", b"connection: upgrade, HTTP2-Settings", b"Connection: keep-alive,  UPGRADE ",
    b"CONNECTION:upgrade", b"Connection: Upgrade,close", b"Connection: keep-alive", b"X-Upgrade: h2c",
)  # fmt: skip


def valid_request(dice: random.Random) -> bytes:
    """A request that a server has to read."""
    method, target = dice.choice(_METHODS), dice.choice(_TARGETS)
    if method == b"OPTIONS" and dice.random() < 0.3:
        target = b"*"
    version = b"1.0" if dice.random() < 0.03 else b"1.1"
    lines = [*dice.sample(_HEADERS, dice.randrange(6)), b"Host: x"]
    if dice.random() < 0.4:
        lines.append(b"Upgrade: " + dice.choice(_OFFERS))
        lines += dice.sample(_CONNECTIONS, dice.randrange(3))
    if dice.random() < 0.03:
        lines.append(b"Connection: close")
    body, framing = _body(dice, chunked=version == b"1.1")
    if framing:
        lines.append(framing)
    dice.shuffle(lines)
    return b"%s %s HTTP/%s\r\n%s\r\n\r\n" % (method, target, version, b"\r\n".join(lines)) + body


def _body(dice: random.Random, *, chunked: bool) -> tuple[bytes, bytes]:
    """Return a body as it is sent, and the header that frames it."""
    kind = dice.randrange(3)
    if kind == 0:
        return b"", dice.choice((b"", b"", b"Content-Length: 0"))
    content = dice.choice(
        (_INNER, b"0\r\n\r\n" + _INNER, b"{}", b"\r\n", dice.randbytes(20), _INNER * 9)
    )
    if kind == 1 or not chunked:
        return content, dice.choice(
            (b"Content-Length: ", b"content-length:\t", b"CONTENT-LENGTH:00")
        ) + str(len(content)).encode()
    sent = b""
    while content:
        piece = content[: dice.randrange(1, 40)]
        content = content[len(piece) :]
        extension = dice.choice((b"", b"", b";a", b";a=b", b';a="b c";d'))
        sent += dice.choice((b"%x", b"%X", b"00%x")) % len(piece) + extension + b"\r\n" + piece + b"\r\n"
    trailers = dice.choice(
        (b"", b"", b"X-T: 1\r\n", b"X-How: early\r\nConnection: close\r\nHost: y\r\n")
    )
    coding = dice.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED "))
    return sent + b"0\r\n" + trailers + b"\r\n", coding


_HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
#: What is refused, and by which status. Sections are RFC 9112's, where it is no other.
INVALID = {
    # 6.1 and 6.3: a message has one length, and one server and the next must see the same
    "two codings": (_HEAD + 2 * b"Transfer-Encoding: chunked\r\n" + b"\r\n0\r\n\r\n", 400),
    "chunked twice": (_HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "gzip first": (_HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "gzip in a header of its own": (
        _HEAD + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501,
    ),
    "identity": (_HEAD + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "x-chunked": (_HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "no coding": (_HEAD + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    "coding after a tab": (_HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "coding, length": (_HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "length, coding": (_HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding in 1.0": (
        b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
    ),
    "lengths that differ": (_HEAD + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello", 400),
    "equal lengths": (_HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "a list of lengths": (_HEAD + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "+5": (_HEAD + b"Content-Length: +5\r\n\r\nhello", 400),
    "-5": (_HEAD + b"Content-Length: -5\r\n\r\nhello", 400),
    "0x5": (_HEAD + b"Content-Length: 0x5\r\n\r\nhello", 400),
    "5_0": (_HEAD + b"Content-Length: 5_0\r\n\r\nhello", 400),
    "1 5": (_HEAD + b"Content-Length: 1 5\r\n\r\nhello", 400),
    "no length": (_HEAD + b"Content-Length:\r\n\r\nhello", 400),
    "2**70": (_HEAD + b"Content-Length: 1180591620717411303424\r\n\r\nhello", 400),
    # 5.2: folded lines; 2.2: ends of lines; 5.1: spaces and names
    "a folded value": (_HEAD + b"X: a\r\n b\r\n\r\n", 400),
    "a folded coding": (_HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    "a folded length": (_HEAD + b"Content-Length:\r\n\t5\r\n\r\nhello", 400),
    "spaces before the first header": (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    "bare line feeds": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "one bare line feed": (_HEAD + b"X: a\nContent-Length: 5\r\n\r\nhello", 400),
    "a bare carriage return": (_HEAD + b"X: a\rContent-Length: 5\r\n\r\nhello", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n", 400),
    "no name": (b"GET / HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n", 400),
    "a zero byte": (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", 400),
    # 7.1: chunks
    "a chunk of -5": (_CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk of +5": (_CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk of 0x5": (_CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk of 2**64 + 5": (_CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk of no size": (_CHUNKED + b"\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk that is longer": (_CHUNKED + b"4\r\nhello\r\n0\r\n\r\n", 400),
    "a space after the size": (_CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    "a line feed after the size": (_CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    "a line feed after the chunk": (_CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    "a line feed in an extension": (_CHUNKED + b"5;a=\nb\r\nhello\r\n0\r\n\r\n", 400),
    "a length as trailer": (_CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", 400),
    # 3: the request line; 3.2: Host and target
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    "two hosts in 1.0": (b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/0.9 by name": (b"GET / HTTP/0.9\r\nHost: x\r\n\r\n", 400),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a method in small letters": (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a tab": (b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "GET *": (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a target of another scheme": (b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a target that is no URL": (b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "bytes beyond ASCII in the target": (b"GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a tunnel": (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 405),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}  # fmt: skip
#: What may follow a request that is refused or said to be the last, and is never answered.
SMUGGLED = _INNER


def cut(stream: bytes, dice: random.Random) -> list[bytes]:
    """Cut a stream into pieces: whole, byte by byte, or at random places."""
    kind = dice.randrange(4)
    if kind == 0:
        return [stream]
    if kind == 1 and len(stream) < 1500:
        return [stream[place : place + 1] for place in range(len(stream))]
    places = sorted(dice.sample(range(len(stream) + 1), min(len(stream), dice.randrange(1, 12))))
    edges = [0, *places, len(stream)]
    return [stream[one:two] for one, two in itertools.pairwise(edges) if two > one]
