"""The metrics route over what all workers have counted."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.exposition import choose_encoder

from service.api.routes.metrics.models import ModelsCollector
from service.api.routes.metrics.process import ProcessCollector
from service.api.routes.metrics.traffic import TrafficCollector
from service.coordination.coordinator import WorkerCoordinator
from service.inference.served_models import ServedModels


def routes(served_models: ServedModels, coordinator: WorkerCoordinator) -> APIRouter:
    """Return the metrics route over what all workers have counted."""
    platform = PlatformCollector(registry=None)
    router = APIRouter(tags=["metrics"])

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(request: Request) -> Response:
        encoder, content_type = choose_encoder(", ".join(request.headers.getlist("accept")))
        # Judged first, since a new verdict is counted.
        judged = {
            name: await coordinator.health(name)
            for name, state in served_models.states().items()
            if state.served is not None
        }
        whole, registry = coordinator.whole(), CollectorRegistry()
        registry.register(TrafficCollector(whole.counted))
        registry.register(ModelsCollector(judged, whole))
        registry.register(ProcessCollector(whole))
        registry.register(platform)
        return Response(encoder(registry), media_type=None, headers={"content-type": content_type})

    return router
