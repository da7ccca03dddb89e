"""A plain request on its way from its connection to the batcher and back; see ``express``."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from models.features import Outcome
from service.api.auth.headers import KEY_HEADERS, key_of
from service.api.context import SANE_ID, TIMEOUT_HEADER, RequestContext, new_request_id
from service.api.problems import Headers
from service.errors import ServiceError
from service.inference.queue import Answer, QueuedRequest
from service.inference.served_models import ServedModel

#: The headers that matter here; the others don't.
_TELLING = frozenset(
    {
        b"accept",
        b"authorization",
        b"content-encoding",
        b"content-type",
        b"expect",
        TIMEOUT_HEADER,
        b"x-api-key",
        b"x-request-id",
    }
)


class RequestHead(msgspec.Struct):
    """What the headers of a plain request say."""

    request_id: bytes
    timeout: bytes | None = None
    #: The API key that came with it, which is not looked at yet.
    key: bytes | None = None


class RequestHandler(Protocol):
    """What a fast request comes from, and reports to."""

    def answer(self, request: "FastRequest", result: Answer | ServiceError) -> None:
        """Answer a request that the batcher is done with."""

    def abandon(self, request: "FastRequest") -> None:
        """Forget a request whose client is gone."""


class Carrier(Protocol):
    """The connection that a request came by."""

    def deliver(self, request: "FastRequest", status: int, headers: Headers, content: bytes) -> bool:
        """Send an answer; return whether somebody was there to take it."""


class _Unheard:
    """An event that nobody waits for."""

    def set(self) -> None:
        """Do nothing."""


_unheard = _Unheard()


class FastRequest:
    """One request on its way; to uvicorn's protocol it is the request's cycle."""

    __slots__ = (
        "carrier",
        "context",
        "disconnected",
        "entry",
        "fast_path",
        "keep_alive",
        "message_event",
        "more_body",
        "outcomes",
        "response_complete",
        "served",
        "started",
    )  # fmt: skip

    def __init__(
        self,
        fast_path: RequestHandler,
        carrier: Carrier,
        context: RequestContext,
        started: float,
        served: ServedModel,
        outcomes: Sequence[Outcome],
    ) -> None:
        self.fast_path, self.carrier, self.context, self.started = fast_path, carrier, context, started
        self.served, self.outcomes = served, outcomes
        self.keep_alive = True
        self.more_body = self.disconnected = self.response_complete = False
        self.message_event = _unheard
        self.entry: QueuedRequest | None = None

    def done(self, result: Answer | ServiceError) -> None:
        """Take what the batcher has to say."""
        self.fast_path.answer(self, result)

    def abandon(self) -> None:
        """Give up: the client is gone."""
        self.fast_path.abandon(self)


def plain_head(headers: list[tuple[bytes, bytes]]) -> RequestHead | None:
    """Read the headers of a ``POST /predict``; None where they ask for anything out of the ordinary."""
    request_id = timeout = key = None
    for name, value in headers:
        if name not in _TELLING:
            continue
        if name == b"content-type":
            if value != b"application/json":
                return None
        elif name == b"accept":
            if b"csv" in value or b"ndjson" in value or b"jsonl" in value:
                return None
        elif name == b"x-request-id":
            if SANE_ID.fullmatch(value):
                request_id = value
        elif name == TIMEOUT_HEADER:
            timeout = value
        elif name in KEY_HEADERS:
            key = key_of(name, value) if key is None else key
        else:
            return None
    return RequestHead(new_request_id() if request_id is None else request_id, timeout, key)
