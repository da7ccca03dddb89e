"""The body of an inference request: its JSON, and the binary tensors after it.

Sources: "Inference Request JSON Object" of the Open Inference Protocol, and Triton's binary tensor
data extension: ``Inference-Header-Content-Length`` is the length of the JSON; the tensors whose
``binary_data_size`` it gives follow in their order, and nothing follows them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast, get_args

import msgspec
from msgspec import UNSET

from models.bundle.cutoffs import CutOffs
from service.api.body.decoding import decode
from service.api.problems import Problem
from service.api.v2.interface import CALL
from service.api.v2.schemas import InferenceRequest, RequestInput
from service.inference.answers.decision import cut_offs_of
from service.inference.predictor import Applicability

_NOT_SUPPORTED = ("classification", "shared_memory_region")

_decoder = msgspec.json.Decoder(InferenceRequest)


@dataclass(frozen=True, slots=True)
class Tensor:
    """The one input as it was declared; ``data`` is JSON's list or the bytes of a binary tensor."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | memoryview


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A parsed request. ``outputs`` maps each requested output to whether it is sent as binary.

    ``applicability`` is the parameter of this name, None where the request does not have it, and
    ``cut_offs`` those of ``threshold``, ``recall`` or ``fpr``.
    """

    tensor: Tensor
    id: str | None
    outputs: dict[str, bool]
    applicability: Applicability | None = None
    cut_offs: CutOffs | None = None


def parse(
    body: bytes,
    header_length: int | None,
    input_name: str,
    outputs: Collection[str],
    more: Collection[str] = (),
) -> InferRequest:
    """Parse a body; raises ``Problem`` 400, and ``InvalidRequest`` for cut-offs that are none.

    ``header_length`` is the length of the JSON at its start, or None where all of it is JSON;
    ``input_name`` is what the model's one input is called, ``outputs`` what its outputs are, and
    ``more`` those that are sent only to who asks for them.
    """
    whole = memoryview(body)
    if header_length is None:
        header_length = len(body)
    elif header_length > len(body):
        raise Problem(
            400,
            f"Inference-Header-Content-Length is {header_length}, of a body of {len(body)} bytes",
        )
    request = decode(whole[:header_length], _decoder, wrong_shape=400)
    return checked(request, whole[header_length:], input_name, outputs, more)


def checked(
    request: InferenceRequest,
    binary: memoryview,
    input_name: str,
    outputs: Collection[str],
    more: Collection[str] = (),
) -> InferRequest:
    """Check a request whose binary tensors are ``binary``; raises as ``parse``."""
    tensor = _only_input(request.inputs, binary, input_name)
    wanted = _wanted(request, outputs, more)
    cut_offs = cut_offs_of(request.parameters or {})
    if cut_offs is not None and not request.outputs and CALL in more:
        wanted[CALL] = False
    return InferRequest(tensor, request.id, wanted, _applicability(request.parameters), cut_offs)


def _only_input(inputs: list[RequestInput], binary: memoryview, expected: str) -> Tensor:
    """Return the model's one input; its data and the binary bytes must have the declared sizes."""
    names = [declared.name for declared in inputs]
    for name in names:
        if name != expected:
            raise Problem(400, f"the model has no input {name[:40]!r}; its one input is {expected!r}")
    if len(names) != 1:
        many = "is missing" if not names else f"is given {len(names)} times"
        raise Problem(400, f"input {expected!r} {many}; it is the model's one input")
    declared = inputs[0]
    size = _binary_size(declared)
    if len(binary) != (size or 0):
        told = "no binary_data_size is given" if size is None else f"binary_data_size is {size}"
        raise Problem(400, f"input {expected!r}: {len(binary)} bytes follow the JSON, and {told}")
    if size is None:
        if declared.data is UNSET:
            raise Problem(400, f"input {expected!r} has neither data nor binary_data_size")
        return Tensor(expected, declared.shape, declared.datatype, declared.data)
    if declared.data is not UNSET:
        raise Problem(400, f"input {expected!r} has both data and binary_data_size; send one of them")
    return Tensor(expected, declared.shape, declared.datatype, binary)


def _binary_size(declared: RequestInput) -> int | None:
    parameters = declared.parameters or {}
    _refuse_unsupported(declared.name, parameters)
    size = parameters.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise Problem(400, f"input {declared.name!r}: binary_data_size is not a whole number of bytes")
    return size


def _applicability(parameters: dict[str, Any] | None) -> Applicability | None:
    value = (parameters or {}).get("applicability")
    if value is not None and value not in get_args(Applicability):
        raise Problem(400, "parameter applicability is 'judge' or 'ignore'")
    return cast(Applicability | None, value)


def _wanted(
    request: InferenceRequest, outputs: Collection[str], more: Collection[str]
) -> dict[str, bool]:
    """Return the requested outputs, and whether each is sent as binary; by default all as JSON."""
    binary = _flag(request.parameters, "binary_data_output", default=False)
    if not request.outputs:
        return dict.fromkeys(outputs, binary)
    wanted: dict[str, bool] = {}
    for output in request.outputs:
        if output.name not in (*outputs, *more):
            known = ", ".join((*outputs, *more))
            raise Problem(400, f"the model has no output {output.name[:40]!r}; it has {known}")
        if output.name in wanted:
            raise Problem(400, f"output {output.name!r} is asked for twice")
        _refuse_unsupported(output.name, output.parameters or {})
        wanted[output.name] = _flag(output.parameters, "binary_data", default=binary)
    return wanted


def _flag(parameters: dict[str, Any] | None, name: str, *, default: bool) -> bool:
    value = (parameters or {}).get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Problem(400, f"parameter {name} is neither true nor false")
    return value


def _refuse_unsupported(name: str, parameters: dict[str, Any]) -> None:
    """Raise ``Problem`` 400 for parameters that would change the answer's meaning; ignore others."""
    for parameter in _NOT_SUPPORTED:
        if parameters.get(parameter):
            raise Problem(400, f"{name!r}: the extension of parameter {parameter} is not served here")
