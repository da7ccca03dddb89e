"""What the gate checks of quantities: is anything learned, is it no worse, do intervals hold.

Intervals are by the rows' influence on a figure, as in ``comparison``.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
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
from training.release.comparison import MARGIN, power

Array = NDArray[np.floating]

_CONFIDENCE = float(norm.ppf(0.95))
#: A loss of this part of the margin is too much where the rows can show it.
_SHOWN = 0.1
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
    """Compare the RMSE of values ``(n, T)`` of both on the same rows, by the margin of non-inferiority.

    It is relative to the spread of the target, its standard deviation, and averaged over targets. The
    challenger passes if the upper end of the one-sided 95 % interval of the difference is below
    ``margin``, and if its lower end does not show a loss of a tenth of that.
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
    low, high = gap - _CONFIDENCE * deviation, gap + _CONFIDENCE * deviation
    met, shown = high < margin, low > _SHOWN * margin
    verdict = "worse" if shown else "not worse" if met else "it may be that much worse"
    equal, smallest = power(deviation, margin)
    figures: dict[str, JsonValue] = {
        "difference": gap,
        "low": low,
        "high": high,
        "margin": margin,
        "rows": len(labels),
        "equal_passes": equal,
        "smallest_loss": smallest,
    }
    return Check(
        "error",
        met and not shown,
        f"out-of-fold RMSE {gap:+.4f} of the target's standard deviation against the champion on the"
        f" same {len(labels)} rows, 90 % interval {low:+.4f} to {high:+.4f}; margin {margin:g}:"
        f" {verdict}. On such rows an equal challenger passes in {equal:.0%} of cases, and losses below"
        f" {smallest:.4f} cannot be told from none",
        figures,
    )


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
