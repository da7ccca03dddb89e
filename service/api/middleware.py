"""The outermost layer: request ids, error answers, counting, and one log line per request.

Plain ASGI: Starlette's ``BaseHTTPMiddleware`` runs each request in a task of its own and hides
disconnects. Routes that must be fast are called from here without a walk through the router.
"""

import re
from collections.abc import Collection, Mapping
from itertools import count
from os import urandom
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.auth.keys import Key
from service.api.problems import Disconnected, Problem, problem_of, send_problem
from service.inference.predictor import Stages
from service.observability.counters import Telemetry, Traffic
from service.observability.logs import get_logger, place_of, plain

if TYPE_CHECKING:
    from service.api.transport.fast_path import FastPath

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


class RequestMiddleware:
    """Wraps the application."""

    #: Answers plain requests before they become ASGI's, where that may be.
    fast_path: "FastPath | None" = None

    def __init__(
        self,
        app: ASGIApp,
        direct: Mapping[tuple[str, str], ASGIApp],
        known: Collection[str],
        telemetry: Telemetry,
        deadline_seconds: float | None = None,
    ) -> None:
        """``direct`` maps a method and an exact path to an application that answers it.

        ``known`` are the paths that may be named in metrics and logs as they were sent;
        ``deadline_seconds`` is how long a request may wait that does not say.
        """
        self._deadline_seconds = deadline_seconds
        self._known = frozenset(known) | {path for _, path in direct}
        self._app = app
        self._direct = direct
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id, timeout = _read_head(scope)
        context = scope["snn.context"] = RequestContext(request_id)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", context.request_id)]
            try:
                await send(message)
            except (OSError, RuntimeError) as error:
                if not is_gone(error):
                    raise
                raise Disconnected from error

        app = self._direct.get((scope["method"], scope["path"]), self._app)
        failure: dict[str, Any] = {}
        try:
            if timeout is not None:
                context.deadline = started + _seconds(timeout)
            elif self._deadline_seconds is not None:
                context.deadline = started + self._deadline_seconds
            await app(scope, receive, send_and_note)
        except Disconnected:
            context.status = CLOSED_BY_CLIENT
        except Exception as error:  # noqa: BLE001 - nothing below may end in a traceback to the client
            problem, failure = failure_of(error)
            if not context.status:
                try:
                    await send_problem(send_and_note, problem, context.request_id.decode())
                except Disconnected:
                    context.status = CLOSED_BY_CLIENT
        self.finish(scope["method"], self._route(scope), context, perf_counter() - started, failure)

    def finish(
        self, method: str, route: str, context: RequestContext, seconds: float, failure: dict[str, Any]
    ) -> None:
        """Count a request that has been answered, and log it."""
        self._telemetry.answered(route, context.status, seconds)
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

    def _route(self, scope: Scope) -> str:
        """The route's template: a path could hold anything, and would make a label for each."""
        if scope["path"] in self._known:
            return str(scope["path"])
        return str(getattr(scope.get("route"), "path", "unmatched"))


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


def _read_head(scope: Scope) -> tuple[bytes, bytes | None]:
    """The client's own id where it is a sane one, or else a new one; and its timeout."""
    request_id = timeout = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            request_id = bytes(value)
        elif name == TIMEOUT_HEADER:
            timeout = value
    if request_id is None:
        request_id = new_request_id()
    return request_id, timeout


def _seconds(timeout: bytes) -> float:
    if not (timeout.isdigit() and len(timeout) <= 9):
        raise Problem(400, "X-Request-Timeout-Ms is not a whole number of milliseconds")
    return int(timeout) / 1000
