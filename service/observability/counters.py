"""Counters of the service: plain numbers, cheap to add to.

``service.api.routes.metrics`` writes them out.

prometheus-client's own counters take a lock and a dictionary look-up per sample, too much for a request
of a single row. Every counter has one writer at a time, the event loop or a model's thread, and may be
read at any moment: a reader iterates over ``dict(...)``, a copy that Python makes in one step. All of
them can be added up over the workers of a service and are sent between them as they are.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from time import time
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.observability.predictions import Predicted

K = TypeVar("K")

#: Upper bounds in seconds: from half a millisecond to the five minutes that a large table may take.
SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
)  # fmt: skip
#: Upper bounds in seconds for a stage of a request, of which a short one takes microseconds.
STAGE_SECONDS = (0.00002, 0.00005, 0.0001, 0.0002, *SECONDS)
#: Events for which an operator is called: two verdicts on the traffic, and golden rows that fail.
ALARMS = ("degraded", "unhealthy", "golden_rows")
#: How many versions of a model keep their counters: the one that serves, and those before it.
KEPT_VERSIONS = 5
#: How many versions of a model whose counters were dropped are listed as such.
_FORGOTTEN = 64
#: Upper bounds of the rows in a batch.
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram(msgspec.Struct):
    """Counts of observations by upper bound (the last has none), and their sum."""

    bounds: tuple[float, ...]
    counts: list[int] = []
    total: float = 0.0

    def __post_init__(self) -> None:
        """Begin with zero counts, where none are given."""
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def merge(self, other: "Histogram") -> None:
        """Add another histogram of the same bounds."""
        self.counts = [own + added for own, added in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def cumulative(self) -> tuple[list[tuple[str, float]], float]:
        """Return the counts up to each bound, as Prometheus' text format has them, and the sum."""
        total, buckets = 0, []
        for bound, number in zip([*self.bounds, float("inf")], self.counts, strict=True):
            total += number
            buckets.append((f"{bound:g}" if bound != float("inf") else "+Inf", float(total)))
        return buckets, self.total


class Tally(msgspec.Struct):
    """How often something happened, and the seconds that it took in total."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one more that took so many seconds."""
        self.count += 1
        self.seconds += seconds

    def merge(self, other: "Tally") -> None:
        """Add what another counted."""
        self.count += other.count
        self.seconds += other.seconds


class Activations(msgspec.Struct, frozen=True):
    """Sums since the start that never fall, so that sums over replicas give exact moments.

    ``shifted`` is Σ(a + λα) and ``squared`` Σ(a + λα)², of shape (members, layers), where ``a`` is
    an activation: the mean over a layer's units, summed over ``rows`` rows.
    """

    rows: int
    shifted: NDArray[np.float64]
    squared: NDArray[np.float64]

    def plus(self, other: "Activations") -> "Activations":
        """Return the sums of two replicas; both have the same shapes."""
        return Activations(
            self.rows + other.rows, self.shifted + other.shifted, self.squared + other.squared
        )


def _stage() -> Histogram:
    return Histogram(STAGE_SECONDS)


