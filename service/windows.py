"""Sliding windows over a stream of statistics: constant memory, whatever the traffic.

Time is cut into buckets on a monotonic clock, so that a change of the wall clock changes nothing:
five seconds each for the last ten minutes, a minute each for the last hour. Buckets hold mergeable
moments, and the clock is the machine's, so that the buckets of several workers are read as one's.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.moments import Moments

#: The windows' names and lengths in seconds; None is everything since the start.
WINDOWS: dict[str, float | None] = {"1m": 60.0, "10m": 600.0, "1h": 3600.0, "start": None}

_FINE, _COARSE = (5.0, 120), (60.0, 60)  # seconds of a bucket, and how many there are


class Buckets(msgspec.Struct, frozen=True):
    """Moments by time: bucket ``ticks[i]`` has ``counts[i]`` observations, ``means[i]``, ``m2[i]``."""

    ticks: NDArray[np.int64]
    counts: NDArray[np.int64]
    means: NDArray[np.float64]
    m2: NDArray[np.float64]


class History(msgspec.Struct, frozen=True):
    """What one worker's windows hold: fine and coarse buckets, and one that began with the start."""

    fine: Buckets
    coarse: Buckets
    start: Buckets


class _Ring:
    """The latest ``length`` buckets of so many seconds each."""

    def __init__(self, seconds: float, length: int, shape: tuple[int, ...]) -> None:
        self._seconds, self._length = seconds, length
        self._last = 0
        self._ticks = np.full(length, -1, np.int64)
        self._counts = np.zeros(length, np.int64)
        self._means = np.zeros((length, *shape))
        self._m2 = np.zeros((length, *shape))

    def add(self, moments: Moments, now: float) -> None:
        self._last = max(int(now / self._seconds), self._last)
        at = self._last % self._length
        if self._ticks[at] == self._last:
            held = Moments(int(self._counts[at]), self._means[at], self._m2[at])
            moments = held.merge(moments)
        self._ticks[at] = self._last
        self._counts[at], self._means[at], self._m2[at] = moments.count, moments.mean, moments.m2

    def take_over(self, buckets: Buckets) -> None:
        places = buckets.ticks % self._length
        self._last = int(buckets.ticks.max(initial=0))
        self._ticks[places], self._counts[places] = buckets.ticks, buckets.counts
        self._means[places], self._m2[places] = buckets.means, buckets.m2

    def buckets(self) -> Buckets:
        held = self._ticks >= 0
        return Buckets(self._ticks[held], self._counts[held], self._means[held], self._m2[held])


class Windows:
    """Moments of observations of one shape, by when they were made."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._start = Moments.empty(shape)
        self._fine, self._coarse = _Ring(*_FINE, shape), _Ring(*_COARSE, shape)

    def add(self, moments: Moments, now: float) -> None:
        """Take in the moments of observations made at ``now``, seconds of a monotonic clock."""
        self._start = self._start.merge(moments)
        self._fine.add(moments, now)
        self._coarse.add(moments, now)

    def read(self, now: float) -> dict[str, Moments]:
        """Return each window's moments; a window ends now and begins with a whole bucket."""
        return read([self.history()], self._shape, now)

    def history(self) -> History:
        """Return a copy of all that is held."""
        start = self._start
        whole = Buckets(np.zeros(1, np.int64), np.array([start.count]), start.mean[None], start.m2[None])
        return History(self._fine.buckets(), self._coarse.buckets(), whole)

    def take_over(self, history: History) -> None:
        """Begin, still empty, with what a predecessor held; one of another shape is left."""
        if history.start.means.shape[1:] == self._shape:
            whole = history.start
            self._start = Moments(int(whole.counts[0]), whole.means[0], whole.m2[0])
            self._fine.take_over(history.fine)
            self._coarse.take_over(history.coarse)


def read(histories: Sequence[History], shape: tuple[int, ...], now: float) -> dict[str, Moments]:
    """Return each window's moments over all histories of that shape together."""
    histories = [one for one in histories if one.start.means.shape[1:] == shape]
    result = {}
    for name, seconds in WINDOWS.items():
        if seconds is None:
            result[name] = _merged([one.start for one in histories], -1, shape)
        elif seconds <= _FINE[0] * _FINE[1]:
            oldest = int(now / _FINE[0]) - int(seconds / _FINE[0])
            result[name] = _merged([one.fine for one in histories], oldest, shape)
        else:
            oldest = int(now / _COARSE[0]) - int(seconds / _COARSE[0])
            result[name] = _merged([one.coarse for one in histories], oldest, shape)
    return result


def _merged(parts: Sequence[Buckets], oldest: int, shape: tuple[int, ...]) -> Moments:
    """Merge the buckets after ``oldest`` at once: each merge in turn would cost a few µs."""
    chosen = [part.ticks > oldest for part in parts]
    held = list(zip(parts, chosen, strict=True))
    counts = np.concatenate([np.zeros(0), *(part.counts[now] for part, now in held)])
    total = counts.sum()
    if not total:
        return Moments.empty(shape)
    means = np.concatenate([part.means[now] for part, now in held])
    mean = np.tensordot(counts / total, means, axes=1)
    between = np.tensordot(counts, np.square(means - mean), axes=1)
    within = np.sum([part.m2[now].sum(axis=0) for part, now in held], axis=0)
    return Moments(int(total), mean, within + between)
