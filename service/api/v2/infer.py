"""``POST /v2/models/{model}[/versions/{version}]/infer``.

Source: "Inference" of the Open Inference Protocol, and the binary tensor data extension. ``predicted``
says what becomes of records that could not be read, or that the model cannot judge.
"""

import asyncio
import re
from collections.abc import Mapping
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from numpy.typing import NDArray
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.body.compression import accepted_codings, choose, compress
from service.api.body.decoding import Limits
from service.api.body.negotiation import accepts
from service.api.body.reading import read_body
from service.api.context import context_of
from service.api.encoding import stated
from service.api.problems import Problem
from service.api.v2 import request, response, tensors
from service.api.v2.interface import (
    Interface,
    interface_of,
    names_of,
)
from service.api.v2.predicted import predicted, records_of
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModel, ServedModels

PATH = "/v2/models/{model}/infer"
VERSION_PATH = "/v2/models/{model}/versions/{version}/infer"
_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
#: The route's name in logs and metrics, with or without a version.
_ROUTE = SimpleNamespace(path=PATH)

_HEADER = b"inference-header-content-length"
#: Answers of so many bytes of floats are written and compressed in a thread.
_LARGE_ANSWER = 65_536


class Infer:
    """The route as a plain ASGI application; ``otherwise`` answers all other requests."""

    def __init__(
        self,
        served_models: ServedModels,
        predictor: Predictor,
        limits: Limits,
        *,
        otherwise: ASGIApp,
    ) -> None:
        self._served_models = served_models
        self._predictor = predictor
        self._limits = limits
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        found = None
        if scope["type"] == "http" and scope["method"] == "POST":
            found = _PATH.fullmatch(scope["path"])
        if found is None:
            await self._otherwise(scope, receive, send)
            return
        scope["route"] = _ROUTE
        served = self._served_models.get(found[1]).answering(found[2], context_of(scope))
        await self._infer(scope, receive, send, served)

    async def _infer(self, scope: Scope, receive: Receive, send: Send, served: ServedModel) -> None:
        context = context_of(scope)
        context.ask(served)
        started = perf_counter()
        interface = interface_of(served)
        asked, records = await self._read(scope, receive, interface, names_of(served))
        context.read = perf_counter() - started
        outputs, decision = await predicted(
            self._predictor, served, context, asked, interface, records, receive
        )
        started = perf_counter()
        await _send(scope, send, served, asked, outputs, stated(served, decision))
        context.encode = perf_counter() - started

    async def _read(
        self, scope: Scope, receive: Receive, interface: Interface, more: tuple[str, ...]
    ) -> tuple[request.InferRequest, tensors.Records]:
        """Read and decode a request's body."""
        header_length = _header_length(scope)
        body = await read_body(scope, receive, self._limits.bytes)
        asked = request.parse(
            body, header_length, interface.input_name, interface.outputs, (*interface.texts, *more)
        )
        return asked, records_of(asked, interface, self._limits.rows)


def _header_length(scope: Scope) -> int | None:
    """Return the JSON's length, in bytes of the decompressed body; raises ``Problem`` 400 or 406."""
    if not accepts(scope, "application/json", "application/octet-stream"):
        raise Problem(406, "answers are application/json, with binary tensors application/octet-stream")
    length = None
    for name, value in scope["headers"]:
        if name == _HEADER:
            if not (value.isdigit() and len(value) <= 18) or length not in (None, int(value)):
                raise Problem(400, "Inference-Header-Content-Length is not a whole number of bytes")
            length = int(value)
    return length


async def _send(
    scope: Scope,
    send: Send,
    served: ServedModel,
    asked: request.InferRequest,
    outputs: Mapping[str, NDArray[Any]],
    thresholds: dict[str, float] | None,
) -> None:
    """Write the answer, compressed where the client accepts it, and send it."""
    accepted = accepted_codings(scope)
    arguments = (served, asked, outputs, thresholds, accepted)
    # A binary tensor is one copy of memory; digits and compression take time.
    slow = sum(outputs[name].nbytes for name, binary in asked.outputs.items() if accepted or not binary)
    if slow < _LARGE_ANSWER:
        content, headers = _write(*arguments)
    else:
        content, headers = await asyncio.to_thread(_write, *arguments)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _write(
    served: ServedModel,
    asked: request.InferRequest,
    outputs: Mapping[str, NDArray[Any]],
    thresholds: dict[str, float] | None,
    accepted: bytes,
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    manifest = served.manifest
    content, json_length = response.encode(
        manifest.name, str(manifest.version), asked.id, outputs, asked.outputs, thresholds
    )
    headers = [(b"vary", b"accept-encoding")]
    if json_length is None:
        headers.append((b"content-type", b"application/json"))
    else:
        headers.append((b"content-type", b"application/octet-stream"))
        headers.append((_HEADER, str(json_length).encode()))
    coding = choose(accepted, len(content))
    if coding is not None:
        content = compress(content, coding)
        headers.append((b"content-encoding", coding))
    headers.append((b"content-length", str(len(content)).encode()))
    return content, headers
