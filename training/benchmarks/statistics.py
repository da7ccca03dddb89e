"""Paired comparisons of methods on the same folds, and how reports show spread."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student


@dataclass(frozen=True, slots=True)
class Paired:
    """A mean difference, its 95 % interval and the two-sided p-value of no difference."""

    mean: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        """The difference with its interval, as a report shows it."""
        return f"{with_interval(self.mean, self.low, self.high)}, p = {self.p:.2g}"


def paired(differences: NDArray[np.floating], folds: int) -> Paired:
    """Compare two methods by their differences ``(runs,)`` over runs of ``folds``-fold validation.

    Training sets of folds overlap, while a plain t-test assumes independence: the variance is
    enlarged by test size over training size. C. Nadeau, Y. Bengio, Machine Learning 52 (2003) 239,
    eq. 17; for repeated folds, Bouckaert and Frank 2004.
    """
    runs = len(differences)
    mean = float(np.mean(differences))
    if runs < 2:
        return Paired(mean, -math.inf, math.inf, 1.0)
    variance = float(np.var(differences, ddof=1)) * (1 / runs + 1 / (folds - 1))
    if variance == 0:
        return Paired(mean, mean, mean, 0.0 if mean else 1.0)
    error = math.sqrt(variance)
    low, high = student.interval(0.95, runs - 1, mean, error)
    p = float(2 * student.sf(abs(mean) / error, runs - 1))
    return Paired(mean, float(low), float(high), p)


def with_interval(value: float, low: float, high: float) -> str:
    """A difference and its interval, as a report shows them."""
    return f"{value:+z.4f} ({low:+z.4f} to {high:+z.4f})"


def mean_and_sd(values: Sequence[float] | NDArray[np.floating], digits: int = 4) -> str:
    """Mean ± standard deviation; the mean alone of one value, a dash of none."""
    if not len(values):
        return "–"
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"
