"""Sliding windows over a stream of additive statistics: constant memory, whatever the traffic.

Time is cut into buckets on a monotonic clock, so that a change of the wall clock changes nothing:
five seconds each for the last ten minutes, a minute each for the last hour. Buckets are sums, and the
clock is the machine's, so that the buckets of several workers are read as one's. What is kept of every
single feature is long, and has fewer buckets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

#: The windows' names and lengths in seconds; None is everything since the start.
WINDOWS: dict[str, float | None] = {"1m": 60.0, "10m": 600.0, "1h": 3600.0, "start": None}

#: Rows, requests, and Σ of squared rows per request: a bucket's counts.
COUNTS = 3

_FINE, _COARSE, _LONG = (5.0, 120), (60.0, 60), (20.0, 30)  # seconds of a bucket, and how many

Array = NDArray[np.float64]


class Buckets(msgspec.Struct, frozen=True):
    """Sums by time: bucket ``ticks[i]`` has ``counts[i]`` and ``values[i]``."""

    ticks: NDArray[np.int64]
    counts: NDArray[np.float64]
    values: NDArray[np.floating]


class History(msgspec.Struct, frozen=True):
    """What one worker's windows hold: fine and coarse buckets, one that began with the start.

    ``features`` and ``features_start`` are the same of what is kept of each feature.
    """

    fine: Buckets
    coarse: Buckets
    start: Buckets
    features: Buckets
    features_start: Buckets

    @property
    def widths(self) -> tuple[int, int]:
        """How long the values are that it holds."""
        return self.start.values.shape[1], self.features_start.values.shape[1]


@dataclass(frozen=True, slots=True)
class Window:
    """One window's sums; ``features`` is None where they are not kept for so long, or not at all."""

    counts: Array
    values: Array
    features: Array | None

    @property
    def count(self) -> int:
        """How many rows."""
        return int(float(self.counts[0]) + 0.5)

    @property
    def requests(self) -> int:
        """How many requests."""
        return int(float(self.counts[1]) + 0.5)


class _Ring:
    """The latest ``length`` buckets of so many seconds each."""

    def __init__(self, seconds: float, length: int, width: int) -> None:
        self._seconds, self._length = seconds, length
        self._last = 0
        self._ticks = np.full(length, -1, np.int64)
        self._counts = np.zeros((length, COUNTS))
        # Sums about the reference's centre: float32 holds them to a millionth of what they are.
        self._values = np.zeros((length, width), np.float32)

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
        held = self._ticks >= 0
        return Buckets(self._ticks[held], self._counts[held], self._values[held])


class Windows:
    """Sums of rows' statistics, by when they were made."""

    def __init__(self, width: int, features: int = 0) -> None:
        """``width`` and ``features`` are the lengths of the values, and of those by feature."""
        self._fine, self._coarse = _Ring(*_FINE, width), _Ring(*_COARSE, width)
        self._long = _Ring(*_LONG, features)
        self._counts, self._values = np.zeros(COUNTS), np.zeros(width)
        self._features = np.zeros(features)

    def add(self, counts: Array, values: Array, features: Array, now: float) -> None:
        """Take in sums of rows that came at ``now``, seconds of a monotonic clock."""
        self._counts += counts
        self._values += values
        self._features += features
        self._fine.add(counts, values, now)
        self._coarse.add(counts, values, now)
        if len(features):
            self._long.add(counts, features, now)

    def history(self) -> History:
        """Return a copy of all that is held."""
        return History(
            self._fine.buckets(),
            self._coarse.buckets(),
            _whole(self._counts, self._values),
            self._long.buckets(),
            _whole(self._counts, self._features),
        )

    def take_over(self, history: History) -> None:
        """Begin, still empty, with what a predecessor held; one of another shape is left."""
        if history.widths == (len(self._values), len(self._features)):
            self._counts = history.start.counts[0].copy()
            self._values = history.start.values[0].astype(np.float64)
            self._features = history.features_start.values[0].astype(np.float64)
            self._fine.take_over(history.fine)
            self._coarse.take_over(history.coarse)
            self._long.take_over(history.features)


def read(histories: Sequence[History], now: float) -> dict[str, Window]:
    """Return each window over all histories of the first one's shape together.

    A window ends now and begins with a whole bucket.
    """
    histories = _alike(histories)
    result = {}
    for name, seconds in WINDOWS.items():
        features = None
        if seconds is None:
            counts, values = _sum([one.start for one in histories], -1)
            features = _sum([one.features_start for one in histories], -1)[1]
        elif seconds <= _FINE[0] * _FINE[1]:
            counts, values = _sum([one.fine for one in histories], _before(now, seconds, _FINE[0]))
            long = [one.features for one in histories]
            kept, features = _sum(long, _before(now, seconds, _LONG[0]))
            # Their buckets are longer, so that a window may hold a few rows more or less of them.
            features *= counts[0] / max(kept[0], 1.0)
        else:
            coarse = [one.coarse for one in histories]
            counts, values = _sum(coarse, _before(now, seconds, _COARSE[0]))
        kept_too = features is not None and len(features) > 0
        result[name] = Window(counts, values, features if kept_too else None)
    return result


def closed(histories: Sequence[History], after: int, now: float) -> list[tuple[int, float, Array]]:
    """Return tick, requests and values of the fine buckets after ``after`` that get no more rows."""
    histories = _alike(histories)
    newest = int(now / _FINE[0]) - 2  # workers tell what they have a second later at most
    ticks = sorted({int(tick) for one in histories for tick in one.fine.ticks if after < tick <= newest})
    found = []
    for tick in ticks:
        counts, values = _sum([one.fine for one in histories], tick - 1, tick)
        found.append((tick, float(counts[1]), values))
    return found


def latest(histories: Sequence[History], now: float) -> int:
    """The newest fine bucket's number, or that of ``now``."""
    return max((int(one.fine.ticks.max(initial=-1)) for one in histories), default=int(now / _FINE[0]))


def _alike(histories: Sequence[History]) -> list[History]:
    return [one for one in histories if one.widths == histories[0].widths]


def _before(now: float, seconds: float, bucket: float) -> int:
    return int(now / bucket) - int(seconds / bucket)


def _whole(counts: Array, values: Array) -> Buckets:
    return Buckets(np.zeros(1, np.int64), counts[None].copy(), values[None].copy())


def _sum(parts: Sequence[Buckets], oldest: int, newest: float = np.inf) -> tuple[Array, Array]:
    """Add up the buckets after ``oldest``, up to ``newest``."""
    counts, values = np.zeros(COUNTS), np.zeros(parts[0].values.shape[1])
    for part in parts:
        chosen = (part.ticks > oldest) & (part.ticks <= newest)
        counts += part.counts[chosen].sum(axis=0)
        values += part.values[chosen].sum(axis=0, dtype=np.float64)
    return counts, values
