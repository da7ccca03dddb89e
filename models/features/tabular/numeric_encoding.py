"""Features of numeric columns: the value, whether it is missing, and its position between knots.

Between two knots a feature rises from 0 to 1: a piecewise-linear encoding (Y. Gorishniy et al. 2022,
arXiv 2203.05556, section 3.2). It lets a smooth network bend at a knot: at the codes of categories
that are written as numbers, at a spike, at a threshold. A missing value is NaN in all of these
features; the graph imputes it.

The value is given in units of ``scale`` from ``centre``. Values such as years would otherwise be large
numbers with small differences, which the network's own transforms lose in float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

#: The prefix of the names of features between knots.
BETWEEN = "≥ "


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric column; ``knots``: none, or two or more, ascending; ``scale``: above 0."""

    name: str
    optional: bool
    knots: tuple[float, ...] = ()
    centre: float = 0.0
    scale: float = 1.0

    @property
    def features(self) -> tuple[str, ...]:
        """Names: the value, whether it is missing if that is allowed, and one per pair of knots."""
        missing = (f"{self.name} (missing)",) if self.optional else ()
        between = (f"{BETWEEN}{knot:.12g} of {self.name}" for knot in self.knots[:-1])
        return (self.name, *missing, *between)


class NumberFeatures:
    """Computes the features of all numeric columns at once."""

    def __init__(self, columns: Sequence[Number]) -> None:
        self.names = tuple(name for column in columns for name in column.features)
        sizes = np.array([len(column.features) for column in columns], np.intp)
        starts = np.cumsum(sizes) - sizes
        optional = np.array([column.optional for column in columns], np.bool_)
        self._centre = np.array([column.centre for column in columns], np.float64)
        self._scale = np.array([column.scale for column in columns], np.float64)
        self._scaled = bool((self._centre != 0).any() or (self._scale != 1).any())
        self._values_only = len(self.names) == len(columns)
        self._values, self._optional, self._missing = starts, optional, starts[optional] + 1
        # Of each feature between knots: its source column, its own column, the lower knot, the span.
        pieces = [
            (number, start + 1 + column.optional + index, low, high - low)
            for number, (column, start) in enumerate(zip(columns, starts.tolist(), strict=True))
            for index, (low, high) in enumerate(pairwise(column.knots))
        ]
        sources, targets, lows, spans = zip(*pieces, strict=True) if pieces else ((), (), (), ())
        self._sources, self._targets = np.array(sources, np.intp), np.array(targets, np.intp)
        self._lows, self._spans = np.array(lows, np.float64), np.array(spans, np.float64)

    def rows(self, numbers: NDArray[np.floating]) -> NDArray[np.float32]:
        """Features of shape ``(n, F)`` from numbers of shape ``(n, columns)``, NaN where missing."""
        values: NDArray[np.float32] = numbers.astype(np.float32, copy=False)
        if self._scaled:
            largest = np.finfo(np.float32).max
            exact = (numbers.astype(np.float64) - self._centre) / self._scale
            values = np.clip(exact, -largest, largest).astype(np.float32)
        if self._values_only:
            return values
        rows = np.empty((len(numbers), len(self.names)), np.float32)
        rows[:, self._values] = values
        rows[:, self._missing] = np.isnan(numbers[:, self._optional])
        share = (numbers[:, self._sources].astype(np.float64) - self._lows) / self._spans
        rows[:, self._targets] = np.clip(share, 0.0, 1.0)
        return rows
