"""Cuts what was gathered into pieces of whole requests, and tells which rows are the same."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.health.evidence import CELLS
from models.health.layout import Layout
from models.health.windows.blocks import BLOCK_ROWS, Blocks
from models.health.windows.uncertainty import Evidence

Array = NDArray[np.float64]

#: Rows whose projections differ by less are the same: rounding differs between batches.
_ALIKE = 1e-2


class RowCells:
    """Puts rows into cells by a random projection of what they are: the same rows into the same cell."""

    def __init__(self, features: int, layout: Layout) -> None:
        """Project the ``features``, or the evidence where there are none."""
        size = features or layout.width - layout.evidence.start
        self._direction = np.random.default_rng(0).standard_normal(size).astype(np.float32)
        self._evidence = None if features else layout.evidence

    def of(
        self, rows: NDArray[np.floating] | None, centred: NDArray[np.floating] | None
    ) -> NDArray[np.intp]:
        """Return the cells (n,) of rows' centred features (n, F), or else of statistics (W, n)."""
        if centred is not None:
            along = np.einsum("rf,f->r", centred, self._direction)
        else:
            assert rows is not None
            along = np.einsum("er,e->r", rows[self._evidence], self._direction)
        # Beyond 2^52 neighbouring numbers are further apart than a cell is wide.
        steps = np.clip(along / _ALIKE, -(2.0**52), 2.0**52).astype(np.int64)
        return np.asarray(steps % CELLS, np.intp)


def pieces_of(
    plain: NDArray[np.floating],
    squared: NDArray[np.floating],
    sizes: NDArray[np.integer],
    came: Array,
    cells: NDArray[np.integer],
    centred: NDArray[np.floating] | None,
    scales: Array | None,
) -> tuple[Blocks, NDArray[np.intp]]:
    """Cut requests of ``sizes`` rows into pieces of about ``BLOCK_ROWS`` rows; large ones stay whole.

    ``plain`` and ``squared`` (E, requests) are their own sums of evidence, and ``came`` when they came,
    by the monotonic clock; ``cells`` (n,) and ``centred`` (n, F) are of their rows, and ``scales``
    (2, F) are the features' spreads and squared spreads. Returns the pieces, and each request's piece.
    """
    starts = np.cumsum(sizes) - sizes
    steps = np.diff(starts // BLOCK_ROWS) > 0
    first = np.concatenate([[0], np.flatnonzero(steps) + 1])
    piece = np.concatenate([[0], np.cumsum(steps)])
    last = np.append(first[1:], len(sizes)) - 1
    totals = [np.add.reduceat(part, first, axis=1).T for part in (plain, squared)]
    if len(sizes) < len(cells):  # some request has a second row
        inside = squared - np.square(plain) / sizes.astype(np.float32)
        totals.append(np.maximum(np.add.reduceat(inside, first, axis=1).T, 0.0))
    else:
        totals.append(np.zeros_like(totals[0]))
    places = np.repeat(piece * CELLS, sizes) + cells
    totals.append(np.bincount(places, minlength=len(first) * CELLS).reshape(-1, CELLS))
    if centred is not None and scales is not None:
        # Piece by piece: reduceat along the first axis takes several times as long.
        ends = [*starts[first[1:]].tolist(), len(centred)]
        parts = [centred[start:end] for start, end in pairwise([0, *ends])]
        totals.append(np.array([np.add.reduce(part, axis=0) for part in parts]) / scales[0])
        totals.append(np.array([np.einsum("rf,rf->f", part, part) for part in parts]) / scales[1])
    counts = [np.add.reduceat(part, first) for part in (sizes, np.ones_like(sizes), np.square(sizes))]
    blocks = Blocks(
        np.stack([came[first], came[last]], axis=1),
        np.array(counts, np.float64).T.copy(),
        np.concatenate(totals, axis=1).astype(np.float32),
    )
    return blocks, piece


def block_width(layout: Layout, features: int) -> int:
    """Return the length of a block's values, for so many features."""
    return int(3 * (layout.width - layout.evidence.start) + CELLS + 2 * features)


def evidence_of_blocks(
    counts: Array, values: NDArray[np.floating], layout: Layout
) -> tuple[Evidence, Array | None]:
    """Return sums of blocks (B, width) as they are judged, and sums of features (B, 2, F)."""
    width = layout.width - layout.evidence.start
    ends = np.cumsum([width, width, width, CELLS])
    total, squared, within, cells, features = np.split(values.astype(np.float64), ends, axis=1)
    evidence = Evidence(counts, total, squared, within, cells)
    by_feature = features.reshape(len(counts), 2, features.shape[1] // 2)
    return evidence, by_feature if features.shape[1] else None
