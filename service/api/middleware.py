"""The outermost layer: request ids, error answers, counters, and one log line per request.

It is plain ASGI: Starlette's ``BaseHTTPMiddleware`` runs each request in a task of its own and hides
disconnects. Routes that must be fast are called from here, not through the router.
"""

from collections.abc import Collection, Mapping
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.body.compression import CompressedAnswer, accepted_codings, decoded
from service.api.body.negotiation import accepts
from service.api.context import (
    CLIENT,
    CLOSED_BY_CLIENT,
    PROBES,
    RequestContext,
    failure_of,
    finish,
    is_gone,
)
from service.api.problems import Disconnected, Problem, send_problem
from service.api.transport.fast_path import FastPath
from service.api.transport.head import begun, read_head
from service.observability.counters import Telemetry
from service.observability.tracing import Tracing


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
        root_path: str = "",
        tracing: Tracing | None = None,
        *,
        compresses: bool = False,
    ) -> None:
        """``direct`` maps a method and an exact path to an application that answers it.

        ``known`` are the paths that metrics and logs name as they were sent. ``deadline_seconds`` is
        the deadline of requests that name none. ``root_path`` is the prefix of a proxy, which it may
        have left in the path. ``tracing`` is None where no request is traced. ``compresses``:
        answers are compressed for who accepts it.
        """
        self._compresses = compresses
        self._tracing = tracing
        self._root_path = root_path
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
        started, method = perf_counter(), scope["method"]
        scope = self._seen_from_inside(scope)
        head = read_head(scope["headers"])
        context = begun(head, scope["headers"], scope.get("client"), self._tracing)
        scope["snn.context"] = context
        context.client = scope.get(CLIENT)
        if self._compresses and (accepted := accepted_codings(scope)):
            send = CompressedAnswer(send, accepted)
        answer = _Answer(context, scope, send, without_body=method == "HEAD")
        app = self._direct.get((scope["method"], scope["path"]), self._app)
        failure: dict[str, Any] = {}
        try:
            seconds = head.seconds(self._deadline_seconds)
            if seconds is not None:
                context.deadline = started + seconds
            if scope["path"] == self._root_path:
                await _lead_below(scope["path"], answer.send)
            else:
                if head.coded:
                    scope, receive = decoded(scope, receive)
                await app(scope, receive, answer.send)
        except Disconnected:
            if not answer.ended:
                context.status = CLOSED_BY_CLIENT
        except Exception as error:  # noqa: BLE001 - no client may receive a traceback
            problem, failure = failure_of(error)
            if not context.status:
                try:
                    await send_problem(answer.send, problem, context.request_id.decode())
                except Disconnected:
                    context.status = CLOSED_BY_CLIENT
        seconds = perf_counter() - started
        finish(self._telemetry, method, self._route(scope), context, seconds, failure)

    def _seen_from_inside(self, scope: Scope) -> Scope:
        """Return a scope without the proxy's prefix, where HEAD is a GET whose body is not sent."""
        changes: dict[str, Any] = {}
        if scope["method"] == "HEAD":
            changes["method"] = "GET"
        if self._root_path and scope["path"].startswith(f"{self._root_path}/"):
            changes["path"] = scope["path"].removeprefix(self._root_path)
        return {**scope, **changes} if changes else scope

    def _route(self, scope: Scope) -> str:
        """Return the route's template, since paths of clients would make labels without end."""
        if scope["path"] in self._known:
            return str(scope["path"])
        mounted = scope.get("root_path") or "unmatched"
        return str(getattr(scope.get("route"), "path", mounted))


class _Answer:
    """Sends an answer with its request's id, and notes its status.

    An answer of a type that the client does not accept becomes 406.
    """

    def __init__(self, context: RequestContext, scope: Scope, send: Send, *, without_body: bool) -> None:
        self._context, self._scope, self._send = context, scope, send
        self._without_body = without_body
        #: Whether all was sent that the client gets.
        self.ended = False

    async def send(self, message: Message) -> None:
        """Send a message of the application; raises ``Disconnected``."""
        if self.ended:
            if message.get("more_body"):  # a stream, which would go on for nobody
                raise Disconnected
            return
        if message["type"] == "http.response.start":
            kind = self._unwanted(message)
            if kind is not None:
                text = f"the answer is {kind}, which is none of the types that Accept names"
                await send_problem(self.send, Problem(406, text), self._context.request_id.decode())
                self.ended = True
                return
            self._context.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self._context.request_id)]
        elif self._without_body:
            self.ended, message = True, {"type": "http.response.body", "body": b""}
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:
            if not is_gone(error):
                raise
            raise Disconnected from error

    def _unwanted(self, start: Message) -> str | None:
        """Return the media type of an answer that its client does not accept; None for all others.

        Routes that predict look at ``Accept`` before they do anything. What was changed is answered,
        and so are probes, whoever asks.
        """
        scope = self._scope
        if start["status"] != 200 or scope["method"] != "GET" or scope["path"] in PROBES:
            return None
        kind = next((value for name, value in start["headers"] if name.lower() == b"content-type"), b"")
        media = kind.decode("latin-1").partition(";")[0].strip().lower()
        return media if media and not accepts(scope, media) else None


async def _lead_below(path: str, send: Send) -> None:
    """Lead a browser to the folder of the pages, from where their relative links are right."""
    location = (b"location", path.rpartition("/")[2].encode() + b"/")
    headers = [location, (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
