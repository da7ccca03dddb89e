"""What the service counts: plain numbers, cheap to add to.

``service.api.routes.metrics`` writes them out.

prometheus-client's own counters take a lock and a dictionary look-up per sample, which the path of
a single row would feel. These are added to from the event loop alone. Everything here can be added
up over the workers of a service, and travels between them as it is.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from time import time

import msgspec
import numpy as np
from numpy.typing import NDArray

#: Upper bounds in seconds: from half a millisecond to five seconds.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
#: The same for a stage of a request, where a short one takes microseconds.
STAGE_SECONDS = (0.00002, 0.00005, 0.0001, 0.0002, *SECONDS)
#: What an operator is called for: the traffic's verdicts, and golden rows that were not reproduced.
ALARMS = ("degraded", "unhealthy", "golden_rows")
#: Of how many versions of a model the counters are kept: the one that serves, and those before it.
KEPT_VERSIONS = 5
#: How many of a model's forgotten versions are remembered as such.
_FORGOTTEN = 64
#: Rows in a batch.
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram(msgspec.Struct):
    """Counts of observations by upper bound, and their sum."""

    bounds: tuple[float, ...]
    counts: list[int] = []
    total: float = 0.0

    def __post_init__(self) -> None:
        """Begin with nothing counted."""
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def merge(self, other: "Histogram") -> None:
        """Take in another's observations."""
        self.counts = [own + its for own, its in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Tally(msgspec.Struct):
    """How often something happened, and how many seconds it took in all."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count it once."""
        self.count += 1
        self.seconds += seconds

    def merge(self, other: "Tally") -> None:
        """Take in what another counted."""
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
        """Return the sums of both."""
        return Activations(
            self.rows + other.rows, self.shifted + other.shifted, self.squared + other.squared
        )


def _stage() -> Histogram:
    return Histogram(STAGE_SECONDS)


class Traffic(msgspec.Struct):
    """What one version of one model has done since the service began."""

    rows: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    featurize: Histogram = msgspec.field(default_factory=_stage)
    queue: Histogram = msgspec.field(default_factory=_stage)
    compute: Histogram = msgspec.field(default_factory=_stage)
    batch_rows: Histogram = msgspec.field(default_factory=lambda: Histogram(ROWS))
    #: Requests as a whole, and the stages of those that succeeded.
    succeeded: Tally = msgspec.field(default_factory=Tally)
    failed: Tally = msgspec.field(default_factory=Tally)
    waited: Tally = msgspec.field(default_factory=Tally)
    prepared: Tally = msgspec.field(default_factory=Tally)
    inferred: Tally = msgspec.field(default_factory=Tally)
    encoded: Tally = msgspec.field(default_factory=Tally)
    #: Batches by their exact number of rows, of which a batch's limit makes a few hundred.
    batches: dict[int, Tally] = msgspec.field(default_factory=lambda: defaultdict(Tally))
    #: When a batch was last computed, in seconds since 1970; 0 for never.
    last_batch_at: float = 0.0
    #: None before the first row; the monitor adds to them.
    activations: Activations | None = None
    #: Rows whose activations were no numbers.
    not_finite: int = 0
    #: Parts of requests that were in a batch when the network raised.
    inferences_failed: int = 0
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
        """Count the wait of one submission from its arrival to the start of its first batch."""
        self.queue.observe(seconds)

    def merge(self, other: "Traffic") -> None:
        """Take in what another worker counted."""
        self.rows += other.rows
        for reason, number in other.rejected.items():
            self.rejected[reason] += number
        for name in ("featurize", "queue", "compute", "batch_rows", *_TALLIES):
            getattr(self, name).merge(getattr(other, name))
        for size, tally in other.batches.items():
            self.batches[size].merge(tally)
        self.last_batch_at = max(self.last_batch_at, other.last_batch_at)
        self.not_finite += other.not_finite
        self.inferences_failed += other.inferences_failed
        for kind, number in other.alarms.items():
            self.alarms[kind] += number
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
    #: The versions of each model that served last, latest last; the counters of no others are kept.
    recent: dict[str, list[int]] = {}
    #: Versions whose counters were dropped. Another worker may have them still: counted by it alone,
    #: a version's sums over all workers would fall.
    forgotten: dict[str, list[int]] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one request; ``route`` is the route's template, never the path as it was sent."""
        self.requests[route, status] += 1
        self.latency[route].observe(seconds)

    def traffic(self, model: str, version: int) -> Traffic:
        """The counters of one version of a model, which outlive a reload of that version."""
        return self.by_version[model, version]

    def serves(self, model: str, version: int, traffic: Traffic) -> None:
        """Count a version that serves from now on, and forget those that served long ago."""
        self.by_version[model, version] = traffic
        recent = [old for old in self.recent.get(model, []) if old != version]
        self.recent[model] = [*recent, version][-KEPT_VERSIONS:]
        gone = [old for name, old in list(self.by_version) if name == model]
        gone = [old for old in gone if old not in self.recent[model]]
        for old in gone:
            del self.by_version[model, old]
        before = [old for old in self.forgotten.get(model, []) if old not in (version, *gone)]
        self.forgotten[model] = [*before, *gone][-_FORGOTTEN:]

    def all_traffic(self) -> Iterable[tuple[str, int, Traffic]]:
        """Every model, version and its counters."""
        return [(model, version, traffic) for (model, version), traffic in self.by_version.items()]

    def merge(self, other: "Telemetry") -> None:
        """Take in what another worker counted."""
        for key, number in other.requests.items():
            self.requests[key] += number
        for route, histogram in other.latency.items():
            self.latency[route].merge(histogram)
        for version, traffic in other.by_version.items():
            self.by_version[version].merge(traffic)
        for model, versions in other.recent.items():
            self.recent.setdefault(model, list(versions))
        for model, versions in other.forgotten.items():
            known = self.forgotten.get(model, [])
            self.forgotten[model] = list(dict.fromkeys([*known, *versions]))
        for model, versions in self.forgotten.items():
            for old in versions:
                self.by_version.pop((model, old), None)
