"""What every way into the service shares: a request's context, its deadline, its errors and its end."""

import asyncio
import re
from collections.abc import Sequence
from itertools import count
from os import urandom
from typing import Any, TypeVar

from starlette.types import Receive, Scope

from service.api.auth.keys import Key
from service.api.problems import Disconnected, Problem, problem_of
from service.inference.predictor import Applicability, Prediction, Predictor, Stages
from service.inference.served_models import ServedModel
from service.observability.counters import Telemetry, Traffic
from service.observability.logs import get_logger, place_of, plain
from service.observability.tracing import Trace

T = TypeVar("T")

#: Request ids that are kept as the client sent them; others could break a log line.
SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
#: Milliseconds from a request's arrival after which no further work begins for it.
TIMEOUT_HEADER = b"x-request-timeout-ms"
#: The header by which a client says that its rows are made up: ``1``.
SYNTHETIC_HEADER = b"x-snn-synthetic"
#: The key under which a request's scope has its connection's transport.
TRANSPORT = "snn.transport"
#: The key under which a request's scope has how long its client may send nothing.
CLIENT_SECONDS = "snn.client_seconds"
#: The key under which a request's scope has its client's address, if the log is to have it.
CLIENT = "snn.client"
#: What asks again and again whether the service lives. It may send any ``Accept``, and is logged only
#: at level ``debug`` unless the answer is no.
PROBES = frozenset(("/health/live", "/health/ready", "/healthz", "/v2/health/live", "/v2/health/ready"))
#: nginx's status for a client that left before its answer.
CLOSED_BY_CLIENT = 499

#: uvloop's words for a closed transport.
_GONE = "the handler is closed"

_log = get_logger()
_prefix = urandom(6).hex().encode()
_number = count(1)


class RequestContext:
    """One request's id, deadline and key, and what its log line and its counters need."""

    #: Whether the request is marked as an example or a probe, which tells nothing of the traffic.
    synthetic = False

    __slots__ = (
        "applicability", "client", "deadline", "encode", "key", "model", "read", "request_id", "rows",
        "stages", "status", "trace", "traffic",
    )  # fmt: skip

    def __init__(self, request_id: bytes) -> None:
        self.request_id = request_id
        #: The client's address, if the log is to have it.
        self.client: str | None = None
        #: The status of the answer, 0 before it begins.
        self.status = 0
        #: The valid API key of the request; None without one, or where the service has no keys.
        self.key: Key | None = None
        #: The time of ``perf_counter`` after which no further work begins; None for no deadline.
        self.deadline: float | None = None
        #: What the request says of records that a model cannot judge; None where it says nothing.
        self.applicability: Applicability | None = None
        #: ``model@version``, once the model is known.
        self.model: str | None = None
        #: Records that were predicted, or refused one by one. A request refused as a whole has none.
        self.rows = 0
        #: Seconds of reading the body and of writing the answer.
        self.read = self.encode = 0.0
        self.stages: Stages | None = None
        #: The trace that it belongs to; None where it is not traced.
        self.trace: Trace | None = None
        #: The counters of the model, once it is known.
        self.traffic: Traffic | None = None

    def ask(self, served: ServedModel) -> None:
        """Note which model the request is for."""
        self.model, self.traffic = served.label, served.traffic

    async def predict(
        self, predictor: Predictor, served: ServedModel, records: Sequence[object], receive: Receive
    ) -> Prediction:
        """Predict the records of this request, as long as its client is connected.

        Raises ``Disconnected``, and what ``Predictor.predict`` raises.
        """
        work = predictor.predict(served, records, self.deadline, self, applicability=self.applicability)
        if predictor.is_quick(served, records):
            prediction = await work
        else:
            gone = asyncio.ensure_future(receive())
            try:
                prediction = await until_gone(asyncio.create_task(work), gone)
            finally:
                gone.cancel()
        self.rows, self.stages = len(records), prediction.stages
        return prediction


def context_of(scope: Scope) -> RequestContext:
    """Return the request's context."""
    context: RequestContext = scope["snn.context"]
    return context


def timeout_seconds(value: bytes) -> float | None:
    """Return the seconds of a ``TIMEOUT_HEADER``; None where it is no whole number of milliseconds."""
    return int(value) / 1000 if value.isdigit() and len(value) <= 9 else None


async def until_gone(task: asyncio.Task[T], gone: asyncio.Future[Any]) -> T:
    """Return the task's result, or cancel it and raise ``Disconnected`` once ``gone`` is done."""
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            raise Disconnected
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def finish(
    telemetry: Telemetry,
    method: str,
    route: str,
    context: RequestContext,
    seconds: float,
    failure: dict[str, Any],
) -> None:
    """Count a request that has been answered, make its spans if it is traced, and log it."""
    telemetry.answered(route, context.status, seconds)
    if context.traffic is not None:
        _tally(context, context.traffic, seconds)
    details: dict[str, Any] = {
        "request_id": context.request_id.decode(),
        "method": method,
        "route": route,
        "status": context.status,
        "seconds": round(seconds, 6),
    }
    if context.trace is not None:
        context.trace.recorder.record(context, context.trace, method, route, seconds)
        details["trace"] = context.trace.text
    if context.client is not None:
        details["client"] = context.client
    if context.key is not None:
        details["key"] = context.key.name
    if context.model is not None:
        details |= {"model": context.model, "rows": context.rows, "read": round(context.read, 6)}
    if context.stages is not None:
        details["featurize"] = round(context.stages.featurize, 6)
        details["queue"] = round(context.stages.queue, 6)
        details["infer"] = round(context.stages.infer, 6)
        details["encode"] = round(context.encode, 6)
    if "kind" in failure:
        _log.error("request", **details, **failure)
    elif route in PROBES and context.status < 500:
        _log.debug("request", **details, **failure)
    else:
        plain.info("request", details | failure)


def is_gone(error: OSError | RuntimeError) -> bool:
    """Return whether an error of sending says that the client has left.

    ASGI asks servers for an ``OSError``. uvloop raises a ``RuntimeError`` after the client has left and
    before the protocol is told.
    """
    return isinstance(error, OSError) or _GONE in str(error)


def failure_of(error: Exception) -> tuple[Problem, dict[str, Any]]:
    """Return an error as the client receives it, and the details that the log has of it."""
    problem, details = problem_of(error), dict[str, Any]()
    if problem.status == 500:
        cause = error.__cause__ or error
        details = {"kind": type(cause).__name__, "place": place_of(cause)}
    if not isinstance(error, Problem):
        details["refusal"] = type(error).__name__
    return problem, details


def _tally(context: RequestContext, traffic: Traffic, seconds: float) -> None:
    """Count a request for its model, with its stages if it succeeded."""
    if context.status != 200 or context.stages is None:
        traffic.failed.add(seconds)
        return
    traffic.succeeded.add(seconds)
    if context.synthetic:
        traffic.synthetic += 1
    traffic.latency.observe(seconds)
    traffic.waited.add(context.stages.queue)
    traffic.prepared.add(context.stages.featurize)
    traffic.inferred.add(context.stages.infer)
    traffic.encoded.add(context.encode)


def new_request_id() -> bytes:
    """Return an id that no other request of any worker has."""
    return b"%s-%08x" % (_prefix, next(_number))
