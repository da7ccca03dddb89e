"""What every way into the service shares: a request's context, its id, its failure and its end."""

import re
from itertools import count
from os import urandom
from typing import Any

from starlette.types import Scope

from service.api.auth.keys import Key
from service.api.problems import Problem, problem_of
from service.inference.predictor import Stages
from service.observability.counters import Telemetry, Traffic
from service.observability.logs import get_logger, place_of, plain

SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
#: Milliseconds from its arrival after which nothing more is begun for a request.
TIMEOUT_HEADER = b"x-request-timeout-ms"
#: Where a request's scope has its connection's transport.
TRANSPORT = "snn.transport"
CLOSED_BY_CLIENT = 499  # nginx's number: there was nobody left to be answered

#: How uvloop says that a connection's transport is closed.
_GONE = "the handler is closed"

_log = get_logger()
_prefix = urandom(6).hex().encode()
_number = count(1)


class RequestContext:
    """What is noted of one request on its way."""

    __slots__ = (
        "deadline", "encode", "key", "model", "read", "request_id", "rows", "stages", "status",
        "traffic",
    )  # fmt: skip

    def __init__(self, request_id: bytes) -> None:
        self.request_id = request_id
        self.status = 0
        #: The API key that the request came with, where keys are asked for and it is one.
        self.key: Key | None = None
        #: The time of ``perf_counter`` after which nothing more is begun for the request.
        self.deadline: float | None = None
        self.model: str | None = None
        self.rows = 0
        self.read = self.encode = 0.0
        self.stages: Stages | None = None
        #: The counters of the model that was asked, once that is known.
        self.traffic: Traffic | None = None


def context_of(scope: Scope) -> RequestContext:
    """Return the request's trace."""
    context: RequestContext = scope["snn.context"]
    return context


def finish(
    telemetry: Telemetry,
    method: str,
    route: str,
    context: RequestContext,
    seconds: float,
    failure: dict[str, Any],
) -> None:
    """Count a request that has been answered, and log it."""
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
    else:
        plain.info("request", details | failure)


def is_gone(error: OSError | RuntimeError) -> bool:
    """Whether an error of sending says that the client is gone.

    ASGI asks servers for an ``OSError``; uvloop has a kind of its own between the client's leaving and
    the protocol's hearing of it.
    """
    return isinstance(error, OSError) or _GONE in str(error)


def failure_of(error: Exception) -> tuple[Problem, dict[str, Any]]:
    """An error as the client sees it, and as the log does."""
    problem, details = problem_of(error), dict[str, Any]()
    if problem.status == 500:
        cause = error.__cause__ or error
        details = {"kind": type(cause).__name__, "place": place_of(cause)}
    if not isinstance(error, Problem):
        details["refusal"] = type(error).__name__
    return problem, details


def _tally(context: RequestContext, traffic: Traffic, seconds: float) -> None:
    """Count a request for its model, with its stages if it came through all of them."""
    if context.status != 200 or context.stages is None:
        traffic.failed.add(seconds)
        return
    traffic.succeeded.add(seconds)
    traffic.waited.add(context.stages.queue)
    traffic.prepared.add(context.stages.featurize)
    traffic.inferred.add(context.stages.infer)
    traffic.encoded.add(context.encode)


def new_request_id() -> bytes:
    """An id that no other request has, of this worker or another."""
    return b"%s-%08x" % (_prefix, next(_number))
