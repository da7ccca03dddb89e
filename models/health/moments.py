"""Mergeable statistics: count, mean and sum of squared deviations of a stream of arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Moments:
    """Exact first and second moments of ``count`` observations, each an array of one fixed shape.

    ``mean`` has that shape; so has ``m2``, the sum of squared deviations from the mean. Two of them
    merge as if their observations had been seen together (Chan, Golub, LeVeque 1979), which stays
    accurate where a running sum of squares cancels.
    """

    count: int
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> "Moments":
        """Return the moments of no observations of the given shape."""
        return cls(0, np.zeros(shape), np.zeros(shape))

    @classmethod
    def of(cls, observations: ArrayLike) -> "Moments":
        """Return the moments of an array of shape ``(n, *shape)``, n >= 0."""
        rows = np.asarray(observations, dtype=np.float64)
        if len(rows) == 0:
            return cls.empty(rows.shape[1:])
        mean = rows.mean(axis=0)
        return cls(len(rows), mean, np.square(rows - mean).sum(axis=0))

    @property
    def variance(self) -> NDArray[np.float64]:
        """Population variance, of the observations' shape; zeros for fewer than two of them."""
        return self.m2 / max(self.count, 1)

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of observations together."""
        if self.count == 0 or other.count == 0:
            return other if self.count == 0 else self
        count = self.count + other.count
        delta = other.mean - self.mean
        share = other.count / count
        mean = self.mean + delta * share
        return Moments(count, mean, self.m2 + other.m2 + np.square(delta) * (self.count * share))
