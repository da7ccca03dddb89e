"""Liveness and readiness, the activation documents, and taking a baseline."""

from fastapi import APIRouter, Request, Response
from msgspec import Raw

from service.api.access_control import administrator
from service.api.openapi import answers, json_response
from service.api.routes.health import stream
from service.api.routes.health.activations import baseline_of, document_of, every_model
from service.api.schemas import Live, Ok, Ready, ReadyAnswer
from service.api.specification import health as described
from service.coordination.aggregate import ModelWhole, find
from service.coordination.coordinator import WorkerCoordinator
from service.inference.served_models import ServedModels

_DOCUMENT = (
    "`model_verdict` is `intact`, `suspect` (layers depart while inputs do not) or `faulty` (golden"
    " rows fail); `traffic_verdict` is `warming_up`, `like_training`, `degraded` or `unhealthy`, and"
    " `unwatched` for a model without taps. `verdict` is the worse of both. `headline` says in at most"
    " 20 words what happened, `advice` what to do and where the runbook tells more, `reason` has the"
    " numbers. `change` is when traffic last moved: `began` and `ended` are estimates, `ended` is null"
    " while it lasts. `window` is the shortest that reaches back to it."
)
_STREAM = (
    "Once a second the document of `GET /health/activations`, as the data of an event whose id is when"
    " it was computed, in milliseconds since 1970. A client that reads nothing for a while is cut off;"
    " an event `end` says that the service is stopping."
)


def routes(served_models: ServedModels, coordinator: WorkerCoordinator) -> APIRouter:
    """Return the health routes; all but liveness report on all workers."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live", summary="Whether the process answers at all", responses=answers(Live))
    async def live() -> Response:
        return json_response(Live())

    @router.get("/healthz", summary="The same, as the Tox21 leaderboard asks", responses=answers(Ok))
    async def healthz() -> Response:
        return json_response(Ok())

    @router.get(
        "/health/ready",
        summary="Whether every promoted model can answer",
        responses=answers(ReadyAnswer) | answers(ReadyAnswer, status=503),
    )
    async def ready() -> Response:
        whole = coordinator.whole()
        document = ReadyAnswer(
            ready=whole.ready,
            draining=whole.draining,
            error=whole.trouble or (None if whole.models else "no model is promoted"),
            models={name: _readiness(model) for name, model in whole.models.items()},
        )
        return json_response(document, 200 if whole.ready else 503)

    @router.get(
        "/health/activations",
        summary="The activation health of every model",
        responses=answers(described.ActivationHealthAnswer),
    )
    async def activations() -> Response:
        return json_response(Raw(await every_model(served_models, coordinator)))

    @router.get(
        stream.PATH,
        summary="The same as server-sent events",
        description=_STREAM,
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def activations_stream() -> Response:
        raise NotImplementedError  # the middleware answers it before the router

    @router.get(
        "/health/activations/{model}",
        summary="Live per-layer statistics beside the reference, and verdicts on model and traffic",
        description=_DOCUMENT,
        responses=answers(described.ActivationHealth, 404, 503),
    )
    async def activations_of(model: str) -> Response:
        served_models.get(model)
        whole = coordinator.whole()
        find(whole, model)
        return json_response(Raw(await document_of(coordinator, whole, model)))

    @router.post(
        "/health/activations/{model}/baseline",
        summary="Declare the latest traffic healthy: it becomes the centre for this version",
        status_code=201,
        responses=answers(described.BaselineTaken, 403, 404, 409, 503, status=201),
    )
    async def take_baseline(model: str, request: Request) -> Response:
        key = administrator(request)
        taken = coordinator.take_baseline(model, key.name)
        return json_response({"baseline": baseline_of(taken)}, 201)

    @router.delete(
        "/health/activations/{model}/baseline",
        summary="Return to the training reference",
        responses=answers(described.BaselineDropped, 403, 404, 503),
    )
    async def drop_baseline(model: str, request: Request) -> Response:
        key = administrator(request)
        return json_response({"dropped": coordinator.drop_baseline(model, key.name), "baseline": None})

    return router


def _readiness(model: ModelWhole) -> Ready:
    version = None if model.version is None else str(model.version)
    return Ready(version, model.provider, model.ready, model.error)
