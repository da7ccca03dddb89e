"""What happened to each model in the last hour, and coarser in the last day: sums by time, bounded.

One worker writes it for all of them. A bucket that gets nothing more is kept as the bytes that it is
written as, so that to write the history costs a copy of them.
"""

from collections.abc import Sequence
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.coordination.statuses import decode, encode
from service.health.verdict import MODEL_VERDICTS, TRAFFIC_VERDICTS, VERDICTS
from service.observability.predictions import Predicted

#: Seconds of a bucket by span, and how many are kept.
SPANS = {"hour": (10.0, 360), "day": (300.0, 288)}
#: Events that are kept of a model.
_EVENTS = 200
#: Layers of all members together of which each is kept by itself; of more, the members' mean is.
_MOST_LAYERS = 2000

Floats = NDArray[np.float32]


class Layers(msgspec.Struct, frozen=True):
    """Mean and variance of the activations of ``rows`` rows, by member and layer (M, L)."""

    rows: int
    mean: Floats
    variance: Floats

    @classmethod
    def of(cls, rows: int, mean: NDArray[np.floating], variance: NDArray[np.floating]) -> Self:
        """Keep each layer of each member, or their mean over the members where they are many."""
        if mean.size > _MOST_LAYERS:
            mean, variance = mean.mean(axis=0, keepdims=True), variance.mean(axis=0, keepdims=True)
        return cls(rows, mean.astype(np.float32), variance.astype(np.float32))

    def plus(self, other: "Layers") -> "Layers":
        """Return the moments of both together; of the same shapes."""
        rows, share = self.rows + other.rows, other.rows / (self.rows + other.rows)
        step = other.mean.astype(np.float64) - self.mean
        mean = self.mean + share * step
        variance = self.variance + share * (other.variance.astype(np.float64) - self.variance)
        return Layers.of(rows, mean, variance + share * (1 - share) * np.square(step))


class Bucket(msgspec.Struct, frozen=True):
    """One stretch of ``seconds`` seconds until ``at`` (seconds since 1970), over all workers.

    ``latency`` counts the requests that succeeded by seconds, as ``Traffic.latency``. ``computing`` are
    the seconds in which the network was computed. Verdicts are as of the end. Effects, in standard
    deviations of the reference rows, are those of a change while it lasts, or else of the last minute:
    ``effect`` the largest, ``inputs`` of the inputs, ``network`` of the member that departs most,
    ``by_layer`` (M, L) of each layer, or its departure. A value is None where there were no rows.
    """

    at: float
    seconds: float
    version: int
    verdict: str
    model_verdict: str
    traffic_verdict: str
    rows: int
    requests: int
    failed: int
    rejected: int
    latency: tuple[int, ...]
    computing: float
    waiting: int
    effect: float | None = None
    inputs: float | None = None
    network: float | None = None
    by_layer: Floats | None = None
    predicted: Predicted | None = None
    layers: Layers | None = None

    def plus(self, later: "Bucket") -> "Bucket":
        """Return this bucket and the one behind it as one: the worst verdicts, the largest effects."""
        return Bucket(
            at=later.at,
            seconds=self.seconds + later.seconds,
            version=later.version,
            verdict=_worst(VERDICTS, self.verdict, later.verdict),
            model_verdict=_worst(MODEL_VERDICTS, self.model_verdict, later.model_verdict),
            traffic_verdict=_worst(TRAFFIC_VERDICTS, self.traffic_verdict, later.traffic_verdict),
            rows=self.rows + later.rows,
            requests=self.requests + later.requests,
            failed=self.failed + later.failed,
            rejected=self.rejected + later.rejected,
            latency=tuple(map(sum, zip(self.latency, later.latency, strict=True))),
            computing=self.computing + later.computing,
            waiting=max(self.waiting, later.waiting),
            effect=_largest(self.effect, later.effect),
            inputs=_largest(self.inputs, later.inputs),
            network=_largest(self.network, later.network),
            by_layer=later.by_layer
            if self.by_layer is None
            else self.by_layer
            if later.by_layer is None
            else np.maximum(self.by_layer, later.by_layer),
            predicted=later.predicted
            if self.predicted is None
            else self.predicted
            if later.predicted is None
            else self.predicted.plus(later.predicted),
            layers=later.layers
            if self.layers is None
            else self.layers
            if later.layers is None
            else self.layers.plus(later.layers),
        )


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a model at ``at`` (seconds since 1970).

    ``kind`` is ``verdict``, ``change`` (of the traffic), ``version``, ``baseline``, ``alarm`` (of the
    sequential detector) or ``integrity``; ``level`` is ``ok``, ``info``, ``warn`` or ``bad``.
    """

    at: float
    kind: str
    level: str
    text: str
    detail: str | None
    version: int


class Known(msgspec.Struct, frozen=True):
    """What was last known of a model, from whose changes events are made."""

    version: int
    verdict: str
    change: float | None = None
    baseline: float | None = None
    alarm: float | None = None
    intact: bool | None = None


class ModelHistory(msgspec.Struct, frozen=True):
    """The buckets of each span, encoded, the oldest first; and the events, the oldest first."""

    spans: dict[str, list[bytes]] = {}
    events: list[Event] = []
    known: Known | None = None

    def plus(self, bucket: Bucket, events: Sequence[Event], known: Known) -> "ModelHistory":
        """Return the history with one more bucket, and without what is older than its spans."""
        spans = {}
        for span, (seconds, length) in SPANS.items():
            kept, newest = list(self.spans.get(span, [])), bucket
            if kept:
                last = decode(kept[-1], Bucket)
                if last.version == bucket.version and last.at // seconds == bucket.at // seconds:
                    newest = last.plus(bucket)
                    kept.pop()
            spans[span] = [*kept, encode(newest)][-length:]
        since = bucket.at - SPANS["day"][0] * SPANS["day"][1]
        kept_events = [event for event in [*self.events, *events] if event.at >= since]
        return ModelHistory(spans, kept_events[-_EVENTS:], known)

    def buckets(self, span: str, now: float) -> list[Bucket]:
        """Return the buckets of a span that ends at ``now``, the oldest first."""
        seconds, length = SPANS[span]
        found = [decode(content, Bucket) for content in self.spans.get(span, [])]
        return [bucket for bucket in found if bucket.at > now - seconds * length]


Histories = dict[str, ModelHistory]


def _worst(order: Sequence[str], first: str, second: str) -> str:
    return max(first, second, key=order.index)


def _largest(first: float | None, second: float | None) -> float | None:
    known = [value for value in (first, second) if value is not None]
    return max(known, default=None)
