"""What every model has done since the process began, in Triton's shape.

Source: Triton's statistics extension. It counts requests of every route, not of this protocol alone,
and of all workers.
"""

from fastapi import APIRouter, Response

from service.api.openapi import answers, json_response
from service.api.v2.interface import find
from service.api.v2.schemas import (
    BatchStatistics,
    Duration,
    InferStatistics,
    ModelStatistics,
    Statistics,
)
from service.coordination.coordinator import WorkerCoordinator
from service.inference.served_models import ServedModel, ServedModels
from service.observability.counters import Tally, Telemetry

_NONE = Duration(count=0, ns=0)


def routes(served_models: ServedModels, coordinator: WorkerCoordinator) -> APIRouter:
    """Return the statistics routes; ``/v2/models/stats`` comes before the routes of a model."""
    router, refusals = APIRouter(tags=["v2"]), answers(Statistics, 404, 503)

    @router.get(
        "/v2/models/stats",
        summary="What every loaded model has done",
        responses=answers(Statistics),
    )
    async def all_statistics() -> Response:
        counted = coordinator.whole().counted
        served = [state.served for state in served_models.states().values() if state.served is not None]
        return json_response(Statistics([_statistics(each, counted) for each in served]))

    @router.get("/v2/models/{model}/stats", summary="What a model has done", responses=refusals)
    @router.get(
        "/v2/models/{model}/versions/{version}/stats",
        summary="The same of a version",
        responses=refusals,
    )
    async def statistics(model: str, version: str | None = None) -> Response:
        served = find(served_models, model, version)
        return json_response(Statistics([_statistics(served, coordinator.whole().counted)]))

    return router


def _statistics(served: ServedModel, counted: Telemetry) -> ModelStatistics:
    traffic = counted.traffic(served.manifest.name, served.manifest.version)
    return ModelStatistics(
        name=served.manifest.name,
        version=str(served.manifest.version),
        last_inference=int(traffic.last_batch_at * 1000),
        inference_count=traffic.rows,
        execution_count=sum(batches.count for batches in traffic.batches.values()),
        inference_stats=InferStatistics(
            success=_duration(traffic.succeeded),
            fail=_duration(traffic.failed),
            queue=_duration(traffic.waited),
            compute_input=_duration(traffic.prepared),
            compute_infer=_duration(traffic.inferred),
            compute_output=_duration(traffic.encoded),
            cache_hit=_NONE,
            cache_miss=_NONE,
        ),
        batch_stats=[
            BatchStatistics(
                batch_size=rows,
                # Records are read, and answers written, by request and not by batch.
                compute_input=_NONE,
                compute_infer=_duration(batches),
                compute_output=_NONE,
            )
            for rows, batches in sorted(traffic.batches.items())
        ],
    )


def _duration(tally: Tally) -> Duration:
    return Duration(count=tally.count, ns=int(tally.seconds * 1e9))
