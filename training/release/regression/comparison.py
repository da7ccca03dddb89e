"""What the gate checks of quantities: is anything learned, is it no worse, do intervals hold.

Intervals are by the rows' influence on a figure, as in ``comparison``.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from training.evaluation.metrics import wilson
from training.evaluation.quantities import (
    COVERAGE,
    QuantityCalibration,
    r2_influence,
    r_squared,
    rmse_interval,
)
from training.release.checks import Check
from training.release.comparison import MARGIN, not_worse

Array = NDArray[np.floating]

#: How far the part of rows that intervals hold may be from what they state.
_OFF = 0.03


def learned_quantity(labels: Array, own: QuantityCalibration) -> Check:
    """Whether values out-of-fold are nearer to labels ``(n, T)`` than their mean is."""
    values = [r_squared(labels[:, [at]], own.value[:, [at]]) for at in range(labels.shape[1])]
    influence = [r2_influence(y, v) for y, v in zip(labels.T, own.value.T, strict=True)]
    r2 = float(np.mean(values))
    half = float(norm.ppf(0.975) * np.linalg.norm(np.mean(influence, axis=0)))
    low, high = r2 - half, min(r2 + half, 1.0)
    verdict = "better than" if low > 0 else "no better than"
    return Check(
        "learned",
        low > 0,
        f"out-of-fold R² {r2:.4f}, 95 % interval {low:.4f} to {high:.4f}: {verdict} the mean",
        {"r2": r2, "low": low, "high": high},
    )


def error(labels: Array, challenger: Array, champion: Array, margin: float = MARGIN) -> Check:
    """Compare the RMSE of values ``(n, T)`` of both on the same rows (``not_worse``).

    It is relative to the spread of the target, its standard deviation, and averaged over targets.
    """
    gap, influence = 0.0, np.zeros(len(labels))
    for y, own, other in zip(labels.T, challenger.T, champion.T, strict=True):
        spread, count = float(np.std(y)), labels.shape[1]
        for values, sign in ((own, 1.0), (other, -1.0)):
            root = rmse_interval(y - values)[0]
            gap += sign * root / spread / count
            squares = np.square(y - values, dtype=np.float64)
            influence += sign * (squares - squares.mean()) / max(2 * root, 1e-12) / spread / count
    deviation = float(np.linalg.norm(influence) / len(labels))
    figure = f"RMSE {gap:+z.4f} of the target's standard deviation"
    return not_worse("error", figure, gap, deviation, margin, len(labels), loss=1)


def coverage(own: QuantityCalibration) -> Check:
    """Whether intervals hold about the part of rows that they state, by margins from other rows."""
    held, rows = int(own.held.sum()), own.held.size
    low, high = wilson(held, rows)
    near = low <= COVERAGE + _OFF and high >= COVERAGE - _OFF
    return Check(
        "coverage",
        near,
        f"intervals of {COVERAGE:.0%} hold {held / rows:.1%} of {rows} values out-of-fold, 95 % interval"
        f" {low:.1%} to {high:.1%}",
        {"coverage": held / rows, "low": low, "high": high},
    )
