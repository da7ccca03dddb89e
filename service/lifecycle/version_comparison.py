"""Judges the same rows by two versions of a model, to tell the newer one's fault from the traffic's.

A shift of traffic moves both. A version that is at fault departs on rows on which the one before does
not. A version that computes what the one before computes is never found at fault, whatever rows clients
send.
"""

from collections.abc import Sequence

from service.health.monitor import Monitor
from service.health.row_owner import RowOwner
from service.health.verdict import HealthVerdict
from service.inference.measurements.row_sample import Rows
from service.inference.served_models import ServedModel
from service.lifecycle.loader import Loader


def fault_on_same_rows(loader: Loader, served: ServedModel, earlier: int) -> str | None:
    """Judge the rows that ``served`` keeps by it and by version ``earlier``; return what it does worse.

    None where the rows do not show it to be at fault, or the features of the two are not the same.
    Blocks: call it in a thread. Raises ``ModelError`` or ``ServiceError`` where it does not load.
    """
    requests = served.sample.requests()
    verdict = _judged(served, requests)
    if verdict is None or verdict.verdict != "unhealthy" or verdict.origin != "model":
        return None
    before = loader.load(served.manifest.name, earlier)
    try:
        if before.manifest.featurizer != served.manifest.featurizer:
            return None
        known = _judged(before, requests)
    finally:
        before.lane.shutdown()
    return verdict.reason if known is not None and known.verdict == "healthy" else None


def _judged(model: ServedModel, requests: Sequence[Rows]) -> HealthVerdict | None:
    """The verdict on these rows alone; None for a model without taps."""
    if model.monitor is None:
        return None
    monitor = Monitor(model.monitor.reference, names=model.monitor.names)
    for rows in requests:
        outputs = model.lane.submit(model.session.run, rows).result()
        monitor.observe(outputs, [RowOwner(None, len(rows))])
    return monitor.health().judgement
