"""Additive statistics of rows and requests: what a window of traffic is judged by."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.health.layout import Layout
from models.health.sequential import capped

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sums:
    """Additive statistics of rows, about the reference's centre; W columns, E of them evidence.

    ``counts`` (3,) are rows, requests and Σ of squared rows per request. ``total`` and ``squared`` (W,)
    are over rows, ``within`` (E,) are squared deviations from each request's own mean, and ``capped``
    (E,) sums the requests' capped means.
    """

    counts: Array
    total: Array
    squared: Array
    within: Array
    capped: Array

    @classmethod
    def of(cls, counts: Array, values: NDArray[np.floating], layout: Layout) -> Self:
        """Split an array of ``values`` again."""
        width, evidence = layout.width, layout.width - layout.evidence.start
        ends = np.cumsum([width, width, evidence])
        return cls(counts, *np.split(np.asarray(values, np.float64), ends))

    @property
    def values(self) -> Array:
        """All but the counts, in one array (2W + 2E,)."""
        return np.concatenate([self.total, self.squared, self.within, self.capped])

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(float(self.counts[0]) + 0.5)

    @property
    def requests(self) -> int:
        """The number of requests."""
        return int(float(self.counts[1]) + 0.5)


def values_width(layout: Layout) -> int:
    """Return the length of ``Sums.values``."""
    return int(2 * layout.width + 2 * (layout.width - layout.evidence.start))


def sum_up(
    rows: NDArray[np.floating], sizes: NDArray[np.integer], layout: Layout
) -> tuple[Sums, NDArray[np.floating]]:
    """Sum up rows' statistics (W, n), of requests of ``sizes`` rows each, in their order.

    Returns the sums, and every request's own sums of evidence (E, requests).
    """
    # Not by a product with ones: BLAS would wake threads for one of this size.
    total, squared = np.add.reduce(rows, axis=1), np.einsum("kr,kr->k", rows, rows)
    own, within = rows[layout.evidence], np.zeros(layout.width - layout.evidence.start)
    if len(sizes) < rows.shape[1]:  # some request has a second row
        own = np.add.reduceat(own, np.cumsum(sizes) - sizes, axis=1)
        within = np.maximum(squared[layout.evidence] - np.square(own) @ (1 / sizes), 0.0)
    counts = np.array([sizes.sum(), len(sizes), np.square(sizes).sum()], np.float64)
    return Sums(counts, total, squared, within, capped(own / sizes).sum(axis=1)), own
