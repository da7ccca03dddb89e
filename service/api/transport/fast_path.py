"""The short way of a plain request: ``POST /predict`` of numbers, whole in one read of its connection.

For one row the web layer costs several times what the network does, and most of that is ASGI's: a
task, a scope, messages, an event to wait for. None of it is needed where the body is already there,
its records are lists of numbers, and featurizing them is a copy. Such a request goes from the parser
to the batcher in one step, and its answer from the batch to the socket in another.

Whatever is not as plain as that is declined, before anything is counted, and goes the usual way: bad
JSON, named features, records that are wrong, unknown models. So errors have one author, and what is
answered here is, byte for byte, what would be answered there.
"""

from collections.abc import Sequence
from itertools import chain
from time import perf_counter
from typing import Any, cast

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from models.features import Outcome
from service.api.access_control import unlimited
from service.api.auth.keys import KeyStore
from service.api.context import CLOSED_BY_CLIENT, RequestContext, failure_of, finish
from service.api.encoding import MANY, enveloped, listed
from service.api.problems import Headers, problem_body
from service.api.transport.fast_request import Carrier, FastRequest, RequestHead
from service.errors import ModelNotFound, ModelNotReady, Overloaded, ServiceError
from service.inference.predictor import Predictor, Stages
from service.inference.queue import Answer
from service.inference.results import is_plain, writing
from service.inference.served_models import ServedModel
from service.observability.counters import Telemetry

ROUTE = "/predict"


class _Numbers(msgspec.Struct):
    model: str
    inputs: list[list[float]]
    smiles: Any = UNSET


_decode = msgspec.json.Decoder(_Numbers).decode


class FastPath:
    """Answers plain requests."""

    def __init__(
        self,
        telemetry: Telemetry,
        predictor: Predictor,
        *,
        max_rows: int,
        max_bytes: int,
        deadline_seconds: float | None,
        key_store: KeyStore | None = None,
    ) -> None:
        """``telemetry`` counts what is answered; ``deadline_seconds`` is for requests that do not say.

        ``ring`` holds the API keys, where they are asked for.
        """
        self._key_store = key_store
        self._telemetry, self._predictor = telemetry, predictor
        self._max_rows, self._max_bytes = min(max_rows, MANY), max_bytes
        self._deadline_seconds = deadline_seconds

    def begin(self, carrier: Carrier, head: RequestHead, content: bytes) -> FastRequest | None:
        """Take a request on, or decline it, leaving no trace."""
        started = perf_counter()
        if len(content) > self._max_bytes:
            return None
        key = None
        if self._key_store is not None:
            key = unlimited(self._key_store, head.key, "predict")
            if key is None:  # refused, or metered: there, not here
                return None
        found = self._read(content)
        if found is None:
            return None
        served, block = found
        if head.timeout is None:
            seconds = self._deadline_seconds
        elif head.timeout.isdigit() and len(head.timeout) <= 9:
            seconds = int(head.timeout) / 1000
        else:
            return None
        read = perf_counter()
        features = self._predictor.featurized_at_once(served, cast("Sequence[object]", block))
        if len(features.rows) < len(block) or not is_plain(features.outcomes):
            return None
        featurized = perf_counter()
        context = RequestContext(head.request_id)
        context.model, context.rows, context.traffic = served.label, len(block), served.traffic
        context.key = key
        context.read = read - started
        context.stages = Stages(featurize=featurized - read)
        if seconds is not None:
            context.deadline = started + seconds
        served.traffic.featurize.observe(featurized - read)
        request = FastRequest(self, carrier, context, started, served, features.outcomes)
        served.leases.count += 1
        try:
            request.entry = served.batcher.submit(
                features.rows, request.done, deadline=context.deadline, request=context
            )
        except Overloaded as error:
            request.done(error)
        return request

    def _read(self, content: bytes) -> tuple[ServedModel, NDArray[np.float64]] | None:
        """The model and the records as an array; None for anything but lists of so many numbers."""
        try:
            body = _decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        lists = body.inputs
        if body.smiles is not UNSET or not 1 <= len(lists) <= self._max_rows:
            return None
        try:
            served = self._predictor.model(body.model)
        except (ModelNotFound, ModelNotReady):
            return None
        width = len(served.bundle.featurizer.fields)
        if (
            not width
            or served.bundle.featurizer.texts
            or set(map(len, lists)) != {width}
            or not self._predictor.is_quick(served, lists)
        ):
            return None
        numbers = lists[0] if len(lists) == 1 else chain.from_iterable(lists)
        return served, np.fromiter(numbers, np.float64, len(lists) * width).reshape(-1, width)

    def answer(self, request: FastRequest, result: Answer | ServiceError) -> None:
        """Answer a request that the batcher is done with."""
        context, served = request.context, request.served
        request.entry = None  # the connection keeps the flight until its next request
        stages, context.stages = context.stages, None
        served.leases.count -= 1
        failure: dict[str, Any] = {}
        headers: Headers = ()
        try:
            if isinstance(result, ServiceError):
                raise result
            assert stages is not None
            stages.queue, stages.infer = result.queue_seconds, result.compute_seconds
            context.stages = stages
            started = perf_counter()
            content = _written(served, result, request.outcomes)
            context.encode = perf_counter() - started
            context.status = 200
        except Exception as error:  # noqa: BLE001 - nothing may end in a client that waits for ever
            problem, failure = failure_of(error)
            context.status, headers = problem.status, problem.headers
            content = problem_body(problem, context.request_id.decode())
        if not request.carrier.deliver(request, context.status, headers, content):
            context.status = CLOSED_BY_CLIENT
        finish(self._telemetry, "POST", ROUTE, context, perf_counter() - request.started, failure)

    def abandon(self, request: FastRequest) -> None:
        """Forget a request whose client is gone."""
        request.response_complete = True
        context, served = request.context, request.served
        if request.entry is not None:
            served.batcher.withdraw(request.entry)
            request.entry = None
        served.leases.count -= 1
        context.status, context.stages = CLOSED_BY_CLIENT, None
        finish(self._telemetry, "POST", ROUTE, context, perf_counter() - request.started, {})


def _written(served: ServedModel, answer: Answer, outcomes: Sequence[Outcome]) -> bytes:
    """The body of an answer. What a batch's rows say is written once for all who share it."""
    to = writing(served.targets, served.manifest.exclusive)
    if len(answer.pieces) == 1:
        batch, start, stop = answer.pieces[0]
        if batch.memo is None:
            batch.memo = _Memo(to.pieces(batch.outputs, served.thresholds))
        assert isinstance(batch.memo, _Memo)
        if batch.memo.pieces is not None:
            return enveloped(served, to.joined(batch.memo.pieces, start, stop))
    return listed(served, [None] * len(outcomes), outcomes, answer.outputs)


class _Memo:
    """What is remembered of a batch: its rows' results in pieces, None where one is not finite."""

    __slots__ = ("pieces",)

    def __init__(self, pieces: list[bytes] | None) -> None:
        self.pieces = pieces
