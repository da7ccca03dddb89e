"""The statuses of all workers added up: states of those that run, counters of all that ever ran."""

import os
from dataclasses import dataclass
from datetime import datetime

from service.coordination.statuses import ModelStatus, Roster, WorkerStatus
from service.errors import ModelNotFound, ModelNotReady
from service.inference.integrity import IntegrityFault
from service.observability.counters import Telemetry
from service.observability.process import counters, total


@dataclass(frozen=True, slots=True)
class ModelWhole:
    """One model over all workers; ``error`` names the worker where their errors differ."""

    version: int | None
    provider: str | None
    ready: bool
    error: str | None
    unloaded: bool
    #: Whether the service is ready only with this model.
    promised: bool
    vanished: bool
    intact: bool | None
    checked_at: datetime | None
    fault: IntegrityFault | None
    files_error: str | None
    waiting: int


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """All workers at one moment; ``trouble`` is why none of the models can be read."""

    ready: bool
    draining: bool
    trouble: str | None
    models: dict[str, ModelWhole]
    counted: Telemetry
    process: dict[str, float]
    roster: Roster


def find(whole: ClusterStatus, name: str) -> ModelWhole:
    """Return a model that every worker can answer for; raises ``ModelNotFound`` or ``ModelNotReady``."""
    model = whole.models.get(name)
    if model is None:
        raise ModelNotFound(f"no model named {name[:80]!r} is served here")
    if not model.ready:
        raise ModelNotReady(f"model {name!r} cannot answer: {model.error or 'it is loading'}")
    return model


def aggregate(statuses: dict[int, WorkerStatus], roster: Roster, *, draining: bool) -> ClusterStatus:
    """Add up the last statuses by worker number; ``draining`` tells that this worker stops."""
    counted, processes = Telemetry(), []
    running: dict[int, WorkerStatus] = {}
    # Always in the same order: a sum of floats in another order could be smaller than before.
    for number, status in sorted(statuses.items()):
        slot = roster.slots.get(number)
        if status.pid == os.getpid() or (slot is not None and slot.pid == status.pid):
            running[number] = status
        counted.merge(status.counted)
        processes.append(status.process if number in running else counters(status.process))
    starting = {number for number, slot in roster.slots.items() if slot.first}
    # A successor counts once it accepts connections, a worker of the service's start at once.
    counting = {
        number: status for number, status in running.items() if status.serving or number in starting
    }
    names = sorted({name for status in counting.values() for name in status.models})
    models = {
        name: _model({number: status.models.get(name) for number, status in counting.items()})
        for name in names
    }
    draining = draining or roster.draining
    missing = sorted(starting - running.keys())
    trouble = _joined({number: status.trouble for number, status in counting.items()})
    if trouble is None and missing:
        trouble = f"worker {missing[0]} is starting"
    needed = [model for model in models.values() if model.promised and not model.unloaded]
    answering = any(model.ready for model in models.values())
    if trouble is None and models and not (needed or answering):
        trouble = "no model can answer"
    ready = not (draining or missing) and answering and all(model.ready for model in needed)
    return ClusterStatus(ready, draining, trouble, models, counted, total(processes), roster)


def _model(by_worker: dict[int, ModelStatus | None]) -> ModelWhole:
    statuses = [status for status in by_worker.values() if status is not None]
    serving = [status for status in statuses if status.version is not None]
    errors = {
        number: "it is loading"
        if status is None or (status.version is None and status.error is None)
        else status.error
        for number, status in by_worker.items()
    }
    intact = [status.intact for status in statuses if status.intact is not None]
    faults = [status.fault for status in statuses if status.fault is not None]
    checked = [status.checked_at for status in statuses if status.checked_at is not None]
    return ModelWhole(
        version=max((status.version for status in serving if status.version is not None), default=None),
        provider=serving[0].provider if serving else None,
        ready=len(serving) == len(by_worker),
        error=_joined(errors),
        unloaded=all(status.unloaded for status in statuses),
        # What came later counts from when it has served everywhere.
        promised=any(status.promised for status in statuses)
        or all(status is not None and status.has_served for status in by_worker.values()),
        vanished=any(status.vanished for status in statuses),
        intact=all(intact) if intact else None,
        checked_at=min(checked, default=None),
        fault=max(faults, key=lambda fault: fault.at, default=None),
        files_error=next((status.files_error for status in statuses if status.files_error), None),
        waiting=sum(status.waiting for status in statuses),
    )


def _joined(texts: dict[int, str | None]) -> str | None:
    """Return the text that all workers have, or each worker's own behind its number."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    named = [f"worker {number}: {text}" for number, text in texts.items() if text is not None]
    return "; ".join(named) or None
