"""``ModelInfer``: a tensor of records to tensors of predictions, by the same batcher as HTTP.

Tensors are read and checked as binary tensors of HTTP are. Outputs are always raw (Triton does the
same): little-endian, row-major, in ``raw_output_contents``.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from time import perf_counter
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from service.api.access_control import AccessControl
from service.api.auth.keys import KeyStore
from service.api.context import CLOSED_BY_CLIENT, RequestContext, failure_of
from service.api.encoding import stated
from service.api.problems import Problem
from service.api.transport.head import read_head
from service.api.v2 import request, response
from service.api.v2.interface import Interface, interface_of, names_of
from service.api.v2.predicted import predicted, records_of
from service.api.v2.schemas import InferenceRequest, RequestInput, RequestOutput
from service.grpc.calls import (
    Headers,
    for_ever,
    headers_of,
    in_task,
    metadata_of,
    parsed,
    status_of,
)
from service.grpc.core import Call
from service.grpc.entrance import Entrance
from service.grpc.fast_inference import FastInference
from service.grpc.messages import SERVICE, shapes

#: The path of HTTP whose scope a call needs.
_PATH = "/v2/models/{model}/infer"
_Request, _Response = shapes(SERVICE, "ModelInfer")
#: The fields of ``InferTensorContents`` by datatype.
_CONTENTS = {
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
    "INT64": "int64_contents", "UINT64": "uint64_contents", "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
}  # fmt: skip


class Inference:
    """Answers ``ModelInfer``."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance, self._fast = entrance, FastInference(entrance)
        self._in_task = in_task(self._answer)

    def begin(self, content: bytes, call: Call) -> None:
        """Answer one call, now or later; an error has the sentence that HTTP has."""
        started, headers = perf_counter(), headers_of(call)
        try:
            message = parsed(_Request, content)
            if self._fast.begin(message, call, headers, read_head(headers), started):
                return
        except Problem as problem:
            message = problem
        self._in_task(message, call)

    def too_many(self, call: Call) -> None:
        """Count and log a call that was refused because too many are in flight."""
        started, headers = perf_counter(), headers_of(call)
        head = read_head(headers)._replace(timeout=None)
        context = self._entrance.context(head, headers, call, started)
        context.status = HTTPStatus.SERVICE_UNAVAILABLE
        self._entrance.finish(context, started, {"refusal": "TooManyCalls"})

    async def _answer(self, message: Any, call: Call) -> None:
        """Answer a call by the usual path; ``message`` may be the ``Problem`` that it met already."""
        started, headers = perf_counter(), headers_of(call)
        head = read_head(headers)
        context = RequestContext(head.request_id)
        failure: dict[str, Any] = {}
        metadata = metadata_of(head.request_id)
        try:
            context = self._entrance.context(head, headers, call, started)
            if isinstance(message, Problem):
                raise message
            if self._entrance.key_store is None:
                answer = await self._predict(message, context)
            else:
                answer = await self._admitted(self._entrance.key_store, message, headers, context)
            context.status = 200
            call.answer(answer.SerializeToString(), metadata)
        except asyncio.CancelledError:  # the client has left
            context.status = CLOSED_BY_CLIENT
            raise
        except Exception as error:  # noqa: BLE001 - every client must be answered
            problem, failure = failure_of(error)
            context.status = problem.status
            call.refuse(status_of(problem.status), str(problem), metadata)
        finally:
            self._entrance.finish(context, started, failure)

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
        model = self._entrance.served_models.get(message.model_name)
        served = model.answering(message.model_version or None, context)
        context.ask(served)
        interface = interface_of(served)
        asked = _read(message, interface, names_of(served))
        records = records_of(asked, interface, self._entrance.limits.rows)
        context.read = perf_counter() - started
        outputs, decision = await predicted(
            self._entrance.predictor, served, context, asked, interface, records, for_ever
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
