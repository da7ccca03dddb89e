"""The documents of ``/health/activations``: each model's live statistics beside its reference."""

import asyncio
from datetime import datetime
from typing import Any

from msgspec.json import encode

from models.health.effect_size import Effects
from models.health.sequential import DELTA, REQUESTS_PER_FALSE_ALARM
from service.api.routes.health.integrity import integrity
from service.api.routes.health.layers import members_of, number_of
from service.coordination.aggregate import ClusterStatus
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ModelNotFound, ModelNotReady
from service.health.baselines import TakenBaseline
from service.health.change import Change, Health
from service.health.clients.at_fault import Client
from service.health.monitor import Monitor
from service.health.outliers import document as departing_document
from service.health.sequential_state import INPUTS
from service.health.verdict import HealthVerdict
from service.health.windows import WINDOWS
from service.health.words import moved_features
from service.inference.served_models import ServedModel, ServedModels
from service.observability.counters import Traffic

#: Features whose shifts the document lists.
_LISTED_FEATURES = 10
#: API keys whose part in the traffic it lists.
_LISTED_CLIENTS = 16
#: Where the project has its runbook.
_RUNBOOK = "docs/how-to/runbook.md"


async def every_model(served_models: ServedModels, coordinator: WorkerCoordinator) -> bytes:
    """Return the activation health of all models that can answer, as JSON.

    What takes long is done in a thread, and others have the event loop after every step.
    """
    whole, parts = coordinator.whole(), []
    for name in _ready(served_models, whole):
        try:
            content = await document_of(coordinator, whole, name)
        except (ModelNotFound, ModelNotReady):  # it was unloaded meanwhile
            continue
        parts.append(b"%b:%b" % (encode(name), content))
    return b'{"models":{%b}}' % b",".join(parts)


def _ready(served_models: ServedModels, whole: ClusterStatus) -> list[str]:
    served = [name for name, state in served_models.states().items() if state.served is not None]
    return [name for name in served if name in whole.models and whole.models[name].ready]


async def document_of(coordinator: WorkerCoordinator, whole: ClusterStatus, name: str) -> bytes:
    """Return a model's activation health as JSON.

    Members count from 0, as in the manifest; layers from 1. Raises ``ModelNotFound`` or
    ``ModelNotReady``.
    """
    served, health, since = await coordinator.health(name)
    await asyncio.sleep(0)
    document = _document(coordinator, whole, name, served, health, since)
    return await asyncio.to_thread(_encoded, document, served, health)


def _encoded(document: dict[str, Any], served: ServedModel, health: Health) -> bytes:
    """Add every member's layers, which are most of a document, and encode it."""
    shown, monitor = health.judgement.window or "start", served.monitor
    if monitor is not None:
        document["members"] = members_of(served, monitor, health.windows[shown], health.effects[shown])
    return encode(document)


def _document(
    coordinator: WorkerCoordinator,
    whole: ClusterStatus,
    name: str,
    served: ServedModel,
    health: Health,
    since: datetime,
) -> dict[str, Any]:
    version = served.manifest.version
    judgement, first = health.judgement, health.judgement.first_departing
    shown = judgement.window or "start"
    taken, wrong = coordinator.baseline(name)
    traffic = whole.counted.traffic(name, version)
    monitor, reason, effects = served.monitor, judgement.reason, health.effects_of(shown)
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
        "inputs": None if monitor is None or effects is None else _inputs(monitor, effects),
        "client": judgement.client,
        "clients": [_client(client) for client in health.clients[:_LISTED_CLIENTS]],
        "sequential": _sequential(coordinator, name, judgement),
        "departing": departing_document(coordinator.departing(name)),
        "baseline": None if taken is None else baseline_of(taken),
        "baseline_error": wrong,
        "rows_not_finite": traffic.not_finite,
        "members": [],
    }


def _watch(served: ServedModel, traffic: Traffic) -> dict[str, Any]:
    """Return how much of the traffic is watched, and which share of all rows entered the windows."""
    if served.monitor is None:
        return {"mode": "off", "share": 0.0}
    counted = 0 if traffic.activations is None else traffic.activations.rows
    share = min(counted / traffic.rows, 1.0) if traffic.rows else 1.0
    return {"mode": served.watch, "share": number_of(share)}


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
        "effect": number_of(change.shift.sure),
        "estimate": number_of(change.shift.effect),
        "margin": number_of(change.shift.margin),
    }


def _client(client: Client) -> dict[str, Any]:
    """Return an API key's part in the traffic that is judged now."""
    return {
        "key": client.key,
        "rows": client.rows,
        "requests": client.requests,
        "departing": client.departing,
        "effect": number_of(client.effects.shift.sure),
        "estimate": number_of(client.effects.shift.effect),
        "margin": number_of(client.effects.shift.margin),
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
        "effect": number_of(shift.sure) if seen else None,
        "estimate": number_of(shift.effect) if seen else None,
        "margin": number_of(shift.margin) if seen else None,
    }


def _inputs(monitor: Monitor, effects: Effects) -> dict[str, Any] | None:
    """Return how far the inputs have shifted; None where the bundle has no reference for them."""
    if effects.inputs is None:
        return None
    moved = moved_features(effects, monitor.names, _LISTED_FEATURES, 0.0)
    features = [{"name": name, "effect": number_of(shift)} for name, shift in moved]
    seen = effects.rows > 0
    return {
        "effect": number_of(effects.inputs.sure) if seen else None,
        "estimate": number_of(effects.inputs.effect) if seen else None,
        "margin": number_of(effects.inputs.margin) if seen else None,
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
        "level": number_of(watch.level),
        "threshold": number_of(watch.threshold),
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


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
