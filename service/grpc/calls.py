"""A call as the rest of the service sees it: its metadata as headers, its errors as gRPC's statuses."""

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from starlette.types import Message

from service.api.auth.headers import KEY_HEADERS
from service.api.context import SYNTHETIC_HEADER, TIMEOUT_HEADER
from service.api.problems import Problem
from service.api.transport.head import PASSED_ON
from service.grpc.core import Call
from service.observability.tracing import TRACE_HEADER

#: gRPC's statuses by those of HTTP; all others are ``INTERNAL``. "codes" of google.rpc names the pairs.
_STATUSES = {
    HTTPStatus.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: grpc.StatusCode.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.NOT_ACCEPTABLE: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.UNPROCESSABLE_ENTITY: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
}

#: Metadata that mean what the headers of these names mean. Others are about a body of HTTP, which a call
#: does not have: a content coding, a length, what the client accepts.
_HEADERS = frozenset(
    name.decode()
    for name in (
        *PASSED_ON, *KEY_HEADERS, b"x-request-id", SYNTHETIC_HEADER, TIMEOUT_HEADER, TRACE_HEADER,
    )
)  # fmt: skip

Headers = list[tuple[bytes, bytes]]
Metadata = tuple[tuple[str, str], ...]


def headers_of(call: Call) -> Headers:
    """Return the metadata of a call that are headers here, too."""
    return [
        (name.encode(), value.encode("latin-1", "replace"))
        for name, value in call.metadata
        if name in _HEADERS and isinstance(value, str)
    ]


def client_of(call: Call) -> tuple[str, int] | None:
    """Return the address of a call's client; None for a socket in the file system."""
    kind, _, rest = call.peer().partition(":")
    host, _, port = rest.rpartition(":")
    if kind not in ("ipv4", "ipv6") or not port.isdigit():
        return None
    return host.replace("%5B", "").replace("%5D", "").strip("[]"), int(port)


def metadata_of(request_id: bytes) -> Metadata:
    """Return what is sent before an answer: the request's id."""
    return (("x-request-id", request_id.decode()),)


def parsed(shape: Any, content: bytes) -> Any:
    """Return a message of a class; raises ``Problem`` 400 for bytes that are none."""
    try:
        return shape.FromString(content)
    except DecodeError as error:
        raise Problem(400, f"the message is no {shape.DESCRIPTOR.name}") from error


def in_task(work: Callable[[Any, Call], Coroutine[Any, Any, None]]) -> Callable[[Any, Call], None]:
    """Return what answers calls by a task each, which ends if the client leaves."""
    tasks = set[asyncio.Task[None]]()

    def begin(asked: Any, call: Call) -> None:
        task = asyncio.get_running_loop().create_task(work(asked, call))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        call.on_gone = task.cancel

    return begin


def status_of(status: int) -> grpc.StatusCode:
    """Return gRPC's status for one of HTTP."""
    return _STATUSES.get(HTTPStatus(status), grpc.StatusCode.INTERNAL)


def check_name(name: str) -> str:
    """Return a model's name or version; raises ``Problem`` 404 for one that would be another path."""
    if not name or "/" in name:
        raise Problem(404, f"no model named {name[:80]!r} is served here")
    return name


async def for_ever() -> Message:
    """Wait until the call is cancelled: gRPC does so when its client leaves."""
    message: Message = await asyncio.get_running_loop().create_future()
    return message
