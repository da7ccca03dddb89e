"""``ModelInfer``: a tensor of records to tensors of predictions, by the same batcher as HTTP.

Tensors are read and checked as binary tensors of HTTP are. Outputs are always raw (Triton does the
same): little-endian, row-major, in ``raw_output_contents``.
"""

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from service.api.access_control import AccessControl
from service.api.auth.keys import KeyStore
from service.api.body.decoding import Limits
from service.api.context import (
    CLOSED_BY_CLIENT,
    SANE_ID,
    SYNTHETIC_HEADER,
    RequestContext,
    SyntheticContext,
    failure_of,
    finish,
    new_request_id,
)
from service.api.encoding import stated
from service.api.problems import Problem
from service.api.v2 import request, response
from service.api.v2.interface import Interface, interface_of, names_of
from service.api.v2.predicted import predicted, records_of
from service.api.v2.schemas import InferenceRequest, RequestInput, RequestOutput
from service.grpc.calls import Call, Headers, client_of, for_ever, headers_of, status_of
from service.grpc.messages import SERVICE, shapes
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModels
from service.observability.counters import Telemetry
from service.observability.tracing import TRACE_HEADER, Tracing

ROUTE = f"/{SERVICE}/ModelInfer"
#: The path of HTTP whose scope a call needs.
_PATH = "/v2/models/{model}/infer"
_, _Response = shapes(SERVICE, "ModelInfer")
#: The fields of ``InferTensorContents`` by datatype.
_CONTENTS = {
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
    "INT64": "int64_contents", "UINT64": "uint64_contents", "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
}  # fmt: skip


class Inference:
    """Answers ``ModelInfer``."""

    def __init__(
        self,
        served_models: ServedModels,
        predictor: Predictor,
        telemetry: Telemetry,
        limits: Limits,
        *,
        deadline_seconds: float,
        key_store: KeyStore | None,
        tracing: Tracing | None,
    ) -> None:
        """As ``create_app``; without ``key_store`` no call needs a key."""
        self._served_models, self._predictor, self._telemetry = served_models, predictor, telemetry
        self._limits, self._deadline_seconds = limits, deadline_seconds
        self._key_store, self._tracing = key_store, tracing

    async def answer(self, message: Any, call: Call) -> Any:
        """Answer one call; an error has the sentence that HTTP has."""
        started, headers = perf_counter(), headers_of(call)
        context = self._context(headers, call)
        remaining = call.time_remaining()
        seconds = self._deadline_seconds if remaining is None else min(remaining, self._deadline_seconds)
        context.deadline = started + seconds
        failure: dict[str, Any] = {}
        problem, answer = None, None
        try:
            if self._key_store is None:
                answer = await self._predict(message, context)
            else:
                answer = await self._admitted(self._key_store, message, headers, context)
            context.status = 200
        except asyncio.CancelledError:  # the client has left
            context.status = CLOSED_BY_CLIENT
            self._finish(context, started, failure)
            raise
        except Exception as error:  # noqa: BLE001 - every client must be answered
            problem, failure = failure_of(error)
            context.status = problem.status
        self._finish(context, started, failure)
        await call.send_initial_metadata((("x-request-id", context.request_id.decode()),))
        if problem is not None:
            return await call.abort(status_of(problem.status), str(problem))
        return answer

    def _context(self, headers: Headers, call: Call) -> RequestContext:
        told = dict(headers)
        request_id = told.get(b"x-request-id", b"")
        if not SANE_ID.fullmatch(request_id):
            request_id = new_request_id()
        context = RequestContext(request_id)
        if told.get(SYNTHETIC_HEADER) == b"1":
            context = SyntheticContext(request_id, client_of(call), headers)
        if self._tracing is not None:
            context.trace = self._tracing.begin(told.get(TRACE_HEADER))
        return context

    def _finish(self, context: RequestContext, started: float, failure: dict[str, Any]) -> None:
        finish(self._telemetry, "POST", ROUTE, context, perf_counter() - started, failure)

    async def _admitted(
        self,
        key_store: KeyStore,
        message: Any,
        headers: Headers,
        context: RequestContext,
    ) -> Any:
        """Answer a call whose key may predict; raises as ``AccessControl``."""
        answers: list[Any] = []

        async def inner(_: Connection, __: Receive, ___: Send) -> None:
            answers.append(await self._predict(message, context))

        app: ASGIApp = AccessControl(inner, key_store)
        scope = {"type": "http", "method": "POST", "path": _PATH, "headers": headers}
        await app(scope | {"snn.context": context}, for_ever, _nowhere)
        return answers[0]

    async def _predict(self, message: Any, context: RequestContext) -> Any:
        started = perf_counter()
        model = self._served_models.get(message.model_name)
        served = model.answering(message.model_version or None, context)
        context.ask(served)
        interface = interface_of(served)
        asked = _read(message, interface, names_of(served))
        records = records_of(asked, interface, self._limits.rows)
        context.read = perf_counter() - started
        outputs, decision = await predicted(
            self._predictor, served, context, asked, interface, records, for_ever
        )
        started = perf_counter()
        answer = _Response(
            model_name=served.manifest.name,
            model_version=str(served.manifest.version),
            id=message.id,
        )
        for name in asked.outputs:
            array = outputs[name]
            datatype, to_bytes = response.form_of(array)
            answer.outputs.add(name=name, datatype=datatype, shape=array.shape)
            answer.raw_output_contents.append(to_bytes(array))
        for target, value in (stated(served, decision) or {}).items():
            answer.parameters[f"threshold_{target}"].double_param = value
        context.encode = perf_counter() - started
        return answer


