"""One connection: uvicorn's protocol, with an end to how long a request's head may be.

httptools sets none, and would gather a header of any size. What is refused here never becomes a
request, so that the answer is written by hand.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.edge import TRANSPORT, new_request_id
from service.api.gathering import GatheringTransport
from service.logs import get_logger

#: Bytes of a request's line and headers together.
HEAD_BYTES = 64 * 1024
#: A client that is refused is heard out for so long, or else it would see a reset connection in
#: place of the answer that says why. Nothing of it is kept.
_DRAIN_SECONDS = 2.0

_TOO_LONG = f"the head of the request is longer than {HEAD_BYTES} bytes; send fewer or shorter headers"

_log = get_logger()


class _HeadTooLong(Exception):
    """Ends the parsing of a read that has a whole head which is too long."""


class Connection(HttpToolsProtocol):
    """A connection, which also tells when it ended.

    ``_unread`` is how many bytes came since the parser last got anywhere: amid a head, or amid the
    trailers of a chunked body, it is what the parser holds.
    """

    ended: Callable[[], None] | None = None
    _unread = 0
    _too_long = _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with head and body of an answer in one write."""
        super().connection_made(cast("asyncio.Transport", GatheringTransport(transport, self.loop)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up, and tell."""
        super().connection_lost(exc)
        if self.ended is not None:
            self.ended()

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless that would be too much."""
        if self._refused:
            return
        self._unread += len(data)
        super().data_received(data)
        if self._unread > HEAD_BYTES and not self._refused:
            self._refuse(431, _TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin to read a request, which can find the connection that it came by."""
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
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body, which has limits of its own."""
        self._unread = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Refuse what could not be parsed, in the service's own shape."""
        if self._too_long:
            self._refuse(431, _TOO_LONG)
        else:
            self._refuse(400, msg.removesuffix(".").replace("Invalid", "invalid"))

    def _refuse(self, status: int, message: str) -> None:
        """Answer by an error and hang up, once answers that are still owed have been given."""
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.more_body:  # what is refused is this request's own rest
                self.transport.close()
            self.cycle.keep_alive = False
            return
        request_id = new_request_id()
        _log.info("refused", request_id=request_id.decode(), status=status)
        content = msgspec.json.encode({"error": message, "request_id": request_id.decode()})
        head = (
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"x-request-id: %s\r\nconnection: close\r\n\r\n"
        )
        phrase = HTTPStatus(status).phrase.encode()
        self.transport.write(head % (status, phrase, len(content), request_id) + content)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_DRAIN_SECONDS, self.transport.close)
