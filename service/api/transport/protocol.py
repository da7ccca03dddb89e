"""One connection: uvicorn's protocol with a limit on a request's head, and with the fast path.

httptools has no limit, and would gather a header of any size. What is refused here never becomes a
request, so that the answer is written by hand.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.api.context import TRANSPORT, is_gone, new_request_id
from service.api.problems import Headers, Problem, problem_body
from service.api.transport.fast_path import ROUTE, FastPath, FastRequest
from service.api.transport.write_coalescing import CoalescingTransport
from service.observability.logs import get_logger

#: Bytes of a request's line and headers together.
HEAD_BYTES = 64 * 1024
#: Seconds for which a refused client is read, since it would see a reset connection in place of the
#: error. Nothing of it is kept.
_DRAIN_SECONDS = 2.0

_TOO_LONG = f"the head of the request is longer than {HEAD_BYTES} bytes; send fewer or shorter headers"

_FAST_PATH_URL = ROUTE.encode()

_log = get_logger()


class _HeadTooLong(Exception):
    """Ends the parsing of a read whose head is too long."""


class HttpProtocol(HttpToolsProtocol):
    """A connection, which calls ``ended`` when it is lost.

    ``_unread`` is how many bytes came since the parser last called back: amid a head, or amid the
    trailers of a chunked body, it is what the parser holds. ``_gathers`` says that a request's body is
    gathered for the fast path, ``_request`` is the one that waits for its answer there, and
    ``_idle_since`` the time of the connection's last answer.
    """

    ended: Callable[[], None] | None = None
    _unread = 0
    _too_long = _refused = _gathers = False
    _body = b""
    _request: FastRequest | None = None
    _idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; head and body of an answer are written at once."""
        self._coalescing = CoalescingTransport(transport, self.loop)
        self._socket = transport
        super().connection_made(cast("asyncio.Transport", self._coalescing))
        self._fast_path: FastPath | None = getattr(self.app, "fast_path", None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up, and call ``ended``."""
        if self._request is not None and self._fast_path is not None:
            self._fast_path.abandon(self._request)
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        if self.ended is not None:
            self.ended()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, within the limit on the head."""
        if self._refused:
            return
        self._unread += len(data)
        super().data_received(data)
        if self._gathers and not self._refused:
            self._take_usual_path()  # its body is not all here
        if self._unread > HEAD_BYTES and not self._refused:
            self._refuse(431, _TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin to read a request, whose scope has its connection."""
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        """Begin with the request, unless its head was too long within a single read."""
        if self._unread > HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > HEAD_BYTES:
                self._too_long = True
                raise _HeadTooLong
        self._unread = 0
        if self._fast_path is not None and self.url == _FAST_PATH_URL and self._may_be_plain():
            self._gathers = True
            return
        super().on_headers_complete()

    def _may_be_plain(self) -> bool:
        """Return whether it is a POST with no request before it, on a connection that is kept."""
        parser = self.parser
        return (
            (self.cycle is None or self.cycle.response_complete)
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.pipeline
            and not self.flow.write_paused
        )

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body, which has limits of its own."""
        self._unread = 0
        if not self._gathers:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """Offer the request to the fast path; otherwise take the usual path."""
        if self._gathers:
            assert self._fast_path is not None
            request = self._fast_path.begin(self, self.headers, self._body)
            if request is not None:
                self._gathers, self._body = False, b""
                self.cycle = cast("RequestResponseCycle", request)
                if request.response_complete:  # refused at once
                    self.on_response_complete()
                else:
                    self._request = request
                return
            self._take_usual_path()
        super().on_message_complete()

    def _take_usual_path(self) -> None:
        """Make an ASGI request of what was gathered."""
        body, self._gathers, self._body = self._body, False, b""
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def deliver(self, request: FastRequest, status: int, headers: Headers, content: bytes) -> bool:
        """Send the answer to a request of the fast path; return whether the client is connected."""
        request.response_complete = True
        at_once, self._request = self._request is None, None
        if self._socket.is_closing():
            return False
        head = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            head += (name, b": ", value, b"\r\n")
        if not request.keep_alive:
            head.append(b"connection: close\r\n")
        head.append(
            b"content-type: application/json\r\ncontent-length: %d\r\nx-request-id: %s\r\n\r\n"
            % (len(content), request.request_id)
        )
        head.append(content)
        try:
            if self._coalescing.held:  # the answers before this one
                self._coalescing.flush()
            self._socket.write(b"".join(head))
        except (OSError, RuntimeError) as error:
            if not is_gone(error):
                raise
            return False
        if not request.keep_alive:
            self._socket.close()
        if not at_once:
            self.on_response_complete()
        return True

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for one until the keep-alive time is over.

        One timer serves all answers of a connection: setting and cancelling one for each costs as
        much as counting the request.
        """
        self.server_state.total_requests += 1
        if self._socket.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch(self.timeout_keep_alive)

    def _watch(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """Note that the connection is in use, for the timer."""
        self._idle_since = None

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for too long; otherwise check again later."""
        self.timeout_keep_alive_task = None
        if self.transport.is_closing() or self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._watch(left)
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what could not be parsed, in the service's own shape."""
        if self._too_long:
            self._refuse(431, _TOO_LONG)
        else:
            self._refuse(400, msg.removesuffix(".").replace("Invalid", "invalid"))

    def _refuse(self, status: int, message: str) -> None:
        """Answer by an error and close, after the answers to earlier requests."""
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.more_body:  # the rest of this request is refused
                self.transport.close()
            self.cycle.keep_alive = False
            return
        request_id = new_request_id()
        _log.info("refused", request_id=request_id.decode(), status=status)
        content = problem_body(Problem(status, message), request_id.decode())
        head = (
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"x-request-id: %s\r\nconnection: close\r\n\r\n"
        )
        phrase = HTTPStatus(status).phrase.encode()
        self.transport.write(head % (status, phrase, len(content), request_id) + content)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_DRAIN_SECONDS, self.transport.close)
