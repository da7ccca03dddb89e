"""The fast path of ``ModelInfer``: one raw tensor of numbers, and outputs of the graph.

As for ``/predict`` over HTTP, such a call goes to the batcher in one step, and its answer from the batch
to the client in another. Any other call is declined before anything is counted, so that every error has
one author, and answers are the same by both paths.
"""

from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from models.networks.outputs import INPUT, TAPS
from service.api.access_control import unlimited
from service.api.auth.headers import KEY_HEADERS, key_of
from service.api.auth.keys import Key
from service.api.context import CLOSED_BY_CLIENT, RequestContext, failure_of
from service.api.transport.head import RequestHead
from service.api.v2.predicted import check_finite
from service.api.v2.response import form_of
from service.errors import ModelNotFound, ModelNotReady, Overloaded, ServiceError, VersionNotFound
from service.grpc.calls import Headers, metadata_of, status_of
from service.grpc.core import Call
from service.grpc.entrance import Entrance
from service.grpc.messages import SERVICE, shapes
from service.inference.answers.json_writing import is_plain
from service.inference.predictor import Stages
from service.inference.queue import Answer, QueuedRequest
from service.inference.served_models import ServedModel
from service.inference.trials.routing import Unbegun

_, _Response = shapes(SERVICE, "ModelInfer")
_NUMBER = np.dtype("<f4")


class _Tensor:
    """What a plain call asks: which model, which outputs, for which rows."""

    __slots__ = ("id", "outputs", "rows", "served")

    def __init__(
        self, served: ServedModel, rows: NDArray[np.float32], outputs: Sequence[str], identifier: str
    ) -> None:
        self.served, self.rows, self.outputs, self.id = served, rows, outputs, identifier


class FastInference:
    """Answers plain calls."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def begin(
        self, message: Any, call: Call, headers: Headers, head: RequestHead, started: float
    ) -> bool:
        """Take a call, and return whether it was; raises ``Problem`` for metadata that mean nothing."""
        key, store = None, self._entrance.key_store
        if head.synthetic:
            return False
        if store is not None:
            presented = [key_of(*header) for header in headers if header[0] in KEY_HEADERS]
            key = unlimited(store, presented[0], "predict") if len(presented) == 1 else None
            if key is None:  # a refusal, or a key with a rate
                return False
        asked = self._read(message, head.request_id, key)
        if asked is None:
            return False
        served, read = asked.served, perf_counter()
        predictor = self._entrance.predictor
        features = predictor.featurized_at_once(served, cast("Sequence[object]", asked.rows))
        if len(features.rows) < len(asked.rows) or not is_plain(features.outcomes):
            return False
        context = self._entrance.context(head, headers, call, started)
        featurized = perf_counter()
        context.key, context.read = key, read - started
        context.stages = Stages(featurize=featurized - read)
        context.ask(served)
        served.traffic.featurize.observe(featurized - read)
        served.leases.count += 1
        try:
            entry = served.batcher.submit(
                features.rows,
                partial(self._answer, asked, call, context, started),
                deadline=context.deadline,
                request=context,
            )
            call.on_gone = partial(self._abandon, asked, entry, context, started)
        except Overloaded as error:
            self._answer(asked, call, context, started, error)
        return True

    def _read(self, message: Any, request_id: bytes, key: Key | None) -> _Tensor | None:
        """Return what a message asks; None for anything but one raw tensor of the model's width."""
        inputs, raw = message.inputs, message.raw_input_contents
        if len(inputs) != 1 or len(raw) != 1 or message.parameters:
            return None
        tensor = inputs[0]
        if tensor.datatype != "FP32" or tensor.name != INPUT or tensor.parameters:
            return None
        entrance = self._entrance
        try:
            served = entrance.served_models.get(message.model_name)
            served = served.answering(message.model_version or None, Unbegun(request_id, key))
        except (ModelNotFound, ModelNotReady, VersionNotFound):
            return None
        featurizer, shape, content = served.bundle.featurizer, tensor.shape, raw[0]
        width = len(featurizer.fields)
        if not width or featurizer.texts or len(shape) != 2 or shape[1] != width:
            return None
        count = shape[0]
        if not 1 <= count <= entrance.limits.rows or len(content) != count * width * _NUMBER.itemsize:
            return None
        outputs = _outputs(message, served)
        if outputs is None:
            return None
        rows = np.frombuffer(content, _NUMBER).reshape(count, width)
        if not entrance.predictor.is_quick(served, cast("Sequence[object]", rows)):
            return None
        return _Tensor(served, rows, outputs, message.id)

    def _answer(
        self,
        asked: _Tensor,
        call: Call,
        context: RequestContext,
        started: float,
        result: Answer | ServiceError,
    ) -> None:
        """Answer a call by the batcher's result."""
        asked.served.leases.count -= 1
        stages, context.stages = context.stages, None
        failure: dict[str, Any] = {}
        metadata = metadata_of(context.request_id)
        try:
            if isinstance(result, ServiceError):
                raise result
            assert stages is not None
            stages.queue, stages.infer = result.queue_seconds, result.compute_seconds
            context.stages, context.rows = stages, len(asked.rows)
            begun = perf_counter()
            content = _written(asked, result)
            context.encode = perf_counter() - begun
            context.status = 200
            call.answer(content, metadata)
        except Exception as error:  # noqa: BLE001 - every client must be answered
            problem, failure = failure_of(error)
            context.status = problem.status
            call.refuse(status_of(problem.status), str(problem), metadata)
        self._entrance.finish(context, started, failure)

    def _abandon(
        self, asked: _Tensor, entry: QueuedRequest, context: RequestContext, started: float
    ) -> None:
        """Withdraw a call whose client has left."""
        asked.served.batcher.withdraw(entry)
        asked.served.leases.count -= 1
        context.status, context.stages = CLOSED_BY_CLIENT, None
        self._entrance.finish(context, started, {})


def _outputs(message: Any, served: ServedModel) -> Sequence[str] | None:
    """Return the outputs that a call asks for; None where not all of them are the graph's own."""
    known = served.manifest.outputs
    if served.monitor is None:
        known = tuple(name for name in known if name != TAPS)
    if not message.outputs:
        return known
    names = []
    for output in message.outputs:
        if output.name not in known or output.name in names or output.parameters:
            return None
        names.append(output.name)
    return names


def _written(asked: _Tensor, answer: Answer) -> bytes:
    """Return the message of an answer; raises ``Problem`` 500 for a number that is not finite."""
    manifest, given = asked.served.manifest, answer.outputs
    told = _Response(model_name=manifest.name, model_version=str(manifest.version), id=asked.id)
    check_finite(given, asked.outputs)
    for name in asked.outputs:
        array = given.get(name)
        if array is None:  # of dense traffic only some batches are watched
            shape = (len(asked.rows), len(manifest.members), manifest.layers, 3)
            array = np.full(shape, np.nan, np.float32)
        datatype, to_bytes = form_of(array)
        told.outputs.add(name=name, datatype=datatype, shape=array.shape)
        told.raw_output_contents.append(to_bytes(array))
    return bytes(told.SerializeToString())
