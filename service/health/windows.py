"""Sliding windows over a stream of additive statistics: constant memory, whatever the traffic.

Time is cut into buckets on a monotonic clock, so that a change of the wall clock changes nothing.
Buckets are sums, and the clock is the machine's, so that the buckets of several workers are read as
one's. What is kept of every single feature is in the same buckets as what is kept of the rows, so that
both leave a window at the same moment; for an hour it is too long and is not kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from models.health.evidence import COUNTS

#: The windows' names and lengths in seconds; None is everything since the start.
WINDOWS: dict[str, float | None] = {"1m": 60.0, "10m": 600.0, "1h": 3600.0, "start": None}

#: Of dense traffic: rows a second that all enter the windows, rows of a burst that do, and the share of
#: batches that do beyond both.
_ALL_ROWS, _BURST, _SHARE = 512.0, 4096.0, 1 / 8

#: Seconds of a bucket, and how many are kept: five seconds each for the last ten minutes, a minute each
#: for the last hour, and one for all of the time.
_RINGS = {"fine": (5.0, 120), "coarse": (60.0, 60), "start": (inf, 1)}

Array = NDArray[np.float64]


class Buckets(msgspec.Struct, frozen=True):
    """Sums by time: bucket ``ticks[i]`` has ``counts[i]`` and ``values[i]``."""

    ticks: NDArray[np.int64]
    counts: NDArray[np.float64]
    values: NDArray[np.floating]


class History(msgspec.Struct, frozen=True):
    """What one worker's windows hold: fine and coarse buckets, and one that began with the start.

    Behind the values of a fine bucket, and of the start's, are so many more by feature.
    """

    fine: Buckets
    coarse: Buckets
    start: Buckets
    features: int

    @property
    def widths(self) -> tuple[int, int]:
        """The lengths of its values, and of those by feature."""
        return self.start.values.shape[1] - self.features, self.features


@dataclass(frozen=True, slots=True)
class Window:
    """One window's sums; ``features`` is None where they are not kept for so long, or not at all."""

    counts: Array
    values: NDArray[np.floating]
    features: NDArray[np.floating] | None

    @property
    def count(self) -> int:
        """The number of rows."""
        return int(float(self.counts[0]) + 0.5)

    @property
    def requests(self) -> int:
        """The number of requests."""
        return int(float(self.counts[1]) + 0.5)


class Sampling:
    """Which batches enter the windows: all of quiet traffic, and some of dense traffic, by chance.

    Summing up a batch costs as much as judging its rows, and a verdict gains nothing from ten thousand
    rows a second. So so many rows a second all count, with what earlier seconds left of theirs, and then
    one batch of some: a change is seen as soon, in seconds, and a burst after a pause is seen whole.
    """

    def __init__(self) -> None:
        self._at, self._credit, self._random = 0.0, _BURST, np.random.default_rng(0)

    def takes(self, rows: int, now: float) -> bool:
        """Whether a batch of so many rows enters; ``now`` is in seconds of a monotonic clock."""
        self._credit = min(self._credit + _ALL_ROWS * max(now - self._at, 0.0), _BURST)
        self._at = now
        if self._credit > 0.0:
            # Less than nothing is left of a batch that is larger: the next waits until that is paid off.
            self._credit = max(self._credit - rows, -_BURST)
            return True
        return float(self._random.random()) < _SHARE


class Ring:
    """The latest ``length`` buckets of so many seconds each. One thread at a time may use it."""

    def __init__(self, seconds: float, length: int, width: int) -> None:
        """``width`` is the length of the values."""
        self._seconds, self._length, self._last = seconds, length, 0
        self._ticks = np.full(length, -1, np.int64)
        self._counts = np.zeros((length, COUNTS))
        # Sums about the reference's centre: for an hour float32 holds them to a millionth.
        kind: DTypeLike = np.float64 if seconds == inf else np.float32
        self._values = np.zeros((length, width), kind)

    def add(self, counts: Array, values: Array, now: float) -> None:
        """Take in sums of rows that came at ``now``, seconds of a monotonic clock."""
        # A clock that stands or goes back adds to the latest bucket.
        self._last = max(int(now / self._seconds), self._last)
        at = self._last % self._length
        if self._ticks[at] != self._last:
            self._ticks[at], self._counts[at], self._values[at] = self._last, 0.0, 0.0
        self._counts[at] += counts
        self._values[at] += values

    def buckets(self) -> Buckets:
        """A copy of the buckets that have rows."""
        used = self._ticks >= 0
        return Buckets(self._ticks[used], self._counts[used], self._values[used])


class Windows:
    """Sums of rows' statistics, by when they were made. One thread at a time may use it."""

    def __init__(self, width: int, features: int = 0) -> None:
        """``width`` and ``features`` are the lengths of the values, and of those by feature."""
        self._features = features
        self._rings = {
            name: Ring(*ring, width if name == "coarse" else width + features)
            for name, ring in _RINGS.items()
        }

    def add(self, counts: Array, values: Array, features: Array, now: float) -> None:
        """Take in sums of rows that came at ``now``, seconds of a monotonic clock."""
        both = np.concatenate([values, features])
        for name, ring in self._rings.items():
            ring.add(counts, values if name == "coarse" else both, now)

    def history(self) -> History:
        """Return a copy of all that is held."""
        rings = {name: ring.buckets() for name, ring in self._rings.items()}
        return History(**rings, features=self._features)


def read(histories: Sequence[History], now: float) -> dict[str, Window]:
    """Return each window over all histories of the first one's shape together.

    A window ends now, and begins with the whole bucket that makes it as long as its name says.
    """
    histories, windows = _alike(histories), {}
    bucket, length = _RINGS["fine"]
    width, by_feature = histories[0].widths
    for name, seconds in WINDOWS.items():
        ring = "start" if seconds is None else "fine" if seconds <= bucket * length else "coarse"
        counts, sums = _sum(histories, ring, now, seconds)
        features = sums[width:] if ring != "coarse" and by_feature else None
        windows[name] = Window(counts, sums[:width], features)
    return windows


def evidence_ring(width: int) -> Ring:
    """Return a ring of the latest two minutes, in the finest buckets, for the sequential detector."""
    return Ring(_RINGS["fine"][0], 24, width)


def closed(parts: Sequence[Buckets], after: int, now: float) -> list[tuple[int, float, Array]]:
    """Return tick, requests and values of the finest buckets after ``after`` that get no more rows."""
    newest = int(now / _RINGS["fine"][0]) - 2  # workers tell what they have a second later at most
    ticks = sorted({int(tick) for part in parts for tick in part.ticks if after < tick <= newest})
    sums = [(tick, _total(parts, tick - 1, tick)) for tick in ticks]
    return [(tick, float(counts[1]), values) for tick, (counts, values) in sums]


def latest(parts: Sequence[Buckets]) -> int:
    """Return the newest bucket's number; -1 if there is none."""
    return max(int(part.ticks.max(initial=-1)) for part in parts)


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
