"""Integrity of a model in all workers: the result of the last check, and a check on demand."""

from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from service.api.access_control import Control, administrator
from service.api.openapi import answers, json_response
from service.api.specification.health import IntegrityAnswer
from service.coordination.aggregate import ModelWhole
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ModelNotFound
from service.inference.served_models import ServedModels


def routes(
    served_models: ServedModels, coordinator: WorkerCoordinator, control: Control | None
) -> APIRouter:
    """Return the routes under ``/health/integrity``; without a ``control`` no check on demand."""
    router = APIRouter(prefix="/health/integrity", tags=["health"])
    read = answers(IntegrityAnswer, 404, 503)
    change = answers(IntegrityAnswer, 403, 404, 503)

    @router.get("/{model}", summary="What the last check of a model found", responses=read)
    async def last(model: str) -> Response:
        return _json(served_models, coordinator, model)

    if control is not None:

        @router.post(
            "/{model}",
            summary="Check a model now, in all workers",
            responses=change,
        )
        async def check(request: Request, model: str) -> Response:
            administrator(request)
            await control.examine(model)
            return _json(served_models, coordinator, model)

    return router


def integrity(model: ModelWhole) -> dict[str, Any]:
    """Return the part of a health document that says whether the model is as published."""
    fault = model.fault
    return {
        "ok": model.intact,
        "checked_at": _time(model.checked_at),
        "fault": None if fault is None else msgspec.to_builtins(fault) | {"at": _time(fault.at)},
        "files": {"ok": model.files_error is None, "error": model.files_error},
    }


def _json(served_models: ServedModels, coordinator: WorkerCoordinator, name: str) -> Response:
    served_models.state(name)
    model = coordinator.whole().models.get(name)
    if model is None:
        raise ModelNotFound(f"no model named {name[:80]!r} is served here")
    version = None if model.version is None else str(model.version)
    document = {"model": name, "version": version, **integrity(model), "error": model.error}
    return json_response(document)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
