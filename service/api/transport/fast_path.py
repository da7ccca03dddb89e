"""The fast path: ``POST /predict`` of numbers whose body arrives in one read of its connection.

For one row the web layer costs several times what the network does, most of it for ASGI. Here a request
goes from the parser to the batcher in one step, and its answer from the batch to the socket in another.

Any other request is declined before anything is counted, and takes the usual path: malformed JSON,
named features, records that cannot be read, unknown models. So every error has one author, and an
answer of the fast path is, byte for byte, that of the usual path.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import chain
from time import perf_counter
from typing import Any, Protocol, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.features import Outcome
from models.features.tabular.candidate_tables import FEWEST_ROWS, table_warnings
from service.api.access_control import unlimited
from service.api.auth.headers import key_of
from service.api.auth.keys import Key, KeyStore
from service.api.body.decoding import Limits
from service.api.context import (
    CLOSED_BY_CLIENT,
    SANE_ID,
    TIMEOUT_HEADER,
    RequestContext,
    failure_of,
    finish,
    new_request_id,
    timeout_seconds,
)
from service.api.encoding import ENVELOPE, MANY, listed
from service.api.problems import Headers, problem_body
from service.api.transport.framing import PLAIN, PlainHead
from service.errors import ModelNotFound, ModelNotReady, Overloaded, ServiceError
from service.inference.answers.json_writing import is_plain, writing
from service.inference.predictor import Predictor, Stages
from service.inference.queue import Answer, QueuedRequest
from service.inference.served_models import ServedModel
from service.inference.trials.routing import Unbegun
from service.observability.counters import Telemetry
from service.observability.tracing import TRACE_HEADER, Tracing

ROUTE = "/predict"
#: Bodies of fewer bytes have answers that are not worth compressing.
_FEW_BYTES, _COMPRESSED = 512, b"accept-encoding"


class _Numbers(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    inputs: list[list[float]]


_decode = msgspec.json.Decoder(_Numbers).decode


def _plain_head(headers: list[tuple[bytes, bytes]]) -> PlainHead | None:
    """Read the headers of a ``POST /predict``; None where the usual path is needed."""
    request_id = timeout = key = parent = None
    for name, value in headers:
        if name not in PLAIN:
            continue
        plain = PLAIN[name]
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


class Carrier(Protocol):
    """The connection that a request came by."""

    def deliver(self, request: "FastRequest", status: int, headers: Headers, content: bytes) -> bool:
        """Send an answer; return whether the client is still connected."""


#: What uvicorn's protocol sets when a client leaves; nobody waits for it here.
_unheard = asyncio.Event()


class FastRequest(RequestContext):
    """One request on the fast path; to uvicorn's protocol it is the request's cycle."""

    __slots__ = (
        "carrier", "disconnected", "entry", "keep_alive", "message_event", "more_body",
        "outcomes", "response_complete", "served", "started",
    )  # fmt: skip

    def __init__(
        self, carrier: Carrier, head: PlainHead, started: float,
        served: ServedModel, outcomes: Sequence[Outcome],
    ) -> None:  # fmt: skip
        RequestContext.__init__(self, head.request_id)
        self.carrier, self.started = carrier, started
        self.served, self.outcomes = served, outcomes
        self.model, self.traffic = served.label, served.traffic
        self.keep_alive = True
        self.more_body = self.disconnected = self.response_complete = False
        self.message_event = _unheard
        self.entry: QueuedRequest | None = None


class FastPath:
    """Answers plain requests."""

    def __init__(
        self,
        telemetry: Telemetry,
        predictor: Predictor,
        limits: Limits,
        *,
        deadline_seconds: float | None,
        key_store: KeyStore | None = None,
        tracing: Tracing | None = None,
        compresses: bool = False,
    ) -> None:
        """``deadline_seconds`` is for requests that name none; ``key_store`` is None without keys."""
        self._key_store, self._tracing, self._compresses = key_store, tracing, compresses
        self._telemetry, self._predictor = telemetry, predictor
        self._max_rows, self._max_bytes = min(limits.rows, MANY), limits.bytes
        self._deadline_seconds = deadline_seconds

    def begin(
        self, carrier: Carrier, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> FastRequest | None:
        """Take a request, or decline it without a trace."""
        started = perf_counter()
        head = _plain_head(headers)
        if head is None or len(content) > self._max_bytes:
            return None
        if self._compresses and len(content) >= _FEW_BYTES and _COMPRESSED in dict(headers):
            return None
        key = unlimited(self._key_store, head.key, "predict") if self._key_store is not None else None
        if key is None and self._key_store is not None:  # a refusal, or a key with a rate
            return None
        numbers = self._read(content, head.request_id, key)
        if numbers is None:
            return None
        served, block = numbers
        seconds = self._deadline_seconds if head.timeout is None else timeout_seconds(head.timeout)
        if seconds is None and head.timeout is not None:
            return None
        read = perf_counter()
        features = self._predictor.featurized_at_once(served, cast("Sequence[object]", block))
        if len(features.rows) < len(block) or not is_plain(features.outcomes):
            return None
        featurized = perf_counter()
        request = FastRequest(carrier, head, started, served, features.outcomes)
        request.key, request.read = key, read - started
        request.stages = Stages(featurize=featurized - read)
        if self._tracing is not None:
            request.trace = self._tracing.begin(head.parent)
        if seconds is not None:
            request.deadline = started + seconds
        served.traffic.featurize.observe(featurized - read)
        served.leases.count += 1
        try:
            done = partial(self.answer, request)
            request.entry = served.batcher.submit(
                features.rows, done, deadline=request.deadline, request=request
            )
        except Overloaded as error:
            self.answer(request, error)
        return request

    def _read(
        self, content: bytes, request_id: bytes, key: Key | None
    ) -> tuple[ServedModel, NDArray[np.float64]] | None:
        """Return the model and the records as an array; None for anything but lists of its width."""
        try:
            body = _decode(content)
            served = self._predictor.model(body.model)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ModelNotFound, ModelNotReady):
            return None
        if served.trial.routing is not None:
            served = served.answering(None, Unbegun(request_id, key))
        lists = body.inputs
        width = len(served.bundle.featurizer.fields)
        if (
            not width
            or not 1 <= len(lists) <= self._max_rows
            or served.bundle.featurizer.texts
            or set(map(len, lists)) != {width}
            or not self._predictor.is_quick(served, lists)
        ):
            return None
        numbers = lists[0] if len(lists) == 1 else chain.from_iterable(lists)
        block = np.fromiter(numbers, np.float64, len(lists) * width).reshape(-1, width)
        if len(block) >= FEWEST_ROWS and table_warnings(served.bundle.featurizer.fields, block):
            return None
        return served, block

    def answer(self, request: FastRequest, result: Answer | ServiceError) -> None:
        """Answer a request by the batcher's result."""
        request.entry = None  # the connection keeps the request until its next one
        stages, request.stages = request.stages, None
        request.served.leases.count -= 1
        failure: dict[str, Any] = {}
        headers: Headers = ()
        try:
            if isinstance(result, ServiceError):
                raise result
            assert stages is not None
            stages.queue, stages.infer = result.queue_seconds, result.compute_seconds
            request.stages, request.rows = stages, len(request.outcomes)
            started = perf_counter()
            content = _written(request.served, result, request.outcomes)
            request.encode = perf_counter() - started
            request.status = 200
        except Exception as error:  # noqa: BLE001 - every client must be answered
            problem, failure = failure_of(error)
            request.status, headers = problem.status, problem.headers
            content = problem_body(problem, request.request_id.decode())
        if not request.carrier.deliver(request, request.status, headers, content):
            request.status = CLOSED_BY_CLIENT
        finish(self._telemetry, "POST", ROUTE, request, perf_counter() - request.started, failure)

    def abandon(self, request: FastRequest) -> None:
        """Withdraw a request whose client has left."""
        request.response_complete = True
        if request.entry is not None:
            request.served.batcher.withdraw(request.entry)
            request.entry = None
        request.served.leases.count -= 1
        request.status, request.stages = CLOSED_BY_CLIENT, None
        finish(self._telemetry, "POST", ROUTE, request, perf_counter() - request.started, {})


def _written(served: ServedModel, answer: Answer, outcomes: Sequence[Outcome]) -> bytes:
    """Return the body of an answer. Results of a batch's rows are written once, for all its requests."""
    if len(answer.pieces) == 1 and served.decision.is_plain:
        batch, start, stop = answer.pieces[0]
        manifest = served.bundle.manifest
        to = writing(served.targets, manifest.exclusive)
        if batch.memo is None:  # None in it where a number is not finite
            batch.memo = (to.pieces(batch.outputs, served.decision.thresholds),)
        (pieces,) = cast("tuple[list[bytes] | None]", batch.memo)
        if pieces is not None:
            results = to.joined(pieces, start, stop)
            return ENVELOPE % (manifest.name.encode(), manifest.version, results)
    return listed(served, [None] * len(outcomes), outcomes, answer.outputs)
