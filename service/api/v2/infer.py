"""``POST /v2/models/{model}[/versions/{version}]/infer``.

Source: "Inference" of the Open Inference Protocol, and the binary tensor data extension. The protocol
cannot express a record that could not be read: a tensor is answered as a whole. So a request with such
a record is refused, and the error names each of them; ``/predict`` answers the other records. A record
that the model cannot judge has NaN in every output, null in JSON, and the reason in the output
``reason``.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from time import perf_counter
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from starlette.types import ASGIApp, Receive, Scope, Send

from models.features import NotApplicable, Outcome, Rejected
from models.networks.outputs import TAPS
from service.api.body.decoding import Limits
from service.api.body.negotiation import accepts
from service.api.body.reading import read_body
from service.api.context import context_of
from service.api.encoding import stated
from service.api.problems import Problem
from service.api.v2 import compression, request, response, tensors
from service.api.v2.interface import (
    INTERVAL,
    REASON,
    Interface,
    decided,
    domains,
    interface_of,
    names_of,
    suspects,
)
from service.inference.predictor import Prediction, Predictor
from service.inference.queue import Outputs
from service.inference.served_models import ServedModel, ServedModels

PATH = "/v2/models/{model}/infer"
VERSION_PATH = "/v2/models/{model}/versions/{version}/infer"
_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
#: The route's name in logs and metrics, with or without a version.
_ROUTE = SimpleNamespace(path=PATH)

_HEADER = b"inference-header-content-length"
#: Records that an error explains, and further records whose places it lists.
_EXPLAINED, _PLACED = 8, 100
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
        decision = served.decide(asked.cut_offs, interval=INTERVAL in asked.outputs)
        context.read = perf_counter() - started
        context.applicability = asked.applicability
        # A featurizer also reads an array, and faster.
        rows = cast("Sequence[object]", records)
        prediction = await context.predict(self._predictor, served, rows, receive)
        _check_outcomes(interface, prediction)
        started = perf_counter()
        _check_finite(prediction.outputs, asked.outputs)
        made = decided(asked.outputs, decision, prediction.outputs, prediction.outcomes)
        made |= domains(asked.outputs, prediction.outcomes)
        made |= suspects(asked.outputs, prediction.outputs, prediction.outcomes)
        if REASON in asked.outputs:
            made[REASON] = np.array([_reason(outcome) for outcome in prediction.outcomes], object)
        outputs = {**_with_gaps(interface, prediction), **made}
        await _send(scope, send, served, asked, outputs, stated(served, decision))
        context.encode = perf_counter() - started

    async def _read(
        self, scope: Scope, receive: Receive, interface: Interface, more: tuple[str, ...]
    ) -> tuple[request.InferRequest, tensors.Records]:
        """Read, decompress and decode a request's body."""
        header_length, coding = _headers(scope)
        body = await read_body(scope, receive, self._limits.bytes)
        if coding is not None:
            body = await asyncio.to_thread(compression.decompress, body, coding, self._limits.bytes)
        asked = request.parse(
            body, header_length, interface.input_name, interface.outputs, (*interface.texts, *more)
        )
        tensor = asked.tensor
        records = tensors.records_of(
            tensor.name,
            tensor.datatype,
            tensor.shape,
            tensor.data,
            interface.columns,
            self._limits.rows,
            interface.readers,
        )
        return asked, records


def _headers(scope: Scope) -> tuple[int | None, bytes | None]:
    """Return the JSON's length, in bytes of the decompressed body, and the content coding.

    Raises ``Problem`` 400, 406 or 415.
    """
    if not accepts(scope, "application/json", "application/octet-stream"):
        raise Problem(406, "answers are application/json, with binary tensors application/octet-stream")
    length, coding = None, None
    for name, value in scope["headers"]:
        if name == _HEADER:
            if not (value.isdigit() and len(value) <= 18) or length not in (None, int(value)):
                raise Problem(400, "Inference-Header-Content-Length is not a whole number of bytes")
            length = int(value)
        elif name == b"content-encoding":
            if coding is not None:
                raise Problem(415, "the body is encoded more than once; send gzip, deflate or none")
            coding = value
    return length, coding


def _check_outcomes(interface: Interface, prediction: Prediction) -> None:
    """Raise ``Problem`` 400 with the records that could not be read, if there are any."""
    rows = next(iter(prediction.outputs.values()), ())
    if len(rows) == len(prediction.outcomes):
        return
    refused = [
        (index, outcome.message)
        for index, outcome in enumerate(prediction.outcomes)
        if isinstance(outcome, Rejected)
    ]
    if not refused:
        return
    reasons = "; ".join(f"index {index}: {message}" for index, message in refused[:_EXPLAINED])
    others = [str(index) for index, _ in refused[_EXPLAINED:_PLACED]]
    if others:
        reasons += "; and index " + ", ".join(others)
    if len(refused) > _PLACED:
        reasons += f" and {len(refused) - _PLACED} more"
    raise Problem(
        400,
        f"input {interface.input_name!r}: {len(refused)} of {len(prediction.outcomes)} records cannot"
        f" be read, and a tensor is answered as a whole: {reasons}",
    )


def _with_gaps(interface: Interface, prediction: Prediction) -> Outputs:
    """Return the outputs with rows of NaN where a record is not applicable, or was not watched."""
    applies = [not isinstance(outcome, NotApplicable) for outcome in prediction.outcomes]
    given = dict(prediction.outputs)
    if given and TAPS in interface.outputs and TAPS not in given:
        # Of dense traffic only some batches are watched.
        shape = (len(given["logit"]), *interface.outputs[TAPS])
        given[TAPS] = np.full(shape, np.nan, np.float32)
    if all(applies):
        return given
    outputs: dict[str, NDArray[np.floating]] = {}
    for name, sizes in interface.outputs.items():
        outputs[name] = np.full((len(applies), *sizes), np.nan, np.float32)
        if any(applies):
            outputs[name][np.array(applies)] = given[name]
    return outputs


def _check_finite(outputs: Outputs, wanted: dict[str, bool]) -> None:
    """Raise ``Problem`` 500 for a row that the network gave a number for that is not finite."""
    for name in wanted.keys() & outputs.keys():
        finite = np.isfinite(outputs[name])
        if not finite.all():
            index = int(np.argwhere(~finite)[0][0])
            raise Problem(500, f"the network gave no finite {name} for the record at index {index}")


async def _send(
    scope: Scope,
    send: Send,
    served: ServedModel,
    asked: request.InferRequest,
    outputs: Mapping[str, NDArray[Any]],
    thresholds: dict[str, float] | None,
) -> None:
    """Write the answer, compressed where the client accepts it, and send it."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")
    arguments = (served, asked, outputs, thresholds, accepted)
    # A binary tensor is one copy of memory; digits and compression take time.
    slow = sum(outputs[name].nbytes for name, binary in asked.outputs.items() if accepted or not binary)
    if slow < _LARGE_ANSWER:
        content, headers = _write(*arguments)
    else:
        content, headers = await asyncio.to_thread(_write, *arguments)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _reason(outcome: Outcome) -> str:
    return outcome.message if isinstance(outcome, NotApplicable) else ""


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
    coding = compression.choose(accepted, len(content))
    if coding is not None:
        content = compression.compress(content, coding)
        headers.append((b"content-encoding", coding))
    headers.append((b"content-length", str(len(content)).encode()))
    return content, headers
