"""Sums of what a model predicted, so that a drift of its answers can be seen over time."""

from bisect import bisect_right

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Bounds of the p-values' classes. Those of rows like the training's are uniform.
P_VALUES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75)


class Predicted(msgspec.Struct, frozen=True):
    """Sums over ``rows`` rows: of probabilities (T,), of calls (T,), and p-values by class (7,)."""

    rows: int
    probability: Array
    called: Array
    p_values: Array

    def plus(self, other: "Predicted", sign: int = 1) -> "Predicted":
        """Return both together or, with ``sign`` -1, without the other's; both of the same targets."""
        return Predicted(
            self.rows + sign * other.rows,
            self.probability + sign * other.probability,
            self.called + sign * other.called,
            self.p_values + sign * other.p_values,
        )

    def share_below(self, bound: float) -> float | None:
        """Return the share of p-values below ``bound``, one of ``P_VALUES``; None without any."""
        total = float(self.p_values.sum())
        below = float(self.p_values[: bisect_right(P_VALUES, bound)].sum())
        return below / total if total else None
