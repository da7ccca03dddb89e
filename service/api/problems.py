"""Errors as the client sees them: ``{"error": "one sentence", "code": "…", "request_id": "…"}``."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Send

from models.errors import (
    BundleRefused,
    CutOffRefused,
    ModelError,
    RepositoryError,
    UnknownModel,
    UnknownVersion,
)
from service.api.error_codes import MEANINGS, Code, code_of
from service.api.schemas import ErrorAnswer
from service.errors import (
    DeadlineMissed,
    DrawingUnavailable,
    InvalidRequest,
    MalformedInput,
    ModelNotFound,
    ModelNotReady,
    NotEnoughTraffic,
    NotKept,
    NotWatched,
    Overloaded,
    ServiceError,
    TooLarge,
    VersionNotFound,
)

Headers = Sequence[tuple[bytes, bytes]]

_CODES: dict[type[ServiceError], Code] = {
    MalformedInput: Code.MALFORMED_REQUEST,
    InvalidRequest: Code.INVALID_REQUEST,
    TooLarge: Code.TOO_LARGE,
    ModelNotFound: Code.UNKNOWN_MODEL,
    VersionNotFound: Code.UNKNOWN_VERSION,
    NotEnoughTraffic: Code.CONFLICT,
    NotWatched: Code.CONFLICT,
    NotKept: Code.UNAVAILABLE,
    DrawingUnavailable: Code.UNAVAILABLE,
    DeadlineMissed: Code.DEADLINE_EXCEEDED,
}

#: Errors of the repository of models, the first that fits.
_MODEL_CODES: dict[type[ModelError], Code] = {
    UnknownModel: Code.UNKNOWN_MODEL,
    UnknownVersion: Code.UNKNOWN_VERSION,
    RepositoryError: Code.CONFLICT,
    BundleRefused: Code.CONFLICT,
    CutOffRefused: Code.INVALID_REQUEST,
}

_SENTENCES = {
    404: "there is nothing at this address; GET /docs lists what there is",
    405: "this address does not take this method; GET /docs lists what it takes",
}


class Problem(Exception):
    """An error of HTTP alone, such as a wrong content type; ``headers`` are added to its answer.

    ``code`` is by default the usual one of the status.
    """

    def __init__(
        self, status: int, message: str, headers: Headers = (), code: Code | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code_of(status) if code is None else code
        self.headers = headers


class Disconnected(Exception):
    """The client has left before its answer."""


def problem_of(error: Exception) -> Problem:
    """Translate an error for the client; an unforeseen one becomes a 500 without details."""
    match error:
        case Problem():
            return error
        case Overloaded():
            # Retry-After is in whole seconds; 0 would make all clients return at once.
            after = str(max(1, ceil(error.retry_after))).encode()
            return Problem(429, f"{error}; try again later", [(b"retry-after", after)])
        case ModelNotReady():
            return Problem(503, str(error), [(b"retry-after", b"1")], Code.MODEL_NOT_READY)
        case HTTPException():
            headers = [(k.lower().encode(), v.encode()) for k, v in (error.headers or {}).items()]
            if error.status_code == 405:
                headers = [(name, _with_head(value)) for name, value in headers]
            sentence = _SENTENCES.get(error.status_code, str(error.detail))
            return Problem(error.status_code, sentence, headers)
        case RequestValidationError():
            first = error.errors()[0]
            where, name = first["loc"][0], first["loc"][-1]
            return Problem(422, f"the {where} parameter {name!r} is wrong: {first['msg']}")
        case ModelError():
            found = (code for kind, code in _MODEL_CODES.items() if isinstance(error, kind))
            return _of_code(next(found, Code.INTERNAL_ERROR), str(error))
        case ServiceError() if type(error) in _CODES:
            return _of_code(_CODES[type(error)], str(error))
        case _:
            return Problem(500, "the service failed; its log says where, under this request id")


def _with_head(methods: bytes) -> bytes:
    """Return an ``Allow`` header with HEAD, which is taken wherever GET is."""
    allowed = methods.split(b", ")
    return b", ".join([*allowed, b"HEAD"] if b"GET" in allowed and b"HEAD" not in allowed else allowed)


def _of_code(code: Code, message: str) -> Problem:
    return Problem(MEANINGS[code][0], message, code=code)


async def send_json(send: Send, status: int, content: bytes, headers: Headers = ()) -> None:
    """Send a JSON answer."""
    start: dict[str, Any] = {
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            *headers,
        ],
    }
    await send(start)
    await send({"type": "http.response.body", "body": content})


async def send_problem(send: Send, problem: Problem, request_id: str) -> None:
    """Send an error in the service's shape."""
    await send_json(send, problem.status, problem_body(problem, request_id), problem.headers)


def problem_body(problem: Problem, request_id: str) -> bytes:
    """Return an error in the service's shape, as JSON."""
    return msgspec.json.encode(ErrorAnswer(str(problem), problem.code, request_id))
