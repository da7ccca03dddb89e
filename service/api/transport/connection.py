"""One connection from its beginning to its end: what it knows, when it is closed, how it is refused.

What is refused here never becomes a request, so that the answer is written by hand.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from math import inf
from typing import cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.context import new_request_id
from service.api.problems import Problem, problem_body
from service.api.transport.client_address import ClientAddress
from service.api.transport.fast_path import FastPath, FastRequest
from service.api.transport.framing import Refusal
from service.api.transport.presence import watch_presence
from service.api.transport.write_coalescing import CoalescingTransport
from service.observability.logs import get_logger

#: Bytes of a request's line and headers together.
HEAD_BYTES = 64 * 1024
#: Seconds for which a refused client is read, since it would see a reset connection in place of the
#: error. Nothing of it is kept.
_DRAIN_SECONDS = 2.0

TOO_LONG = (
    431,
    f"the head of the request is longer than {HEAD_BYTES} bytes; send fewer or shorter headers",
)

_CUT_SHORT = (400, "the connection ended within the request")

_log = get_logger()


@dataclass(slots=True)
class ConnectionPolicy:
    """What all connections of a process go by; ``draining`` says that each answer is the last.

    ``client_seconds`` is how long a client may take to send a head, and how long it may read nothing of
    an answer. ``idle_seconds`` is how long a connection may wait for its next request. ``client_of``
    finds the client's address for the log, which has none if it is None.
    """

    client_seconds: float = 30.0
    idle_seconds: float = 75.0
    client_of: ClientAddress | None = None
    draining: bool = False


def go_on_after_close(parser: httptools.HttpRequestParser) -> None:
    """Let a parser read on after a message that ends the connection.

    By itself it would skip in silence what follows, which a trailer of the name ``Connection`` could
    bring about. When a connection is over is decided by its protocol.
    """
    parser.set_dangerous_leniencies(lenient_keep_alive=True)


class Connection(HttpToolsProtocol):
    """A connection, which calls ``ended`` when it is lost.

    ``_unread`` is how many bytes came since the parser last called back: amid a head, or amid the
    trailers of a chunked body, it is what the parser holds. ``_gathers`` says that a request's body is
    gathered for the fast path, ``_request`` is the one that waits for its answer there, and ``_address``
    its client's address, if the log is to have it. Amid a head ``_since`` is when it began, otherwise
    when the last request was answered. ``_unwritten`` bytes of answers are still to be sent, of which
    the client has read none since ``_stalled_since``.

    Of the head that is read, ``_hosts`` counts the ``Host`` headers, ``_coding`` is the transfer
    coding, ``_closes`` says that the request is the last one, and ``_offer`` is the head without its
    offer to change the protocol. ``_unanswered`` counts requests. ``_reason`` is why the connection is
    refused, and ``_deaf`` says that nothing more is read of it.
    """

    policy = ConnectionPolicy()
    ended: Callable[[], None] | None = None
    _unread = _hosts = _unanswered = 0
    _deaf = _gathers = _closes = False
    _in_head = True
    _body = b""
    _coding: bytes | None = None
    _offer: bytes | None = None
    _reason: Refusal | None = None
    _request: FastRequest | None = None
    _address: str | None = None
    _since: float | None = None
    _unwritten, _stalled_since = 0, 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; head and body of an answer are written at once."""
        self._coalescing = CoalescingTransport(transport, self.loop)
        self._socket = transport
        super().connection_made(cast("asyncio.Transport", self._coalescing))
        go_on_after_close(self.parser)
        self._since = self.loop.time()
        self._watch()
        self._fast_path: FastPath | None = getattr(self.app, "fast_path", None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up, and call ``ended``."""
        if self._request is not None and self._fast_path is not None:
            self._request.client = self._address
            self._fast_path.abandon(self._request)
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        if self.ended is not None:
            self.ended()

    def drain(self) -> None:
        """Let the answer to the latest request say that it is the last."""
        if self._unanswered:
            self._deaf, self.cycle.keep_alive = self._deaf or not self.cycle.more_body, False

    @property
    def waits_since(self) -> float | None:
        """Since when it has neither an unanswered request nor one whose head has arrived."""
        return None if self._unanswered or self._deaf else self._since

    @property
    def _head_begun(self) -> bool:
        """Whether it is amid a head; before the first one there are no headers."""
        return self._in_head and self.headers is not None

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what was asked, though nothing more will come; return whether there is anything.

        A client that only ended its sending waits for its answer, and one that has gone looks the same.
        """
        if self._deaf or self._reason is not None:
            return True
        self._coalescing.flush()
        in_body = bool(self._unanswered) and self.cycle.more_body
        if in_body or self._head_begun:
            self._refuse(_CUT_SHORT)
            return True
        self._deaf = True
        if self._unanswered:
            self.cycle.keep_alive = False
            watch_presence(self._socket, self._may_probe)
        return bool(self._unanswered)

    def _may_probe(self) -> bool:
        """Return whether the next that is sent would be an answer's head, of HTTP/1.1."""
        cycle = self.cycle
        if not self._unanswered or self.pipeline:
            return False
        if isinstance(cycle, FastRequest):
            return True
        return not cycle.response_started and cycle.scope["http_version"] != "1.0"

    def make_room(self) -> None:
        """Close at once; it counts as closing from now on."""
        self._deaf = True
        self._socket.abort()

    def _unset_keepalive_if_required(self) -> None:
        """Keep the timer, which serves all requests of the connection."""

    def _watch(self, seconds: float = inf) -> None:
        most = min(seconds, self.policy.client_seconds, self.policy.idle_seconds)
        self.timeout_keep_alive_task = self.loop.call_later(most, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection whose client is late; otherwise look again later.

        One timer serves all requests of a connection: setting and cancelling one for each costs as much
        as counting the request.
        """
        now, unwritten = self.loop.time(), self._socket.get_write_buffer_size()
        if not unwritten or unwritten != self._unwritten:
            self._unwritten, self._stalled_since = unwritten, now
        elif now - self._stalled_since >= self.policy.client_seconds:
            self._socket.abort()
            return
        since = self.waits_since
        if since is None or self._socket.is_closing():
            self._watch()
            return
        allowed = self.policy.client_seconds if self._in_head else self.policy.idle_seconds
        left = since + allowed - now
        if left > 0:
            self._watch(left)
            return
        if self._head_begun:
            self._refuse((408, f"the head of the request did not arrive within {allowed:g} s"))
        else:
            self.transport.close()
        self._watch()

    def _refuse(self, reason: Refusal) -> None:
        """Answer by an error and close, after the answers to earlier requests.

        What cannot be parsed is the head of a request, or the body of the one that is being read. Of
        the latter nothing more comes, so that its application is told that the client has left.
        """
        self._reason, self._deaf, cycle = reason, True, self.cycle
        if self._gathers:
            self._gathers, self._body = False, b""
        elif cycle is not None and cycle.more_body:
            if cycle.response_started:  # it has its one answer, or a part of it
                self._hang_up() if cycle.response_complete else self.transport.close()
                return
            cycle.disconnected, cycle.waiting_for_100_continue = True, False
            cycle.message_event.set()
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
            self._unanswered -= 1
        if not self._unanswered:
            self._send_refusal(reason)

    def _send_refusal(self, reason: Refusal) -> None:
        status, message = reason
        request_id = new_request_id()
        client = {}
        if self.policy.client_of is not None:
            client["client"] = self.policy.client_of(self.client, ())
        _log.info("refused", request_id=request_id.decode(), status=status, **client)
        content = problem_body(Problem(status, message), request_id.decode())
        head = (
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"x-request-id: %s\r\nconnection: close\r\n\r\n"
        )
        phrase = HTTPStatus(status).phrase.encode()
        self.transport.write(head % (status, phrase, len(content), request_id) + content)
        self._hang_up()

    def _hang_up(self) -> None:
        """Close, but not before the client could read the last answer."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_DRAIN_SECONDS, self.transport.close)
