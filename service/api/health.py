"""Liveness, readiness, and what the models' activations look like."""

import math
from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Response

from models.moments import Moments
from service.api import stream
from service.api.documents import ErrorAnswer, ReadyAnswer
from service.api.integrity import integrity
from service.catalog import Catalog, ServedModel
from service.group import Group
from service.monitor import comparable_part, layer_statistics
from service.whole import ModelWhole, Whole, find

#: What of a layer is compared with the reference.
_COMPARED = ("mean", "log_variance", "saturated")

_STREAM = (
    "Once a second the document of `GET /health/activations`, as the data of an event whose id is when"
    " it was computed, in milliseconds since 1970. A client that reads nothing for a while is cut off;"
    " an event `end` says that the service is stopping."
)


def routes(catalog: Catalog, group: Group) -> APIRouter:
    """The health routes; all but liveness speak for all workers."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live", summary="Whether the process answers at all")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/healthz", summary="The same, as the Tox21 leaderboard asks")
    async def healthz() -> dict[str, bool]:
        return {"ok": True}

    @router.get(
        "/health/ready",
        summary="Whether every promoted model can answer",
        response_model=ReadyAnswer,
        responses={503: {"model": ReadyAnswer}},
    )
    async def ready() -> Response:
        whole = group.whole()
        document = {
            "ready": whole.ready,
            "draining": whole.draining,
            "error": whole.trouble or (None if whole.models else "no model is promoted"),
            "models": {name: _readiness(model) for name, model in whole.models.items()},
        }
        return _json(document, 200 if whole.ready else 503)

    @router.get("/health/activations", summary="The activation health of every model")
    async def activations() -> Response:
        return _json(every_model(catalog, group))

    @router.get(
        stream.PATH,
        summary="The same as server-sent events",
        description=_STREAM,
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def activations_stream() -> Response:
        raise NotImplementedError  # the edge answers it before the router is asked

    @router.get(
        "/health/activations/{model}",
        summary="Live per-layer statistics beside the reference, and a verdict",
        responses={404: {"model": ErrorAnswer}, 503: {"model": ErrorAnswer}},
    )
    async def activations_of(model: str) -> Response:
        catalog.get(model)
        whole = group.whole()
        find(whole, model)
        return _json(_activations(group, whole, model))

    return router


def every_model(catalog: Catalog, group: Group) -> dict[str, Any]:
    """The activation health of all models that can answer."""
    whole = group.whole()
    served = [name for name, state in catalog.states().items() if state.served is not None]
    ready = [name for name in served if name in whole.models and whole.models[name].ready]
    return {"models": {name: _activations(group, whole, name) for name in ready}}


def _json(document: dict[str, Any], status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    content = msgspec.json.encode(document)
    return Response(content, status, headers, media_type="application/json")


def _readiness(model: ModelWhole) -> dict[str, Any]:
    return {
        "version": None if model.version is None else str(model.version),
        "provider": model.provider,
        "ready": model.ready,
        "error": model.error,
    }


def _activations(group: Group, whole: Whole, name: str) -> dict[str, Any]:
    """The document of DESIGN's shape. Members count from 0, as in the manifest; layers from 1."""
    served, health, since = group.health(name)
    version = served.manifest.version
    judgement, first = health.judgement, health.judgement.first_departing
    return {
        "model": served.manifest.name,
        "version": str(version),
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "since": _time(since),
        "origin": judgement.origin,
        "first_departing": None if first is None else {"member": first[0], "layer": first[1] + 1},
        "integrity": integrity(whole.models[name]),
        "window": judgement.window,
        "windows": {
            name: {
                "rows": moments.count,
                "effect": _number(health.effects[name].largest) if moments.count else None,
            }
            for name, moments in health.windows.items()
        },
        "rows_not_finite": whole.counted.traffic(name, version).not_finite,
        "members": _members(served, health.windows[judgement.window or "start"]),
    }


def _members(served: ServedModel, moments: Moments) -> list[dict[str, Any]]:
    """Every member's layers in one window, beside the reference."""
    reference = served.monitor.reference
    effects = reference.effects(comparable_part(moments)).by_layer
    live = layer_statistics(moments)
    spreads = reference.spread.reshape(*effects.shape, len(_COMPARED)).round(6)
    seen = moments.count > 0
    members = []
    for number, expected in enumerate(reference.members):
        layers = []
        for layer in range(reference.layers):
            mean, variance, saturated = (
                _number(values[number, layer]) if seen else None for values in live
            )
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
                    # Standard deviations of the reference rows, in which effects are counted.
                    "spread": dict(zip(_COMPARED, spreads[number, layer].tolist(), strict=True)),
                    "effect": _number(effects[number, layer]) if seen else None,
                }
            )
        members.append({"layers": layers})
    return members


def _number(value: float) -> float | None:
    """A number that JSON has, to six significant digits."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
