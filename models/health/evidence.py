"""Additive statistics of rows and requests: what a window of traffic is judged by."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.health.layout import Layout
from models.health.sequential import capped

Array = NDArray[np.float64]

#: Rows, requests, and Σ of squared rows per request: the counts of sums.
COUNTS = 3

#: Rows are counted in so many cells by what their inputs are, to tell how many of them are distinct.
CELLS = 64


@dataclass(frozen=True, slots=True)
class Sums:
    """Additive statistics of rows, about the reference's centre; W columns, E of them evidence.

    ``counts`` (3,) are rows, requests and Σ of squared rows per request. ``total`` and ``squared`` (W,)
    are over rows, ``within`` (E,) are squared deviations from each request's own mean. ``by_request``
    (2, E) sums each request's means, of its rows and of their squares. ``cells`` (CELLS,) are numbers
    of rows; rows that are the same are in one cell.
    """

    counts: Array
    total: Array
    squared: Array
    within: Array
    by_request: Array
    cells: Array

    @classmethod
    def of(cls, counts: Array, values: NDArray[np.floating], layout: Layout) -> Self:
        """Split an array of ``values`` again."""
        width, evidence = layout.width, layout.width - layout.evidence.start
        ends = np.cumsum([width, width, evidence, 2 * evidence])
        total, squared, within, by_request, cells = np.split(np.asarray(values, np.float64), ends)
        return cls(counts, total, squared, within, by_request.reshape(2, -1), cells)

    @property
    def values(self) -> Array:
        """All but the counts, in one array (2W + 3E + CELLS,)."""
        parts = self.total, self.squared, self.within, self.by_request.ravel(), self.cells
        return np.concatenate(parts)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(float(self.counts[0]) + 0.5)

    @property
    def requests(self) -> int:
        """The number of requests."""
        return int(float(self.counts[1]) + 0.5)


@dataclass(frozen=True, slots=True)
class OwnSums:
    """Each request's sums over its rows (E, requests): evidence, its squares, and capped evidence.

    ``total`` and ``squares`` (W,) are over all requests' rows.
    """

    plain: NDArray[np.floating]
    squared: NDArray[np.floating]
    capped: NDArray[np.floating]
    total: NDArray[np.floating]
    squares: NDArray[np.floating]


def values_width(layout: Layout) -> int:
    """Return the length of ``Sums.values``."""
    return int(2 * layout.width + 3 * (layout.width - layout.evidence.start) + CELLS)


def own_sums(
    rows: NDArray[np.floating],
    sizes: NDArray[np.integer],
    layout: Layout,
    centre: Array | None = None,
) -> OwnSums:
    """Sum up rows' statistics (W, n) by request, of ``sizes`` rows each, in their order.

    The evidence is capped about ``centre`` (E,), or about the reference's.
    """
    evidence = rows[layout.evidence]
    moved = evidence if centre is None else evidence - centre[:, None].astype(evidence.dtype)
    parts = evidence, np.square(evidence), capped(moved)
    if len(sizes) < rows.shape[1]:  # some request has a second row
        starts = np.cumsum(sizes) - sizes
        parts = tuple(np.add.reduceat(part, starts, axis=1) for part in parts)  # type: ignore[assignment]
    # Not by a product with ones: BLAS would wake threads for one of this size.
    return OwnSums(*parts, np.add.reduce(rows, axis=1), np.einsum("kr,kr->k", rows, rows))


def sum_up(
    own: OwnSums,
    sizes: NDArray[np.integer],
    layout: Layout,
    cells: NDArray[np.integer] | None = None,
) -> Sums:
    """Sum up requests of ``sizes`` rows each, in their order, whose own sums are known.

    ``cells`` (n,) are the rows' cells; without them all rows count as distinct.
    """
    rows = int(sizes.sum())
    within = np.zeros(layout.width - layout.evidence.start)
    if len(sizes) < rows:
        within = np.maximum(own.squares[layout.evidence] - np.square(own.plain) @ (1 / sizes), 0.0)
    counts = np.array([rows, len(sizes), np.square(sizes).sum()], np.float64)
    shares = (1 / sizes).astype(own.plain.dtype)
    by_request = np.stack([np.einsum("er,r->e", part, shares) for part in (own.plain, own.squared)])
    counted = np.full(CELLS, rows / CELLS)
    if cells is not None:
        counted = np.bincount(cells, minlength=CELLS).astype(np.float64)
    total, squares = (np.asarray(part, np.float64) for part in (own.total, own.squares))
    return Sums(counts, total, squares, within, by_request, counted)
