"""What several workers say, put together: states of those that run, counters of all that ever did."""

import os
from dataclasses import dataclass
from datetime import datetime

from service.coordination.statuses import ModelStatus, Roster, WorkerStatus
from service.errors import ModelNotFound, ModelNotReady
from service.inference.integrity import Fault
from service.observability.counters import Telemetry
from service.observability.process import counters, total


@dataclass(frozen=True, slots=True)
class ModelWhole:
    """One model over all workers; ``error`` names the worker where not all say the same."""

    version: int | None
    provider: str | None
    ready: bool
    error: str | None
    unloaded: bool
    intact: bool | None
    checked_at: datetime | None
    fault: Fault | None
    files_error: str | None
    waiting: int


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """All workers at one moment."""

    ready: bool
    draining: bool
    trouble: str | None
    models: dict[str, ModelWhole]
    counted: Telemetry
    process: dict[str, float]
    roster: Roster


def find(whole: ClusterStatus, name: str) -> ModelWhole:
    """Return a model that all workers can answer for; raises ``ModelNotFound`` or ``ModelNotReady``."""
    model = whole.models.get(name)
    if model is None:
        raise ModelNotFound(f"no model named {name[:80]!r} is served here")
    if not model.ready:
        raise ModelNotReady(f"model {name!r} cannot answer: {model.error or 'it is loading'}")
    return model


def aggregate(notices: dict[int, WorkerStatus], roster: Roster, *, draining: bool) -> ClusterStatus:
    """Put notices together: states of those that take part, counters of all that ever did."""
    counted, processes = Telemetry(), []
    # Always in the same order: a sum of floats that depended on who adds them up could fall.
    for number, notice in sorted(notices.items()):
        counted.merge(notice.counted)
        alive = notice.pid == os.getpid() or _is_current(roster, number, notice)
        processes.append(notice.process if alive else counters(notice.process))
    present = {
        number: notice
        for number, notice in sorted(notices.items())
        if notice.pid == os.getpid() or _is_current(roster, number, notice)
    }
    speaking = {
        number: notice
        for number, notice in present.items()
        if notice.serving or (number in roster.slots and roster.slots[number].first)
    }
    silent = [number for number, slot in roster.slots.items() if slot.first and number not in present]
    names = sorted({name for notice in speaking.values() for name in notice.models})
    models = {
        name: _model({number: notice.models.get(name) for number, notice in speaking.items()})
        for name in names
    }
    draining = draining or roster.draining
    trouble = _agreed({number: notice.trouble for number, notice in speaking.items()})
    if trouble is None and silent:
        trouble = f"worker {silent[0]} is starting"
    ready = not (draining or silent) and bool(models)
    ready = ready and all(model.ready or model.unloaded for model in models.values())
    return ClusterStatus(ready, draining, trouble, models, counted, total(processes), roster)


def _model(parts: dict[int, ModelStatus | None]) -> ModelWhole:
    known = [part for part in parts.values() if part is not None]
    serving = [part for part in known if part.version is not None]
    errors = {
        number: "it is loading"
        if part is None or (part.version is None and part.error is None)
        else part.error
        for number, part in parts.items()
    }
    intact = [part.intact for part in known if part.intact is not None]
    faults = [part.fault for part in known if part.fault is not None]
    checked = [part.checked_at for part in known if part.checked_at is not None]
    return ModelWhole(
        version=max((part.version for part in serving if part.version is not None), default=None),
        provider=serving[0].provider if serving else None,
        ready=len(serving) == len(parts),
        error=_agreed(errors),
        unloaded=all(part.unloaded for part in known),
        intact=all(intact) if intact else None,
        checked_at=min(checked, default=None),
        fault=max(faults, key=lambda fault: fault.at, default=None),
        files_error=next((part.files_error for part in known if part.files_error is not None), None),
        waiting=sum(part.waiting for part in known),
    )


def _agreed(texts: dict[int, str | None]) -> str | None:
    """What all say, or what each of them says."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    said = [f"worker {number}: {text}" for number, text in texts.items() if text is not None]
    return "; ".join(said) or None


def _is_current(roster: Roster, number: int, notice: WorkerStatus) -> bool:
    slot = roster.slots.get(number)
    return slot is not None and slot.pid == notice.pid
