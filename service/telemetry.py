"""What the service counts. Plain numbers, cheap to add to; ``service.api.metrics`` writes them out.

prometheus-client's own counters take a lock and a dictionary look-up per sample, which the path of
a single row would feel; these are added to from the event loop alone.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from time import time

#: Upper bounds in seconds: from half a millisecond to five seconds.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
#: The same for a stage of a request, where a short one takes microseconds.
STAGE_SECONDS = (0.00002, 0.00005, 0.0001, 0.0002, *SECONDS)
#: Rows in a batch.
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram:
    """Counts of observations by upper bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Tally:
    """How often something happened, and how many seconds it took in all."""

    __slots__ = ("count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count it once."""
        self.count += 1
        self.seconds += seconds


class Traffic:
    """What one version of one model has done since the process began."""

    def __init__(self) -> None:
        self.rows = 0
        self.rejected: dict[str, int] = defaultdict(int)
        self.featurize = Histogram(STAGE_SECONDS)
        self.queue = Histogram(STAGE_SECONDS)
        self.compute = Histogram(STAGE_SECONDS)
        self.batch_rows = Histogram(ROWS)
        #: Requests as a whole, and the stages of those that succeeded.
        self.succeeded, self.failed = Tally(), Tally()
        self.waited, self.prepared, self.inferred, self.encoded = Tally(), Tally(), Tally(), Tally()
        #: Batches by their exact number of rows, of which a batch's limit makes a few hundred.
        self.batches: dict[int, Tally] = defaultdict(Tally)
        #: When a batch was last computed, in seconds since 1970; 0 for never.
        self.last_batch_at = 0.0

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


class Telemetry:
    """Everything that is counted in this process."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = defaultdict(int)
        self.latency: dict[str, Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self._traffic: dict[tuple[str, int], Traffic] = defaultdict(Traffic)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one request; ``route`` is the route's template, never the path as it was sent."""
        self.requests[route, status] += 1
        self.latency[route].observe(seconds)

    def traffic(self, model: str, version: int) -> Traffic:
        """The counters of one version of a model, which outlive a reload of that version."""
        return self._traffic[model, version]

    def all_traffic(self) -> Iterable[tuple[str, int, Traffic]]:
        """Every model, version and its counters."""
        return [(model, version, traffic) for (model, version), traffic in self._traffic.items()]
