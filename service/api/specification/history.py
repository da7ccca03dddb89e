"""The document of a model's history, in columns: one value for each moment of ``times``."""

from typing import Annotated

from msgspec import Meta, Struct


class LatencyHistory(Struct):
    """Seconds within which 50, 95 and 99 % of the requests were answered, interpolated in buckets."""

    p50: list[float | None]
    p95: list[float | None]
    p99: list[float | None]


class LayerHistory(Struct):
    """One layer: the members' average, and the lowest and highest of them; of one member if asked so.

    ``effect`` is the largest of the members' effects, in standard deviations of the reference rows.
    """

    layer: int
    mean: list[float | None]
    mean_low: list[float | None]
    mean_high: list[float | None]
    variance: list[float | None]
    variance_low: list[float | None]
    variance_high: list[float | None]
    effect: list[float | None]


class TargetHistory(Struct):
    """One target: the mean probability, and the share of rows that were called."""

    name: str
    probability: list[float | None]
    called: list[float | None]


class HistoryEvent(Struct):
    """Something that happened; ``kind`` is verdict, change, version, baseline, alarm or integrity."""

    at: str
    kind: str
    level: str
    text: str
    detail: str | None
    version: str


class HistoryAnswer(Struct):
    """What went through all workers in the last hour or day, and what became of the model."""

    model: str
    span: Annotated[str, Meta(description="hour or day")]
    seconds: Annotated[float, Meta(description="The length of a bucket.")]
    since: str
    until: str
    times: Annotated[list[float], Meta(description="Ends of the buckets, in seconds since 1970.")]
    version: list[str]
    verdict: list[str]
    model_verdict: list[str]
    traffic_verdict: list[str]
    rows: list[int]
    requests: list[int]
    failed: list[int]
    rejected: list[int]
    rows_per_second: list[float]
    load: Annotated[list[float], Meta(description="Share of the time in which it was computed.")]
    waiting: Annotated[list[int], Meta(description="Rows that waited at the bucket's end.")]
    latency: LatencyHistory
    effect: Annotated[list[float | None], Meta(description="Largest effect, as the verdict sees it.")]
    inputs: Annotated[list[float | None], Meta(description="The effect of the inputs.")]
    network: Annotated[
        list[float | None], Meta(description="How far the member departs that departs most.")
    ]
    low_p_values: Annotated[list[float | None], Meta(description="Share of p-values below 0.05.")]
    layers: list[LayerHistory]
    targets: list[TargetHistory]
    events: list[HistoryEvent]