def _read(message: Any, interface: Interface, more: tuple[str, ...]) -> request.InferRequest:
    """Return a call's message as a request of HTTP with one binary tensor; raises ``Problem``."""
    raw = list(message.raw_input_contents)
    if raw and len(raw) != len(message.inputs):
        raise Problem(400, f"{len(raw)} raw_input_contents for {len(message.inputs)} inputs")
    inputs = []
    for place, tensor in enumerate(message.inputs):
        declared = RequestInput(
            tensor.name, list(tensor.shape), tensor.datatype, _parameters(tensor.parameters)
        )
        if raw:
            declared.parameters = (declared.parameters or {}) | {"binary_data_size": len(raw[place])}
        else:
            declared.data = _elements(tensor)
        inputs.append(declared)
    outputs = [RequestOutput(each.name, _parameters(each.parameters)) for each in message.outputs]
    body = InferenceRequest(inputs, message.id or None, _parameters(message.parameters), outputs or None)
    return request.checked(
        body, memoryview(b"".join(raw)), interface.input_name, interface.outputs, more
    )


def _elements(tensor: Any) -> list[Any]:
    """Return the elements of a tensor's typed contents; raises ``Problem`` 400."""
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise Problem(400, f"input {tensor.name[:40]!r}: send {tensor.datatype[:40]!r} as raw contents")
    elements = list(getattr(tensor.contents, field))
    if field != "bytes_contents":
        return elements
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError as error:
        raise Problem(400, f"input {tensor.name[:40]!r}: an element is not UTF-8") from error


def _parameters(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a map of parameters as JSON would have it; an object stands in a text of JSON."""
    told = {}
    for name, parameter in parameters.items():
        value = getattr(parameter, parameter.WhichOneof("parameter_choice") or "string_param")
        if isinstance(value, str) and value.startswith("{"):
            try:
                value = msgspec.json.decode(value)
            except msgspec.DecodeError as error:
                raise Problem(400, f"parameter {name[:40]!r} is not JSON: {error}") from error
        told[name] = value
    return told or None


async def _nowhere(_: Message) -> None:
    """Send nothing: the answer is a message."""
