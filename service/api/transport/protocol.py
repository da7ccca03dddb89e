"""Reads the requests of one connection, and answers those of the fast path.

uvicorn's protocol reads them too, but loses its place where a client offers another protocol, and
checks less than RFC 9112 asks. httptools has no limit on a head, and would gather a header of any size.
"""

from typing import cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.api.context import CLIENT, CLIENT_SECONDS, TRANSPORT, is_gone
from service.api.problems import Headers
from service.api.transport.connection import HEAD_BYTES, TOO_LONG, Connection, go_on_after_close
from service.api.transport.fast_path import ROUTE, FastRequest
from service.api.transport.framing import (
    NOTED,
    Refusal,
    fault_of,
    head_without_offer,
    path_of,
    says_close,
)
from service.observability.logs import get_logger, place_of

_FAST_PATH_URL = ROUTE.encode()

_log = get_logger()


class _Refused(Exception):
    """Ends the parsing of a read, whose connection is refused or has ended."""


def _reason_of(error: httptools.HttpParserError) -> Refusal:
    """Return what a client is told of an error of the parser; one of this service's own is logged."""
    cause = error.__context__
    if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(
        cause, httptools.HttpParserError | UnicodeError
    ):
        _log.error("reading failed", kind=type(cause).__name__, place=place_of(cause or error))
        return (500, "the service failed; its log says where, under this request id")
    return (400, f"this is no valid HTTP request: {error}")


class HttpProtocol(Connection):
    """A connection whose requests take the fast path where they can."""

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, within the limit on the head."""
        if self._deaf:
            return
        self._unread += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            if not self._deaf:  # otherwise it is what follows the last request
                self._refuse(self._reason or _reason_of(error))
            return
        if self._in_head and self._since is None:
            self._since = self.loop.time()
        if self._gathers:
            self._take_usual_path()  # its body is not all here
        if self._unread > HEAD_BYTES:
            self._refuse(TOO_LONG)

    def _feed(self, data: bytes | memoryview) -> None:
        """Pass data to the parser; raises ``HttpParserError``.

        A request that offers to change the protocol ends the parser. Another one reads its head again,
        without the offer, and goes on with what follows the head.
        """
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offered:
                assert self._offer is not None
                head, self._offer = self._offer, None
                self.parser = httptools.HttpRequestParser(self)
                go_on_after_close(self.parser)
                self.parser.feed_data(head)
                data = memoryview(data)[offered.args[0] :]

    def on_message_begin(self) -> None:
        """Begin to read a request; raises ``_Refused`` after one that was said to be the last."""
        if self._deaf:
            raise _Refused
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._hosts, self._coding, self._closes = 0, None, False
        self._in_head, self._since = True, None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, and note those that decide how the request is read."""
        name = name.lower()
        value = value.rstrip(b" \t")
        if name in NOTED:
            if name == b"host":
                self._hosts += 1
            elif name == b"connection":
                self._closes = self._closes or says_close(value)
            elif name == b"expect":
                self.expect_100_continue = value.lower() == b"100-continue"
            else:
                self._coding = value if self._coding is None else self._coding + b", " + value
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin with the request; raises ``_Refused`` where its head is too long or unsound."""
        if self._unread > HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > HEAD_BYTES:
                self._reason = TOO_LONG
                raise _Refused
        self._unread, self._in_head = 0, False
        parser = self.parser
        method, version = parser.get_method(), parser.get_http_version()
        if parser.should_upgrade() and method != b"CONNECT":
            self._offer = head_without_offer(method, self.url, version, self.headers)
            return
        if self._hosts != 1 or self._coding is not None or version != "1.1" or method == b"CONNECT":
            self._reason = fault_of(method, version, self._hosts, self._coding)
            if self._reason is not None:
                raise _Refused
        if (
            self._fast_path is not None
            and self.url == _FAST_PATH_URL
            and method == b"POST"
            and version == "1.1"
            and self._coding is None
            and not self._unanswered
            and not self._closes
            and not self.flow.write_paused
        ):
            self._gathers = True
            return
        if self.url[:1] != b"/":
            path = path_of(self.url, method)
            if isinstance(path, tuple):
                self._reason = path
                raise _Refused
            self.url = path
        self._begin(version)

    def _begin(self, version: str) -> None:
        """Begin an ASGI request, whose scope has its connection."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects and version != "1.0"
        self.headers.extend(headers)
        scope = cast("dict[str, object]", self.scope)
        scope[TRANSPORT], scope[CLIENT_SECONDS] = self.transport, self.policy.client_seconds
        if self.policy.client_of is not None:
            scope[CLIENT] = self.policy.client_of(self.client, headers)
        super().on_headers_complete()
        self.cycle.keep_alive = version == "1.1" and not self._closes and not self.policy.draining
        self.headers = []  # of the trailers, which are no headers of the request
        self._unanswered += 1

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body, which has limits of its own."""
        self._unread = 0
        if not self._gathers:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """Offer the request to the fast path; otherwise take the usual path."""
        if self._offer is not None:
            return  # it is read again
        if self._gathers:
            assert self._fast_path is not None
            if self.policy.client_of is not None:
                self._address = self.policy.client_of(self.client, self.headers)
            request = self._fast_path.begin(self, self.headers, self._body)
            if request is not None:
                self._gathers, self._body = False, b""
                self.cycle = cast("RequestResponseCycle", request)
                self._unanswered += 1
                if request.response_complete:  # refused at once
                    self.on_response_complete()
                else:
                    self._request = request
                return
            self._take_usual_path()
        super().on_message_complete()
        self.cycle.more_body = False
        self._deaf = not self.cycle.keep_alive

    def _take_usual_path(self) -> None:
        """Make an ASGI request of what was gathered."""
        body, self._gathers, self._body = self._body, False, b""
        self._begin("1.1")
        if body:
            super().on_body(body)

    def deliver(self, request: FastRequest, status: int, headers: Headers, content: bytes) -> bool:
        """Send the answer to a request of the fast path; return whether the client is connected."""
        request.response_complete, request.client = True, self._address
        at_once, self._request = self._request is None, None
        if self._socket.is_closing():
            return False
        head = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            head += (name, b": ", value, b"\r\n")
        last = not request.keep_alive or (self.policy.draining and not self.pipeline)
        if last:
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
        if last:
            self._socket.close()
        if not at_once:
            self.on_response_complete()
        return True

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for one."""
        self.server_state.total_requests += 1
        self._unanswered -= 1
        if self._socket.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        if self._reason is not None:
            self._send_refusal(self._reason)
            return
        if self.cycle.more_body and self.cycle.waiting_for_100_continue:
            # Nobody knows whether the body still comes.
            self.transport.close()
            return
        self._since = self.loop.time()
