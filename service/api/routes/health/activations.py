"""The documents of ``/health/activations``: each model's live statistics beside its reference."""

import asyncio
import math
from datetime import datetime
from typing import Any

from msgspec.json import encode

from models.health.effect_size import Effects
from models.health.sequential import DELTA, REQUESTS_PER_FALSE_ALARM
from service.api.routes.health.integrity import integrity
from service.coordination.aggregate import ClusterStatus
from service.coordination.coordinator import WorkerCoordinator
from service.health.baselines import TakenBaseline
from service.health.change import Change
from service.health.layer_statistics import layer_statistics
from service.health.monitor import Monitor
from service.health.outliers import document as departing_document
from service.health.sequential_state import INPUTS
from service.health.verdict import HealthVerdict
from service.health.windows import WINDOWS, Window
from service.inference.served_models import ServedModel, ServedModels
from service.observability.counters import Traffic

#: Statistics of a layer that are compared with the reference.
_COMPARED = ("mean", "log_variance", "saturated")
#: Features whose shifts the document lists.
_LISTED_FEATURES = 10
#: Where the project has its runbook.
_RUNBOOK = "deploy/RUNBOOK.md"


def every_model(served_models: ServedModels, coordinator: WorkerCoordinator) -> dict[str, Any]:
    """Return the activation health of all models that can answer."""
    whole = coordinator.whole()
    names = _ready(served_models, whole)
    return {"models": {name: document_of(coordinator, whole, name) for name in names}}


async def every_model_in_steps(served_models: ServedModels, coordinator: WorkerCoordinator) -> bytes:
    """Return the JSON of ``every_model``, and let others have the event loop after every model."""
    whole, parts = coordinator.whole(), []
    for name in _ready(served_models, whole):
        parts.append(b"%b:%b" % (encode(name), encode(document_of(coordinator, whole, name))))
        await asyncio.sleep(0)
    return b'{"models":{%b}}' % b",".join(parts)


def _ready(served_models: ServedModels, whole: ClusterStatus) -> list[str]:
    served = [name for name, state in served_models.states().items() if state.served is not None]
    return [name for name in served if name in whole.models and whole.models[name].ready]


def document_of(coordinator: WorkerCoordinator, whole: ClusterStatus, name: str) -> dict[str, Any]:
    """Return a model's activation health. Members count from 0, as in the manifest; layers from 1."""
    served, health, since = coordinator.health(name)
    version = served.manifest.version
    judgement, first = health.judgement, health.judgement.first_departing
    shown = judgement.window or "start"
    taken, wrong = coordinator.baseline(name)
    traffic = whole.counted.traffic(name, version)
    monitor, reason = served.monitor, judgement.reason
    if judgement.verdict in ("degraded", "unhealthy"):
        reason += f", since {since.isoformat('T', 'seconds')}"
    return {
        "model": served.manifest.name,
        "version": str(version),
        "verdict": judgement.verdict,
        "model_verdict": judgement.model,
        "traffic_verdict": judgement.traffic,
        "headline": judgement.headline,
        "advice": _advice(judgement),
        "reason": reason,
        "since": _time(since),
        "change": None if health.change is None else _change(health.change),
        "origin": judgement.origin,
        "first_departing": None if first is None else {"member": first[0], "layer": first[1] + 1},
        "integrity": integrity(whole.models[name]),
        "watch": _watch(served, traffic),
        "window": judgement.window,
        "windows": _unwatched(traffic.rows)
        if monitor is None
        else {each: _window(effects) for each, effects in health.effects.items()},
        "inputs": None if monitor is None else _inputs(monitor, health.effects[shown]),
        "sequential": _sequential(coordinator, name, judgement),
        "departing": departing_document(coordinator.departing(name)),
        "baseline": None if taken is None else baseline_of(taken),
        "baseline_error": wrong,
        "rows_not_finite": traffic.not_finite,
        "members": []
        if monitor is None
        else _members(served, monitor, health.windows[shown], health.effects[shown]),
    }


def _watch(served: ServedModel, traffic: Traffic) -> dict[str, Any]:
    """Return how much of the traffic is watched, and which share of all rows entered the windows."""
    if served.monitor is None:
        return {"mode": "off", "share": 0.0}
    counted = 0 if traffic.activations is None else traffic.activations.rows
    share = min(counted / traffic.rows, 1.0) if traffic.rows else 1.0
    return {"mode": served.watch, "share": _number(share)}


def _advice(judgement: HealthVerdict) -> dict[str, str] | None:
    """Return what to do, and where the runbook tells more; None where nothing is to be done."""
    if judgement.advice is None:
        return None
    return {"text": judgement.advice, "runbook": f"{_RUNBOOK}#{judgement.section}"}