class Traffic(msgspec.Struct):
    """Counters of one version of one model since the service began."""

    rows: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    featurize: Histogram = msgspec.field(default_factory=_stage)
    queue: Histogram = msgspec.field(default_factory=_stage)
    compute: Histogram = msgspec.field(default_factory=_stage)
    batch_rows: Histogram = msgspec.field(default_factory=lambda: Histogram(ROWS))
    #: Entire requests, and the stages of those that succeeded.
    succeeded: Tally = msgspec.field(default_factory=Tally)
    #: Those that succeeded and tell nothing of the traffic.
    synthetic: int = 0
    failed: Tally = msgspec.field(default_factory=Tally)
    waited: Tally = msgspec.field(default_factory=Tally)
    prepared: Tally = msgspec.field(default_factory=Tally)
    inferred: Tally = msgspec.field(default_factory=Tally)
    encoded: Tally = msgspec.field(default_factory=Tally)
    #: Batches by their exact number of rows; the limit of a batch allows a few hundred numbers.
    batches: dict[int, Tally] = msgspec.field(default_factory=lambda: defaultdict(Tally))
    #: When a batch was last computed, in seconds since 1970; 0 for never.
    last_batch_at: float = 0.0
    #: None before the first row; the monitor adds to them.
    activations: Activations | None = None
    #: Rows whose activations were not finite.
    not_finite: int = 0
    #: Rows that were answered although beyond their bounds, rows that were computed again for being so,
    #: and those of them that were other the second time.
    suspect: int = 0
    recomputed: int = 0
    corrupted: int = 0
    #: Parts of requests in batches on which the network raised an error.
    inferences_failed: int = 0
    #: What was predicted; None before the first row.
    predicted: Predicted | None = None
    #: Requests that succeeded, by the seconds that they took.
    latency: Histogram = msgspec.field(default_factory=lambda: Histogram(SECONDS))
    #: How often each of ``ALARMS`` began.
    alarms: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))

    def computed(self, rows: int, seconds: float) -> None:
        """Count one batch."""
        self.rows += rows
        self.compute.observe(seconds)
        self.batch_rows.observe(rows)
        self.batches[rows].add(seconds)
        self.last_batch_at = time()

    def queued(self, seconds: float) -> None:
        """Count the seconds of one request from its arrival to the start of its first batch."""
        self.queue.observe(seconds)

    def merge(self, other: "Traffic") -> None:
        """Add what another worker counted, or goes on counting."""
        self.rows += other.rows
        _add(self.rejected, other.rejected)
        for name in ("featurize", "queue", "compute", "batch_rows", "latency", *_TALLIES):
            getattr(self, name).merge(getattr(other, name))
        for size, tally in dict(other.batches).items():
            self.batches[size].merge(tally)
        self.last_batch_at = max(self.last_batch_at, other.last_batch_at)
        for name in ("not_finite", "suspect", "recomputed", "corrupted", "synthetic"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.inferences_failed += other.inferences_failed
        _add(self.alarms, other.alarms)
        if other.predicted is not None:
            predicted = self.predicted
            self.predicted = other.predicted if predicted is None else predicted.plus(other.predicted)
        if other.activations is not None:
            own = self.activations
            self.activations = other.activations if own is None else own.plus(other.activations)


_TALLIES = ("succeeded", "failed", "waited", "prepared", "inferred", "encoded")


class Telemetry(msgspec.Struct):
    """Everything that is counted in this process, or, after ``merge``, in several."""

    requests: dict[tuple[str, int], int] = msgspec.field(default_factory=lambda: defaultdict(int))
    latency: dict[str, Histogram] = msgspec.field(
        default_factory=lambda: defaultdict(lambda: Histogram(SECONDS))
    )
    by_version: dict[tuple[str, int], Traffic] = msgspec.field(
        default_factory=lambda: defaultdict(Traffic)
    )
    #: The versions of each model that served last, latest last; only their counters are kept.
    recent: dict[str, list[int]] = {}
    #: Versions whose counters were dropped here. Those that another worker still has do not count: the
    #: version's sums over all workers would fall.
    forgotten: dict[str, list[int]] = {}

    def snapshot(self) -> "Telemetry":
        """Return these counters in dictionaries of their own, which other threads do not change."""
        return Telemetry(*(dict(getattr(self, field)) for field in self.__struct_fields__))

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one request; ``route`` is the route's template, never the requested path."""
        self.requests[route, status] += 1
        self.latency[route].observe(seconds)

    def traffic(self, model: str, version: int) -> Traffic:
        """Return the counters of one version of a model; a reload of the version keeps them."""
        return self.by_version[model, version]

    def serves(self, model: str, version: int, traffic: Traffic) -> None:
        """Keep the counters of a version that serves from now on; drop those of versions long gone."""
        self.by_version[model, version] = traffic
        recent = [old for old in self.recent.get(model, []) if old != version]
        self.recent[model] = [*recent, version][-KEPT_VERSIONS:]
        versions = [old for name, old in dict(self.by_version) if name == model]
        gone = [old for old in versions if old not in self.recent[model]]
        for old in gone:
            del self.by_version[model, old]
        before = [old for old in self.forgotten.get(model, []) if old not in (version, *gone)]
        self.forgotten[model] = [*before, *gone][-_FORGOTTEN:]

    def all_traffic(self) -> Iterable[tuple[str, int, Traffic]]:
        """Return every model, version and its counters."""
        return [(model, version, traffic) for (model, version), traffic in dict(self.by_version).items()]

    def merge(self, other: "Telemetry") -> None:
        """Add what another worker counted, or goes on counting."""
        _add(self.requests, other.requests)
        for route, histogram in dict(other.latency).items():
            self.latency[route].merge(histogram)
        for version, traffic in dict(other.by_version).items():
            self.by_version[version].merge(traffic)
        for model, versions in dict(other.recent).items():
            self.recent.setdefault(model, list(versions))
        for model, versions in dict(other.forgotten).items():
            before = self.forgotten.get(model, [])
            self.forgotten[model] = list(dict.fromkeys([*before, *versions]))
        for model, versions in self.forgotten.items():
            for old in versions:
                self.by_version.pop((model, old), None)


def _add(counts: dict[K, int], others: dict[K, int]) -> None:
    for key, number in dict(others).items():
        counts[key] += number
