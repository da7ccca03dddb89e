"""From a request of protocol v2, by HTTP or by gRPC, to every output by name.

The protocol cannot express a record that could not be read: a tensor is answered as a whole. So a
request with such a record is refused, and the error names each; ``/predict`` answers the other records.
A record that the model cannot judge has NaN in every output, null in JSON, and the reason in the output
``reason``.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from starlette.types import Receive

from models.features import NotApplicable, Outcome, Rejected
from models.networks.outputs import TAPS
from service.api.context import RequestContext
from service.api.problems import Problem
from service.api.v2 import request, tensors
from service.api.v2.interface import INTERVAL, REASON, Interface, decided, domains, suspects
from service.inference.answers.decision import Decision
from service.inference.answers.json_writing import is_plain
from service.inference.predictor import Prediction, Predictor
from service.inference.queue import Outputs
from service.inference.served_models import ServedModel

#: Records that an error explains, and further records whose places it lists.
_EXPLAINED, _PLACED = 8, 100


def records_of(asked: request.InferRequest, interface: Interface, max_rows: int) -> tensors.Records:
    """Read a request's tensor; raises what ``tensors.records_of`` raises."""
    tensor = asked.tensor
    return tensors.records_of(
        tensor.name,
        tensor.datatype,
        tensor.shape,
        tensor.data,
        interface.columns,
        max_rows,
        interface.readers,
    )


async def predicted(
    predictor: Predictor,
    served: ServedModel,
    context: RequestContext,
    asked: request.InferRequest,
    interface: Interface,
    records: tensors.Records,
    receive: Receive,
) -> tuple[dict[str, NDArray[Any]], Decision]:
    """Predict the records of a request; return every output by name, and what decided the calls.

    Raises ``Problem``, and what ``Predictor.predict`` and ``ServedModel.decide`` raise.
    """
    decision = served.decide(asked.cut_offs, interval=INTERVAL in asked.outputs)
    context.applicability = asked.applicability
    # A featurizer also reads an array, and faster.
    rows = cast("Sequence[object]", records)
    prediction = await context.predict(predictor, served, rows, receive)
    _check_outcomes(interface, prediction)
    check_finite(prediction.outputs, asked.outputs)
    made = decided(asked.outputs, decision, prediction.outputs, prediction.outcomes)
    made |= domains(asked.outputs, prediction.outcomes)
    made |= suspects(asked.outputs, prediction.outputs, prediction.outcomes)
    if REASON in asked.outputs:
        made[REASON] = np.array([_reason(outcome) for outcome in prediction.outcomes], object)
    return {**_with_gaps(interface, prediction), **made}, decision


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
    given = dict(prediction.outputs)
    if given and TAPS in interface.outputs and TAPS not in given:
        # Of dense traffic only some batches are watched.
        shape = (len(given["logit"]), *interface.outputs[TAPS])
        given[TAPS] = np.full(shape, np.nan, np.float32)
    if is_plain(prediction.outcomes):
        return given
    applies = [not isinstance(outcome, NotApplicable) for outcome in prediction.outcomes]
    if all(applies):
        return given
    outputs: dict[str, NDArray[np.floating]] = {}
    for name, sizes in interface.outputs.items():
        outputs[name] = np.full((len(applies), *sizes), np.nan, np.float32)
        if any(applies):
            outputs[name][np.array(applies)] = given[name]
    return outputs


def check_finite(outputs: Outputs, wanted: Iterable[str]) -> None:
    """Raise ``Problem`` 500 for a row that the network gave a number for that is not finite."""
    for name in wanted:
        if name not in outputs:
            continue
        finite = np.isfinite(outputs[name])
        if not finite.all():
            index = int(np.argwhere(~finite)[0][0])
            raise Problem(500, f"the network gave no finite {name} for the record at index {index}")


def _reason(outcome: Outcome) -> str:
    return outcome.message if isinstance(outcome, NotApplicable) else ""
