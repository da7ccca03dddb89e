"""Calls that are answered by the routes of HTTP, inside this process: all but inference.

So metadata, health, statistics and the repository have one author for both protocols, with the same
keys, errors, counters and log lines. The documents' fields are those of the messages.
"""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import msgspec
from google.protobuf import json_format
from starlette.types import ASGIApp, Message

from service.api.context import CLIENT
from service.api.problems import Problem
from service.api.transport.client_address import ClientAddress
from service.grpc.calls import (
    check_name,
    client_of,
    for_ever,
    headers_of,
    in_task,
    parsed,
    status_of,
)
from service.grpc.core import Call, Unary
from service.grpc.messages import HEALTH, SERVICE, shapes


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

    def __init__(self, app: ASGIApp, client_address: ClientAddress | None) -> None:
        """``client_address`` is None where the log is not to have it."""
        self._app, self._client_address = app, client_address

    def answering(self, method: str) -> Unary:
        """Return what answers a method of the protocol."""
        route, (asked, answered) = ROUTES[method], shapes(SERVICE, method)

        async def answer(content: bytes, call: Call) -> bytes:
            status, document = await self._ask(route(parsed(asked, content)), call)
            if isinstance(document, list):
                document = {"models": document}
            # Of what is not ready the answer is a document, and no error.
            if status != 200 and "error" in document:
                raise Problem(status, document["error"])
            told = json_format.ParseDict(document, answered(), ignore_unknown_fields=True)
            return bytes(told.SerializeToString())

        return _answering(answer)

    def checking(self) -> Unary:
        """Return what answers ``grpc.health.v1.Health/Check``: of the service, or of a model."""
        asked, answered = shapes(HEALTH, "Check")

        async def check(content: bytes, call: Call) -> bytes:
            path, service = "/v2/health/ready", parsed(asked, content).service
            if "/" in service:
                raise Problem(404, "there is no such service or model")
            if service not in ("", SERVICE, HEALTH):
                path = f"/v2/models/{service}/ready"
            status, document = await self._ask(Asked("GET", path), call)
            if "error" in document:
                raise Problem(status, document["error"])
            told = answered(status=_SERVING if document["ready"] else _NOT_SERVING)
            return bytes(told.SerializeToString())

        return _answering(check)

    async def _ask(self, asked: Asked, call: Call) -> tuple[int, Any]:
        """Return the status and the document of an answer."""
        sent = list[Message]()
        unread: list[Message] = [{"type": "http.request", "body": asked.body, "more_body": False}]
        headers, peer = headers_of(call), client_of(call)
        scope = {
            "type": "http", "http_version": "1.1", "scheme": "http", "server": None, "root_path": "",
            "method": asked.method, "path": asked.path, "raw_path": asked.path.encode(),
            "query_string": b"", "headers": headers, "client": peer,
        }  # fmt: skip
        if self._client_address is not None:
            scope[CLIENT] = self._client_address(peer, headers)

        async def receive() -> Message:
            return unread.pop() if unread else await for_ever()

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], msgspec.json.decode(content)


def _answering(work: Callable[[bytes, Call], Coroutine[Any, Any, bytes]]) -> Unary:
    """Return what answers a call by the bytes that work returns, or the ``Problem`` that it raises."""

    async def answer(content: bytes, call: Call) -> None:
        try:
            call.answer(await work(content, call))
        except Problem as problem:
            call.refuse(status_of(problem.status), str(problem))

    return in_task(answer)
