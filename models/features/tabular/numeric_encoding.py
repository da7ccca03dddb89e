"""Columns of numbers as features: the value, whether it is missing, and where it lies between knots.

Between two knots a feature rises from 0 to 1 and stays there: a piecewise-linear encoding (Gorishniy et
al. 2022, arXiv 2203.05556, section 3.2). It lets a smooth network bend where a column does: at the
codes of categories that were written as numbers, at a spike, at a threshold. A missing value is NaN
in all of them: the graph imputes.

A value is told in ``scale`` units from ``centre`` where the column has these: heights in centimetres or
years would otherwise be large numbers with small differences, which float32 loses in the network's own
transforms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: What the names of features between knots begin with.
BETWEEN = "≥ "


@dataclass(frozen=True, slots=True)
class Number:
    """A column of numbers; ``knots`` are two or more, ascending, or none; ``scale`` is above 0."""

    name: str
    optional: bool
    knots: tuple[float, ...] = ()
    centre: float = 0.0
    scale: float = 1.0

    @property
    def features(self) -> tuple[str, ...]:
        """The value itself, whether it is missing, and one feature from each knot to the next."""
        missing = (f"{self.name} (missing)",) if self.optional else ()
        return (
            self.name,
            *missing,
            *(f"{BETWEEN}{knot:.6g} of {self.name}" for knot in self.knots[:-1]),
        )


class NumberFeatures:
    """Turns rows of numbers, NaN where missing, into the columns' features, without a loop."""

    def __init__(self, columns: Sequence[Number]) -> None:
        self.names = tuple(name for column in columns for name in column.features)
        sizes = np.array([len(column.features) for column in columns], np.intp)
        starts = np.cumsum(sizes) - sizes
        optional = np.array([column.optional for column in columns], np.bool_)
        self._centre = np.array([column.centre for column in columns], np.float64)
        self._scale = np.array([column.scale for column in columns], np.float64)
        self._moved = bool((self._centre != 0).any() or (self._scale != 1).any())
        self._plain = len(self.names) == len(columns)
        self._values, self._optional, self._missing = starts, optional, starts[optional] + 1
        pieces = [
            (number, start + 1 + column.optional + place, low, high - low)
            for number, (column, start) in enumerate(zip(columns, starts.tolist(), strict=True))
            for place, (low, high) in enumerate(zip(column.knots, column.knots[1:], strict=False))
        ]
        of, places, low, span = zip(*pieces, strict=True) if pieces else ((), (), (), ())
        self._of, self._places = np.array(of, np.intp), np.array(places, np.intp)
        self._low, self._span = np.array(low, np.float64), np.array(span, np.float64)

    def rows(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features ``(n, F)`` of numbers ``(n, columns)``."""
        moved = numbers
        if self._moved:
            largest = np.finfo(np.float32).max
            exact = (numbers.astype(np.float64) - self._centre) / self._scale
            moved = np.clip(exact, -largest, largest).astype(np.float32)
        if self._plain:
            return moved
        made = np.empty((len(numbers), len(self.names)), np.float32)
        made[:, self._values] = moved
        made[:, self._missing] = np.isnan(numbers[:, self._optional])
        share = (numbers[:, self._of].astype(np.float64) - self._low) / self._span
        made[:, self._places] = np.clip(share, 0.0, 1.0)
        return made
