"""One batch: computed, judged by the monitor, and counted.

With ``SNN_WATCH=sampled`` most batches of dense traffic pass a second graph that has no statistics of
layers: a row pays for what it is answered with, and for bounds on the members' logits.
"""

from collections.abc import Sequence
from time import thread_time

import numpy as np

from models.health.onnx_detector import KEPT, SCORES
from models.networks.outputs import MEMBER_LOGIT, SQUASHED
from service.health.monitor import Monitor
from service.health.row_owner import RowOwner
from service.inference.backend.onnx_session import Session
from service.inference.batcher import Compute
from service.inference.measurements.prediction_counter import PredictionCounter
from service.inference.measurements.row_sample import RowSample
from service.inference.queue import Outputs, Rows
from service.inference.suspect_rows import SuspectRows
from service.inference.trials.copies import Copies
from service.observability.counters import Traffic


def watched(
    session: Session,
    monitor: Monitor | None,
    sample: RowSample,
    copies: Copies,
    predictions: PredictionCounter,
    suspect_rows: SuspectRows | None,
    unwatched: Session | None = None,
) -> Compute:
    """Compute a batch in the session, and have the monitor, if there is one, judge it.

    It adds ``p_value`` and, where rows have bounds, ``suspect``: 1 for a row that is beyond them.
    Batches that need not be watched pass the session ``unwatched``, if there is one, and have no
    ``p_value``; none does so while ``copies`` or a sample of the rows are taken.
    """
    bounded = monitor is not None and monitor.reference.rows is not None

    def compute(rows: Rows, parts: Sequence[RowOwner]) -> Outputs:
        take = copies.take
        counts = monitor is not None and (unwatched is None or monitor.wants(len(rows)))
        free = not counts and not sample.wanted and take is None
        if monitor is not None and free and unwatched is not None:
            outputs: dict[str, np.ndarray] = {**unwatched.run(rows)}
            if monitor.detector.agrees(outputs.get(MEMBER_LOGIT)):
                if bounded:
                    outputs["suspect"] = np.zeros(len(rows), np.float32)
                predictions.add(outputs, parts)
                return outputs
        started = 0.0 if take is None else thread_time()
        outputs = {**session.run(rows)}
        if take is not None:
            take(rows, parts, {**outputs}, thread_time() - started)
        if monitor is not None:
            p_values, judged = monitor.judge(outputs)
            if judged.suspect is not None and suspect_rows is not None:
                judged = suspect_rows.settle(rows, outputs, p_values, judged)
            if counts and (unwatched is not None or monitor.wants(len(rows))):
                monitor.take(judged, p_values, parts)
            if len(p_values) == 1:  # numpy's own steps are slow for one number, and give the same
                outputs["p_value"] = np.array([round(p_values.item(0) * 1e6) / 1e6])
            else:
                outputs["p_value"] = p_values.round(6)
            if bounded:
                outputs["suspect"] = np.zeros(len(rows), np.float32)
                if judged.suspect is not None:
                    outputs["suspect"][judged.suspect] = 1.0
            if sample.wanted:
                sample.add(rows, parts)
        for name in (SQUASHED, SCORES, KEPT):  # no request asks for these
            outputs.pop(name, None)
        predictions.add(outputs, parts)
        return outputs

    return compute


def counted(compute: Compute, traffic: Traffic) -> Compute:
    """Count the requests of a batch that could not be computed."""

    def counted(rows: Rows, parts: Sequence[RowOwner]) -> Outputs:
        try:
            return compute(rows, parts)
        except Exception:
            traffic.inferences_failed += sum(not part.synthetic for part in parts)
            raise

    return counted
