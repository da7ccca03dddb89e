"""Targets that are quantities: a value and an interval that new rows fall into, and their figures.

Labels, values and interval ends are standardised, of shape ``(n, T)`` or ``(n, T, 2)``. Networks give
means and two quantiles; members that never saw a row say how far the quantiles have to be moved, so that
an interval holds the stated part of new rows (Y. Romano, E. Patterson, E. J. Candès, NeurIPS 2019,
"Conformalized quantile regression").
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from scipy.stats import norm

from training.evaluation.calibration import FLATTEST, parts_of
from training.evaluation.metrics import wilson

Array = NDArray[np.floating]
Array64 = NDArray[np.float64]

#: The part of new rows that an interval holds, and the quantiles that are learned for its ends.
COVERAGE, QUANTILES = 0.9, (0.05, 0.95)
#: At most this part of the squared errors is taken for a difference between folds' members.
_MOST = 0.75

QuantityMetric = Literal["rmse", "mae", "pinball"]
QUANTITY_METRICS: tuple[QuantityMetric, ...] = get_args(QuantityMetric)


class Line(NamedTuple):
    """A calibrated value is ``slope`` times the mean of the members' values plus ``intercept``.

    Quantiles are calibrated by the same line, which keeps their distance to the mean in proportion.
    """

    slope: float
    intercept: float

    def __call__(self, values: Array) -> Array64:
        """Return calibrated values of the same shape."""
        return np.asarray(self.slope * np.asarray(values, dtype=np.float64) + self.intercept)


@dataclass(frozen=True, slots=True)
class QuantityCalibration:
    """What turns the mean of the members' outputs into values and intervals, and those of rows left out.

    ``lines`` are each target's, ``margins`` ``(T,)`` how far its quantiles are moved out. ``value``
    ``(n, T)`` and ``interval`` ``(n, T, 2)`` are by members that never saw a row, and by lines and
    margins from other rows. ``held`` ``(n, T)`` says whether the interval of the served mean would hold
    the row: it errs less than that of few members.
    """

    lines: tuple[Line, ...]
    margins: Array64
    value: Array64
    interval: Array64
    held: NDArray[np.bool_]


def calibrate_quantities(
    labels: Array, outputs: Array, spread: Array, folds: NDArray[np.integer]
) -> QuantityCalibration:
    """Calibrate out-of-fold ``outputs`` ``(n, 3 T)``: means, then both quantiles.

    ``spread`` ``(n, 3 T)`` is the variance between folds' members that ``averaging.fold_spread`` gives.
    """
    targets = labels.shape[1]
    apart = 1 - 1 / max(len(np.unique(folds)), 1)
    lines, margins = [], []
    value, held = np.empty(labels.shape), np.empty(labels.shape, dtype=np.bool_)
    interval = np.empty((*labels.shape, 2))
    for at in range(targets):
        y = labels[:, at].astype(np.float64)
        mean, low, high = (outputs[:, at + part * targets].astype(np.float64) for part in range(3))
        noise = apart * float(spread[:, at].mean())
        line, parts = fit_line(y, mean, noise), parts_of(y)
        near = _as_served(y, line(mean), line.slope**2 * noise)
        lines.append(line)
        margins.append(_margin(near, line(low), line(high)))
        for part in np.unique(parts):
            own, rest = parts == part, parts != part
            line = fit_line(y[rest], mean[rest], noise)
            margin = _margin(near[rest], line(low[rest]), line(high[rest]))
            value[own, at] = fit_line(y[rest], mean[rest])(mean[own])
            ends = ends_of(line(mean[own]), line(low[own]), line(high[own]), margin)
            interval[own, at] = ends
            held[own, at] = (ends[:, 0] <= near[own]) & (near[own] <= ends[:, 1])
    return QuantityCalibration(tuple(lines), np.array(margins), value, interval, held)


def fit_line(labels: Array, values: Array, noise: float = 0.0) -> Line:
    """Least squares of labels on values ``(n,)``; where values fall as labels rise, next to no slope.

    ``noise`` is the variance that the served mean of all members lacks: it would make the line too flat
    (regression dilution, Spearman 1904).
    """
    deviation = values - values.mean()
    variance = max(float(np.mean(np.square(deviation))) - noise, 1e-12)
    slope = float(np.mean(deviation * (labels - labels.mean()))) / variance
    # More than the networks themselves say is nothing that they learned.
    slope = min(max(slope, FLATTEST), 1.25)
    return Line(slope, float(labels.mean() - slope * values.mean()))


def _as_served(labels: Array64, mean: Array64, noise: float) -> Array64:
    """Labels as far from values as they would be from those of all members, by variance."""
    error = labels - mean
    share = min(noise / max(float(np.mean(np.square(error))), 1e-12), _MOST)
    return np.asarray(mean + np.sqrt(1 - share) * error)


def _margin(labels: Array, low: Array, high: Array) -> float:
    """The conformal margin: the quantile of how far labels lie outside of their interval."""
    outside = np.sort(np.maximum(low - labels, labels - high))
    place = min(int(np.ceil((len(outside) + 1) * COVERAGE)), len(outside))
    return float(outside[place - 1])


def ends_of(value: Array, low: Array, high: Array, margin: float | Array) -> Array64:
    """Both ends ``(n, ..., 2)`` of intervals, which hold their value."""
    return np.stack([np.minimum(low - margin, value), np.maximum(high + margin, value)], axis=-1)


def r_squared(labels: Array, values: Array) -> float:
    """The mean over targets of the part of the variance of labels ``(n, T)`` that values explain.

    NaN where a target is constant.
    """
    error = np.mean(np.square(labels - values), axis=0, dtype=np.float64)
    variance = np.var(labels, axis=0, dtype=np.float64)
    return float(np.mean(1 - error / variance)) if (variance > 0).all() else float("nan")


def pinball(labels: Array, interval: Array) -> Array64:
    """The pinball loss ``(n, T)`` of both ends of intervals ``(n, T, 2)``, averaged."""
    losses = [
        np.maximum(level * (labels - interval[..., at]), (level - 1) * (labels - interval[..., at]))
        for at, level in enumerate(QUANTILES)
    ]
    return np.asarray(np.mean(losses, axis=0), dtype=np.float64)


def quantity_score(metric: QuantityMetric, labels: Array, made: QuantityCalibration) -> float:
    """A figure of values and intervals out-of-fold; more is better, so that losses are negative."""
    match metric:
        case "rmse":
            return -float(np.sqrt(np.mean(np.square(labels - made.value))))
        case "mae":
            return -float(np.mean(np.abs(labels - made.value)))
        case "pinball":
            return -float(np.mean(pinball(labels, made.interval)))


def quantity_metrics(
    labels: Array,
    made: QuantityCalibration,
    targets: tuple[str, ...],
    scales: Array,
    folds: NDArray[np.integer],
) -> dict[str, JsonValue]:
    """The metrics of a manifest, in the targets' units: ``scales`` ``(T,)`` are those of a label."""
    by_target: dict[str, JsonValue] = {
        name: _figures(labels[:, at], made, at, float(scales[at]), folds)
        for at, name in enumerate(targets)
    }
    overall: dict[str, JsonValue] = {"rows": len(labels)}
    overall |= _with_interval("r2", *r2_interval(labels, made.value))
    overall["r2_by_fold"] = [
        r_squared(labels[folds == fold], made.value[folds == fold]) for fold in np.unique(folds)
    ]
    return {"overall": overall, "targets": by_target}


