"""``GET /health/activations/{model}/history``: the last hour or day of every series of the page."""

import asyncio
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import time
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Response
from numpy.typing import NDArray

from service.api.openapi import answers, json_response
from service.api.problems import Problem
from service.api.specification.history import (
    HistoryAnswer,
    HistoryEvent,
    LatencyHistory,
    LayerHistory,
    TargetHistory,
)
from service.coordination.history import SPANS, Bucket, ModelHistory
from service.coordination.history_recorder import HistoryRecorder
from service.inference.served_models import ServedModels
from service.observability.counters import SECONDS

Columns = tuple[list[float | None], list[float | None], list[float | None]]

_UNUSUAL = 0.05
_DOCUMENT = (
    "What went through all workers in the last hour, in buckets of ten seconds, or in the last day, in"
    " buckets of five minutes; the latest bucket is up to five seconds behind. A value is null where no"
    " row came. Older buckets are dropped, and a restart of the service begins anew. Effects and"
    " verdicts are as of a bucket's end: effects of a change while it lasts, or else of the last minute."
    " `member` (from 0) gives one member's layers instead of the average, the lowest and the highest."
)


def routes(served_models: ServedModels, recorder: HistoryRecorder) -> APIRouter:
    """Return the route of the history."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/health/activations/{model}/history",
        summary="The last hour or day of a model: traffic, layers, predictions, latency, events",
        description=_DOCUMENT,
        responses=answers(HistoryAnswer, 404, 422, 503),
    )
    async def history(
        model: str,
        span: Literal["hour", "day"] = "hour",
        member: Annotated[int | None, Query(ge=0)] = None,
    ) -> Response:
        served = served_models.get(model)
        members = len(served.manifest.members)
        if member is not None and member >= members:
            raise Problem(422, f"{model} has members 0 to {members - 1}, and no member {member}")
        told = recorder.history(model)
        document = await asyncio.to_thread(document_of, told, model, span, served.targets, member)
        return json_response(document)

    return router


def document_of(
    history: ModelHistory,
    model: str,
    span: str,
    targets: Sequence[str],
    member: int | None = None,
    now: float | None = None,
) -> HistoryAnswer:
    """Return the document of one span; ``now`` is its end in seconds since 1970."""
    now = time() if now is None else now
    seconds, length = SPANS[span]
    since, buckets = now - seconds * length, history.buckets(span, now)
    return HistoryAnswer(
        model=model,
        span=span,
        seconds=seconds,
        since=_time(since),
        until=_time(now),
        times=[round(bucket.at, 3) for bucket in buckets],
        version=[str(bucket.version) for bucket in buckets],
        verdict=[bucket.verdict for bucket in buckets],
        model_verdict=[bucket.model_verdict for bucket in buckets],
        traffic_verdict=[bucket.traffic_verdict for bucket in buckets],
        rows=[bucket.rows for bucket in buckets],
        requests=[bucket.requests for bucket in buckets],
        failed=[bucket.failed for bucket in buckets],
        rejected=[bucket.rejected for bucket in buckets],
        rows_per_second=[_short(bucket.rows / max(bucket.seconds, 1e-3)) or 0.0 for bucket in buckets],
        load=[_short(bucket.computing / max(bucket.seconds, 1e-3)) or 0.0 for bucket in buckets],
        waiting=[bucket.waiting for bucket in buckets],
        latency=LatencyHistory(
            *([quantile(bucket.latency, share) for bucket in buckets] for share in (0.5, 0.95, 0.99))
        ),
        effect=[_short(bucket.effect) for bucket in buckets],
        inputs=[_short(bucket.inputs) for bucket in buckets],
        network=[_short(bucket.network) for bucket in buckets],
        low_p_values=[
            None if bucket.predicted is None else _short(bucket.predicted.share_below(_UNUSUAL))
            for bucket in buckets
        ],
        layers=_layers(buckets, member),
        targets=[_target(buckets, place, name) for place, name in enumerate(targets)],
        events=[
            HistoryEvent(
                _time(event.at), event.kind, event.level, event.text, event.detail, str(event.version)
            )
            for event in history.events
            if event.at > since
        ],
    )


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Return the seconds within which a share of the requests was answered; None without any.

    Within a bucket of the histogram requests count as spread evenly; beyond its last bound they count
    as that long.
    """
    wanted, before = share * sum(counts), 0
    if not wanted:
        return None
    for number, (low, high) in zip(counts, zip((0.0, *SECONDS), SECONDS, strict=False), strict=False):
        if before + number >= wanted:
            return _short(low + (high - low) * (wanted - before) / number)
        before += number
    return SECONDS[-1]


def _layers(buckets: Sequence[Bucket], member: int | None) -> list[LayerHistory]:
    effects_known = [bucket.by_layer.shape for bucket in buckets if bucket.by_layer is not None]
    shapes = [bucket.layers.mean.shape for bucket in buckets if bucket.layers is not None]
    shapes = shapes or effects_known
    if not shapes:
        return []
    shape = shapes[-1]
    means = _stacked(buckets, shape, lambda one: None if one.layers is None else one.layers.mean)
    variances = _stacked(buckets, shape, lambda one: None if one.layers is None else one.layers.variance)
    effects = _stacked(buckets, shape, lambda one: one.by_layer)
    if member is not None and member < shape[0]:
        means, variances, effects = (
            values[:, member : member + 1] for values in (means, variances, effects)
        )
    return [
        LayerHistory(
            layer + 1,
            *_over_members(means[:, :, layer]),
            *_over_members(variances[:, :, layer]),
            _column(effects[:, :, layer].max(axis=1)),
        )
        for layer in range(shape[1])
    ]


def _over_members(values: NDArray[np.float64]) -> Columns:
    """The members' average, the lowest and the highest of values (buckets, M)."""
    return _column(values.mean(1)), _column(values.min(1)), _column(values.max(1))


def _stacked(
    buckets: Sequence[Bucket],
    shape: tuple[int, ...],
    which: Callable[[Bucket], NDArray[np.float32] | None],
) -> NDArray[np.float64]:
    """The values of all buckets (buckets, M, L); NaN where there are none, or of another network."""
    stacked = np.full((len(buckets), *shape), np.nan)
    for place, bucket in enumerate(buckets):
        values = which(bucket)
        if values is not None and values.shape[1:] == shape[1:]:
            stacked[place] = values if values.shape == shape else values.max(axis=0)
    return stacked


def _target(buckets: Sequence[Bucket], place: int, name: str) -> TargetHistory:
    probability: list[float | None] = []
    called: list[float | None] = []
    for bucket in buckets:
        sums = bucket.predicted
        known = sums is not None and sums.rows > 0 and place < len(sums.called)
        probability.append(_short(sums.probability[place] / sums.rows) if sums and known else None)
        called.append(_short(sums.called[place] / sums.rows) if sums and known else None)
    return TargetHistory(name, probability, called)


def _column(values: NDArray[np.float64]) -> list[float | None]:
    return [_short(value) for value in values.tolist()]


def _short(value: float | None) -> float | None:
    """Round to four significant digits; None for what is no number."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
