"""Calls that are answered by the routes of HTTP, inside this process: all but inference.

So metadata, health, statistics and the repository have one author for both protocols, with the same
keys, errors, counters and log lines. The documents' fields are those of the messages.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from google.protobuf import json_format
from starlette.types import ASGIApp, Message

from service.api.problems import Problem
from service.grpc.calls import Call, check_name, client_of, for_ever, headers_of, status_of
from service.grpc.messages import HEALTH, SERVICE


class Asked(NamedTuple):
    """The request of HTTP that a call is answered by."""

    method: str
    path: str
    body: bytes = b""


def _of_model(suffix: str) -> Callable[[Any], Asked]:
    def asked(message: Any) -> Asked:
        version = f"/versions/{check_name(message.version)}" if message.version else ""
        return Asked("GET", f"/v2/models/{check_name(message.name)}{version}{suffix}")

    return asked


def _statistics(message: Any) -> Asked:
    return _of_model("/stats")(message) if message.name else Asked("GET", "/v2/models/stats")


def _change(step: str) -> Callable[[Any], Asked]:
    def asked(message: Any) -> Asked:
        parameters = dict.fromkeys(message.parameters, True)
        body = msgspec.json.encode({"parameters": parameters}) if parameters else b""
        return Asked("POST", f"/v2/repository/models/{check_name(message.model_name)}/{step}", body)

    return asked


#: By method, the request of HTTP.
ROUTES: dict[str, Callable[[Any], Asked]] = {
    "ServerLive": lambda _: Asked("GET", "/v2/health/live"),
    "ServerReady": lambda _: Asked("GET", "/v2/health/ready"),
    "ModelReady": _of_model("/ready"),
    "ServerMetadata": lambda _: Asked("GET", "/v2"),
    "ModelMetadata": _of_model(""),
    "ModelStatistics": _statistics,
    "RepositoryIndex": lambda message: Asked(
        "POST", "/v2/repository/index", msgspec.json.encode({"ready": message.ready})
    ),
    "RepositoryModelLoad": _change("load"),
    "RepositoryModelUnload": _change("unload"),
}
#: gRPC's health protocol: 1 is serving, 2 is not.
_SERVING, _NOT_SERVING = 1, 2


class Forwarding:
    """Answers calls by the application of HTTP."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def answering(self, method: str, response: Any) -> Callable[[Any, Call], Any]:
        """Return what answers a method of the protocol by a message of the class ``response``."""
        route = ROUTES[method]

        async def answer(message: Any, call: Call) -> Any:
            try:
                asked = route(message)
            except Problem as problem:
                return await call.abort(status_of(problem.status), str(problem))
            status, document = await self._ask(asked, call)
            if isinstance(document, list):
                document = {"models": document}
            # Of what is not ready the answer is a document, and no error.
            if status != 200 and "error" in document:
                return await call.abort(status_of(status), document["error"])
            return json_format.ParseDict(document, response(), ignore_unknown_fields=True)

        return answer

    def checking(self, response: Any) -> Callable[[Any, Call], Any]:
        """Return what answers ``grpc.health.v1.Health/Check``: of the service, or of a model."""

        async def check(message: Any, call: Call) -> Any:
            path = "/v2/health/ready"
            if "/" in message.service:
                return await call.abort(status_of(404), "there is no such service or model")
            if message.service not in ("", SERVICE, HEALTH):
                path = f"/v2/models/{message.service}/ready"
            status, document = await self._ask(Asked("GET", path), call)
            if "error" in document:
                return await call.abort(status_of(status), document["error"])
            return response(status=_SERVING if document["ready"] else _NOT_SERVING)

        return check

    async def _ask(self, asked: Asked, call: Call) -> tuple[int, Any]:
        """Return the status and the document of an answer."""
        sent = list[Message]()
        unread: list[Message] = [{"type": "http.request", "body": asked.body, "more_body": False}]
        scope = {
            "type": "http", "http_version": "1.1", "scheme": "http", "server": None, "root_path": "",
            "method": asked.method, "path": asked.path, "raw_path": asked.path.encode(),
            "query_string": b"", "headers": headers_of(call), "client": client_of(call),
        }  # fmt: skip

        async def receive() -> Message:
            return unread.pop() if unread else await for_ever()

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], msgspec.json.decode(content)
