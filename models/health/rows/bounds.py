"""What one row's numbers stay within unless something has corrupted its computation.

A bit that flips during one request, in an activation or in a weight, is gone before a window of traffic
shows it. It moves the statistics of the layers behind it, and the logits of one member beside those of
the others. Both have bounds: for each member, layer and statistic, and for each member and target.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.health.inputs import check_shapes

Array = NDArray[np.float64]

_PREFIX = "rows_"


@dataclass(frozen=True, slots=True)
class RowBounds:
    """The bounds of a row, for M members of L layers and T targets.

    ``lower`` and ``upper`` (M, L, 3) are those of the taps; ``below`` and ``above`` (M, T) those of each
    member's logits less the mean of all members'. ``rate`` is the modelled share of clean rows that are
    beyond any of them.
    """

    lower: Array
    upper: Array
    below: Array
    above: Array
    rate: float

    @property
    def targets(self) -> int:
        """The number of targets, T."""
        return int(self.below.shape[1])

    @property
    def watches_logits(self) -> bool:
        """Whether members are compared: one alone has nothing to be compared with."""
        return len(self.below) > 1

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays that ``of`` reads, by name."""
        return {
            f"{_PREFIX}{field.name}": np.asarray(getattr(self, field.name)) for field in fields(self)
        }

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.generic]], members: int, layers: int) -> Self | None:
        """Read the arrays ``rows_…`` of a reference file; None where there are none.

        Raises ``ValueError`` if they are malformed, or not of so many members and layers.
        """
        if f"{_PREFIX}below" not in arrays:
            return None
        below = arrays[f"{_PREFIX}below"]
        targets = below.shape[1] if below.ndim == 2 else -1
        taps, logits = (members, layers, 3), (members, targets)
        shapes = {"lower": taps, "upper": taps, "below": logits, "above": logits, "rate": ()}
        check_shapes(arrays, {f"{_PREFIX}{name}": shape for name, shape in shapes.items()})
        lower, upper, below, above, rate = (
            arrays[f"{_PREFIX}{name}"].astype(np.float64) for name in shapes
        )
        bounds = cls(lower, upper, below, above, float(rate))
        if not (lower < upper).all() or (bounds.watches_logits and not (below < above).all()):
            raise ValueError("a lower bound of its rows is not below the upper one")
        return bounds