def _change(change: Change) -> dict[str, Any]:
    """Return when traffic last moved: estimates of begin and end, and how far it had moved."""
    return {
        "began": _time(change.began),
        "ended": _time(change.ended),
        "rows": change.rows,
        "requests": change.requests,
        "effect": _number(change.shift.sure),
        "estimate": _number(change.shift.effect),
        "margin": _number(change.shift.margin),
    }


def _unwatched(rows: int) -> dict[str, Any]:
    """Return the windows of a model without taps: rows since the start, and no statistics."""
    unknown = dict.fromkeys(("rows", "requests", "effect", "estimate", "margin"))
    return {name: unknown | {"rows": rows if span is None else None} for name, span in WINDOWS.items()}


def _window(effects: Effects) -> dict[str, Any]:
    """Return one window: ``estimate`` is the largest shift, ``effect`` its part beyond chance."""
    shift, seen = effects.shift, effects.rows > 0
    return {
        "rows": effects.rows,
        "requests": effects.requests,
        "effect": _number(shift.sure) if seen else None,
        "estimate": _number(shift.effect) if seen else None,
        "margin": _number(shift.margin) if seen else None,
    }


def _inputs(monitor: Monitor, effects: Effects) -> dict[str, Any] | None:
    """Return how far the inputs have shifted; None where the bundle has no reference for them."""
    if effects.inputs is None:
        return None
    features: list[dict[str, Any]] = []
    if effects.features is not None and effects.rows:
        order = effects.features.argsort()[::-1][:_LISTED_FEATURES]
        names = monitor.names
        features = [{"name": names[at], "effect": _number(float(effects.features[at]))} for at in order]
    seen = effects.rows > 0
    return {
        "effect": _number(effects.inputs.sure) if seen else None,
        "estimate": _number(effects.inputs.effect) if seen else None,
        "margin": _number(effects.inputs.margin) if seen else None,
        "features": features,
    }


def _sequential(
    coordinator: WorkerCoordinator, name: str, judgement: HealthVerdict
) -> dict[str, Any] | None:
    """Return the sequential detector's state; None where it has no bounds.

    Its alarm is of the same change as the verdict, which sees more of it: it says where.
    """
    watch = coordinator.watch(name)
    if watch is None:
        return None
    return {
        "delta": DELTA,
        "requests_per_false_alarm": REQUESTS_PER_FALSE_ALARM,
        "requests": watch.requests,
        "level": _number(watch.level),
        "threshold": _number(watch.threshold),
        "alarms": watch.alarms,
        "alarm": None
        if watch.alarm is None
        else {"at": _time(watch.alarm.at), "where": _where(watch.alarm.where, judgement)},
    }


def _where(where: str, judgement: HealthVerdict) -> str:
    """Where an alarm is, in agreement with the verdict on the same traffic."""
    if judgement.origin == "input":
        return INPUTS
    if where == INPUTS and judgement.first_departing is not None:
        member, layer = judgement.first_departing
        return f"member {member}, layer {layer + 1}"
    return where


def baseline_of(taken: TakenBaseline) -> dict[str, Any]:
    """Return the document of a baseline that an operator took."""
    return {
        "version": str(taken.version),
        "rows": taken.rows,
        "requests": taken.requests,
        "window": taken.window,
        "taken_at": _time(taken.taken_at),
        "by": taken.by,
    }


def _members(
    served: ServedModel, monitor: Monitor, window: Window, effects: Effects
) -> list[dict[str, Any]]:
    """Return every member's layers in one window, beside the reference."""
    reference = monitor.reference
    live = layer_statistics(monitor.detector, window)
    shape = (len(reference.members), reference.layers, len(_COMPARED))
    spreads = reference.spread.reshape(shape).round(6)
    seen = window.count > 0
    theories, members = served.manifest.theory, []
    for number, expected in enumerate(reference.members):
        layers = []
        for layer in range(reference.layers):
            mean, variance, saturated = (
                _number(values[number, layer]) if seen else None for values in live
            )
            departure = effects.departures[number, layer] - effects.departure_margins[number, layer]
            layers.append(
                {
                    "layer": layer + 1,
                    "mean": mean,
                    "variance": variance,
                    "saturated": saturated,
                    "reference": {
                        "mean": expected.mean[layer],
                        "variance": expected.variance[layer],
                        "saturated": expected.saturated[layer],
                    },
                    # Standard deviations of the reference rows, the unit of effects.
                    "spread": dict(zip(_COMPARED, spreads[number, layer].tolist(), strict=True)),
                    "effect": _number(effects.by_layer[number, layer]) if seen else None,
                    "error": _number(effects.error) if seen else None,
                    "departure": _number(max(departure, 0.0)) if seen else None,
                    "theory": theories[number].layers[layer].lines() if theories else None,
                }
            )
        members.append(
            {
                "departure": _number(effects.members[number].sure) if seen else None,
                "layers": layers,
            }
        )
    return members


def _number(value: float) -> float | None:
    """Round to six significant digits; None for what JSON cannot represent."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
