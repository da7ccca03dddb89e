"""Sliding windows over a stream of statistics: constant memory, whatever the traffic.

Time is cut into buckets of five seconds on a monotonic clock, so that a change of the wall clock
changes nothing. Buckets hold mergeable moments, and those of an hour are kept.
"""

from collections import deque

import numpy as np

from models.moments import Moments

BUCKET_SECONDS = 5.0

#: The windows' names and lengths in seconds; None is everything since the start.
WINDOWS: dict[str, float | None] = {"1m": 60.0, "10m": 600.0, "1h": 3600.0, "start": None}

_KEPT = int(3600 / BUCKET_SECONDS)


class Windows:
    """Moments of observations of one shape, by when they were made."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._start = Moments.empty(shape)
        self._buckets: deque[tuple[int, Moments]] = deque()

    def add(self, moments: Moments, now: float) -> None:
        """Take in the moments of observations made at ``now``, seconds of a monotonic clock."""
        self._start = self._start.merge(moments)
        tick = int(now / BUCKET_SECONDS)
        if self._buckets and self._buckets[-1][0] >= tick:
            last, held = self._buckets[-1]
            self._buckets[-1] = (last, held.merge(moments))
        else:
            self._buckets.append((tick, moments))
        while self._buckets[0][0] <= tick - _KEPT:
            self._buckets.popleft()

    def read(self, now: float) -> dict[str, Moments]:
        """Return each window's moments; a window ends now and begins with a whole bucket."""
        tick = int(now / BUCKET_SECONDS)
        result = {}
        for name, seconds in WINDOWS.items():
            if seconds is None:
                result[name] = self._start
                continue
            oldest = tick - int(seconds / BUCKET_SECONDS)
            result[name] = self._merged([held for at, held in self._buckets if at > oldest])
        return result

    def _merged(self, parts: list[Moments]) -> Moments:
        """Merge many at once: an hour is 720 of them, and each merge in turn would cost a few µs."""
        if not parts:
            return Moments.empty(self._shape)
        counts = np.array([part.count for part in parts], dtype=np.float64)
        means = np.stack([part.mean for part in parts])
        total = counts.sum()
        mean = np.tensordot(counts / total, means, axes=1)
        between = np.tensordot(counts, np.square(means - mean), axes=1)
        m2 = np.sum([part.m2 for part in parts], axis=0) + between
        return Moments(int(total), mean, m2)