def _figures(
    labels: Array, made: QuantityCalibration, at: int, scale: float, folds: NDArray[np.integer]
) -> dict[str, JsonValue]:
    error = labels - made.value[:, at]
    interval, held = made.interval[:, at], made.held[:, at]
    width = interval[:, 1] - interval[:, 0]
    loss = pinball(labels[:, None], interval[:, None])[:, 0]
    by_fold = [np.sqrt(np.mean(np.square(error[folds == fold]))) for fold in np.unique(folds)]
    document: dict[str, JsonValue] = {
        "measured": len(labels),
        "spread": scale * float(labels.std()),
        "rmse_sd_over_folds": scale * float(np.std(by_fold, ddof=1)),
        "coverage": float(held.mean()),
        "coverage_95_interval": list(wilson(int(held.sum()), len(held))),
        "stated_coverage": COVERAGE,
    }
    document |= _with_interval("rmse", *(scale * value for value in rmse_interval(error)))
    for name, values in (("mae", np.abs(error)), ("width", width), ("pinball", loss)):
        mean = float(values.mean())
        half = float(norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values)))
        document |= _with_interval(name, scale * mean, scale * (mean - half), scale * (mean + half))
    return document | _with_interval("r2", *r2_interval(labels[:, None], made.value[:, [at]]))


def rmse_interval(error: Array) -> tuple[float, float, float]:
    """The root mean square of errors ``(n,)`` and its 95 % interval, by the delta method."""
    squares = np.square(error, dtype=np.float64)
    root = float(np.sqrt(squares.mean()))
    half = float(norm.ppf(0.975) * squares.std(ddof=1) / np.sqrt(len(squares))) / max(2 * root, 1e-12)
    return root, max(root - half, 0.0), root + half


def r2_influence(labels: Array, values: Array) -> Array64:
    """Each row's influence ``(n,)`` on R², whose variance is the sum of their squares."""
    squares = np.square(labels - values, dtype=np.float64)
    total = np.square(labels - labels.mean(), dtype=np.float64)
    variance = max(float(total.mean()), 1e-12)
    unexplained = float(squares.mean()) / variance
    return np.asarray((unexplained * total - squares) / variance / len(squares))


def r2_interval(labels: Array, values: Array) -> tuple[float, float, float]:
    """``r_squared`` of ``(n, T)`` arrays and its 95 % interval, by ``r2_influence``."""
    value = r_squared(labels, values)
    each = [r2_influence(y, own) for y, own in zip(labels.T, values.T, strict=True)]
    half = float(norm.ppf(0.975) * np.linalg.norm(np.mean(each, axis=0)))
    return value, value - half, min(value + half, 1.0)


def _with_interval(name: str, value: float, low: float, high: float) -> dict[str, JsonValue]:
    return {name: value, f"{name}_95_interval": [low, high]}
