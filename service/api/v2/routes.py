"""All routes of the protocol."""

from typing import Any

from fastapi import APIRouter, Response

from service.api.access_control import Control
from service.api.openapi import SYNTHETIC_PARAMETER, TIMEOUT_PARAMETER, answers, request_body
from service.api.v2 import infer, metadata, repository, schemas, statistics
from service.coordination.coordinator import WorkerCoordinator
from service.inference.served_models import ServedModels


def routes(
    served_models: ServedModels,
    coordinator: WorkerCoordinator,
    control: Control | None,
    max_rows: int,
) -> APIRouter:
    """Return the routes, fixed paths before those with a model's name."""
    router = APIRouter()
    router.include_router(statistics.routes(served_models, coordinator))
    router.include_router(metadata.routes(served_models, coordinator, max_rows))
    router.include_router(repository.routes(coordinator, control))
    router.include_router(_described())
    return router


def _described() -> APIRouter:
    """Describe the inference routes, which ``Infer`` answers before the router."""
    router = APIRouter(tags=["v2"])
    common: dict[str, Any] = {
        "responses": answers(schemas.InferenceResponse, 400, 404, 406, 408, 413, 415, 429, 503, 504),
        "openapi_extra": request_body(schemas.InferenceRequest)
        | {"parameters": [TIMEOUT_PARAMETER, SYNTHETIC_PARAMETER]},
    }

    @router.post(infer.PATH, summary="Predict a tensor of records", **common)
    @router.post(infer.VERSION_PATH, summary="The same by a version", **common)
    async def predict(model: str, version: str | None = None) -> Response:
        raise NotImplementedError((model, version))

    return router
