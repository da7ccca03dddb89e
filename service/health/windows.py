"""Sliding windows over a stream of additive statistics: constant memory, whatever the traffic.

Time is cut into buckets on a monotonic clock, so that a change of the wall clock changes nothing.
Buckets are sums, and the clock is the machine's, so that the buckets of several workers are read as
one's. What is kept of every single feature is long, and has fewer buckets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

#: The windows' names and lengths in seconds; None is everything since the start.
WINDOWS: dict[str, float | None] = {"1m": 60.0, "10m": 600.0, "1h": 3600.0, "start": None}

#: Rows, requests, and Σ of squared rows per request: a bucket's counts.
COUNTS = 3

#: Seconds of a bucket, and how many are kept: five seconds each for the last ten minutes, a minute each
#: for the last hour, and one for all of the time. Of features, 20 seconds each for ten minutes.
_RINGS = {
    "fine": (5.0, 120),
    "coarse": (60.0, 60),
    "start": (inf, 1),
    "features": (20.0, 30),
    "features_start": (inf, 1),
}

Array = NDArray[np.float64]


class Buckets(msgspec.Struct, frozen=True):
    """Sums by time: bucket ``ticks[i]`` has ``counts[i]`` and ``values[i]``."""

    ticks: NDArray[np.int64]
    counts: NDArray[np.float64]
    values: NDArray[np.floating]


class History(msgspec.Struct, frozen=True):
    """What one worker's windows hold: fine and coarse buckets, and one that began with the start.

    ``features`` and ``features_start`` are the same of what is kept of each feature.
    """

    fine: Buckets
    coarse: Buckets
    start: Buckets
    features: Buckets
    features_start: Buckets

    @property
    def widths(self) -> tuple[int, int]:
        """The lengths of its values, and of those by feature."""
        return self.start.values.shape[1], self.features_start.values.shape[1]


@dataclass(frozen=True, slots=True)
class Window:
    """One window's sums; ``features`` is None where they are not kept for so long, or not at all."""

    counts: Array
    values: Array
    features: Array | None

    @property
    def count(self) -> int:
        """The number of rows."""
        return int(float(self.counts[0]) + 0.5)

    @property
    def requests(self) -> int:
        """The number of requests."""
        return int(float(self.counts[1]) + 0.5)


class _Ring:
    """The latest ``length`` buckets of so many seconds each."""

    def __init__(self, seconds: float, length: int, width: int) -> None:
        self._seconds, self._length, self._last = seconds, length, 0
        self._ticks = np.full(length, -1, np.int64)
        self._counts = np.zeros((length, COUNTS))
        # Sums about the reference's centre: for an hour float32 holds them to a millionth.
        kind: DTypeLike = np.float64 if seconds == inf else np.float32
        self._values = np.zeros((length, width), kind)

    def add(self, counts: Array, values: Array, now: float) -> None:
        # A clock that stands or goes back adds to the latest bucket.
        self._last = max(int(now / self._seconds), self._last)
        at = self._last % self._length
        if self._ticks[at] != self._last:
            self._ticks[at], self._counts[at], self._values[at] = self._last, 0.0, 0.0
        self._counts[at] += counts
        self._values[at] += values

    def take_over(self, buckets: Buckets) -> None:
        places = buckets.ticks % self._length
        self._last = int(buckets.ticks.max(initial=0))
        self._ticks[places], self._counts[places] = buckets.ticks, buckets.counts
        self._values[places] = buckets.values

    def buckets(self) -> Buckets:
        """A copy of the buckets that have rows."""
        used = self._ticks >= 0
        return Buckets(self._ticks[used], self._counts[used], self._values[used])


class Windows:
    """Sums of rows' statistics, by when they were made. One thread at a time may use it."""

    def __init__(self, width: int, features: int = 0) -> None:
        """``width`` and ``features`` are the lengths of the values, and of those by feature."""
        self._rings = {
            name: _Ring(*ring, features if name.startswith("features") else width)
            for name, ring in _RINGS.items()
        }

    def add(self, counts: Array, values: Array, features: Array, now: float) -> None:
        """Take in sums of rows that came at ``now``, seconds of a monotonic clock."""
        for name, ring in self._rings.items():
            ring.add(counts, features if name.startswith("features") else values, now)

    def history(self) -> History:
        """Return a copy of all that is held."""
        return History(**{name: ring.buckets() for name, ring in self._rings.items()})

    def take_over(self, history: History) -> None:
        """Begin, still empty, with what a predecessor held; one of another shape is left."""
        if history.widths == self.history().widths:
            for name, ring in self._rings.items():
                ring.take_over(getattr(history, name))


def read(histories: Sequence[History], now: float) -> dict[str, Window]:
    """Return each window over all histories of the first one's shape together.

    A window ends now, and begins with the whole bucket that makes it as long as its name says.
    """
    histories, windows = _alike(histories), {}
    bucket, length = _RINGS["fine"]
    for name, seconds in WINDOWS.items():
        ring = "start" if seconds is None else "fine" if seconds <= bucket * length else "coarse"
        counts, values = _sum(histories, ring, now, seconds)
        features = None
        if ring != "coarse" and histories[0].widths[1]:
            ring = "features" if seconds else "features_start"
            kept, features = _sum(histories, ring, now, seconds)
            # Their buckets are longer, so that a window may hold a few rows more or less of them.
            features *= counts[0] / max(kept[0], 1.0)
        windows[name] = Window(counts, values, features)
    return windows


def closed(histories: Sequence[History], after: int, now: float) -> list[tuple[int, float, Array]]:
    """Return tick, requests and values of the fine buckets after ``after`` that get no more rows."""
    fine = [history.fine for history in _alike(histories)]
    newest = int(now / _RINGS["fine"][0]) - 2  # workers tell what they have a second later at most
    ticks = sorted({int(tick) for part in fine for tick in part.ticks if after < tick <= newest})
    sums = [(tick, _total(fine, tick - 1, tick)) for tick in ticks]
    return [(tick, float(counts[1]), values) for tick, (counts, values) in sums]


def latest(histories: Sequence[History]) -> int:
    """Return the newest fine bucket's number; -1 if there is none."""
    return max(int(history.fine.ticks.max(initial=-1)) for history in histories)


def _alike(histories: Sequence[History]) -> list[History]:
    return [history for history in histories if history.widths == histories[0].widths]


def _sum(
    histories: Sequence[History], ring: str, now: float, seconds: float | None
) -> tuple[Array, Array]:
    """Add up the buckets of one ring that lie in a window."""
    bucket = _RINGS[ring][0]
    oldest = -1 if seconds is None else int(now / bucket) - int(seconds / bucket)
    return _total([getattr(history, ring) for history in histories], oldest)


def _total(parts: Sequence[Buckets], oldest: int, newest: float = inf) -> tuple[Array, Array]:
    """Add up the buckets after ``oldest``, up to ``newest``."""
    counts, values = np.zeros(COUNTS), np.zeros(parts[0].values.shape[1])
    for part in parts:
        chosen = (part.ticks > oldest) & (part.ticks <= newest)
        counts += part.counts[chosen].sum(axis=0)
        values += part.values[chosen].sum(axis=0, dtype=np.float64)
    return counts, values
