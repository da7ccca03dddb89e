"""The outermost layer: request ids, error answers, counters, and one log line per request.

It is plain ASGI: Starlette's ``BaseHTTPMiddleware`` runs each request in a task of its own and hides
disconnects. Routes that must be fast are called from here, not through the router.
"""

from collections.abc import Collection, Mapping
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.body.negotiation import accepts
from service.api.context import (
    CLOSED_BY_CLIENT,
    SANE_ID,
    TIMEOUT_HEADER,
    RequestContext,
    failure_of,
    finish,
    is_gone,
    new_request_id,
    timeout_seconds,
)
from service.api.problems import Disconnected, Problem, send_problem
from service.api.transport.fast_path import FastPath
from service.observability.counters import Telemetry

#: What asks whether the service lives may send any ``Accept``.
_PROBES = frozenset(("/health/live", "/health/ready", "/healthz", "/v2/health/live", "/v2/health/ready"))


class RequestMiddleware:
    """Gives each request a context, and each error the service's shape."""

    #: Answers plain requests before they become ASGI requests; None for no fast path.
    fast_path: FastPath | None = None

    def __init__(
        self,
        app: ASGIApp,
        direct: Mapping[tuple[str, str], ASGIApp],
        known: Collection[str],
        telemetry: Telemetry,
        deadline_seconds: float | None = None,
    ) -> None:
        """``direct`` maps a method and an exact path to an application that answers it.

        ``known`` are the paths that metrics and logs name as they were sent. ``deadline_seconds`` is
        the deadline of requests that name none.
        """
        self._deadline_seconds = deadline_seconds
        self._known = frozenset(known) | {path for _, path in direct}
        self._app = app
        self._direct = direct
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; no error of the application leaves this method."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id, timeout = _read_head(scope)
        context = scope["snn.context"] = RequestContext(request_id)

        dropped = False

        async def send_and_note(message: Message) -> None:
            nonlocal dropped
            if dropped:
                if message.get("more_body"):  # a stream, which would go on for nobody
                    raise Disconnected
                return
            if message["type"] == "http.response.start":
                kind = _unwanted(scope, message)
                if kind is not None:
                    text = f"the answer is {kind}, which is none of the types that Accept names"
                    await send_problem(send_and_note, Problem(406, text), request_id.decode())
                    dropped = True
                    return
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
            seconds = self._deadline_seconds if timeout is None else timeout_seconds(timeout)
            if seconds is not None:
                context.deadline = started + seconds
            elif timeout is not None:
                raise Problem(400, "X-Request-Timeout-Ms is not a whole number of milliseconds")
            await app(scope, receive, send_and_note)
        except Disconnected:
            context.status = context.status if dropped else CLOSED_BY_CLIENT
        except Exception as error:  # noqa: BLE001 - no client may receive a traceback
            problem, failure = failure_of(error)
            if not context.status:
                try:
                    await send_problem(send_and_note, problem, context.request_id.decode())
                except Disconnected:
                    context.status = CLOSED_BY_CLIENT
        finish(
            self._telemetry,
            scope["method"],
            self._route(scope),
            context,
            perf_counter() - started,
            failure,
        )

    def _route(self, scope: Scope) -> str:
        """Return the route's template, since paths of clients would make labels without end."""
        if scope["path"] in self._known:
            return str(scope["path"])
        mounted = scope.get("root_path") or "unmatched"
        return str(getattr(scope.get("route"), "path", mounted))


def _unwanted(scope: Scope, start: Message) -> str | None:
    """Return the media type of an answer that its client does not accept; None for all others.

    Routes that predict look at ``Accept`` before they do anything. What was changed is answered, and
    so are probes, whoever asks.
    """
    if start["status"] != 200 or scope["method"] not in ("GET", "HEAD") or scope["path"] in _PROBES:
        return None
    kind = next((value for name, value in start["headers"] if name.lower() == b"content-type"), b"")
    media = kind.decode("latin-1").partition(";")[0].strip().lower()
    return media if media and not accepts(scope, media) else None


def _read_head(scope: Scope) -> tuple[bytes, bytes | None]:
    """Return the client's request id, or a new one where it is not usable; and its time-out."""
    request_id = timeout = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            request_id = bytes(value)
        elif name == TIMEOUT_HEADER:
            timeout = value
    if request_id is None:
        request_id = new_request_id()
    return request_id, timeout
