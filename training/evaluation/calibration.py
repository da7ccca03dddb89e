"""Platt calibration and decision thresholds of the served mean, from out-of-fold logits alone."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.bundle.cutoffs import Curve
from training.errors import TrainingError
from training.evaluation.thresholds import active_from, curve_of, steps_of

Array = NDArray[np.floating]

#: The least slope of a map: what was learned is then next to nothing, but keeps its order.
FLATTEST = 1e-3

#: Parts of cross-fitting: the maps that are judged are then nearly those that are served.
_PARTS = 20

#: ``levels`` is the rule of assays, which have two cut-offs.
ThresholdRule = Literal["youden", "f1", "levels"]

#: What each rule means, for manifests and model cards.
THRESHOLD_RULES: dict[ThresholdRule, str] = {
    "youden": "the probability that maximises recall minus false-positive rate (Youden's J),"
    " out-of-fold",
    "f1": "the probability that maximises F1, out-of-fold",
    "levels": "active (what call means): the lowest probability from which on the out-of-fold precision"
    " is .5 or more, or where that is not reached the one of the highest precision; elevated, for"
    " screening: the probability that maximises recall minus false-positive rate (Youden's J)",
}

#: The same where targets are classes.
CLASS_RULE = "none: the most probable class is called"


def sigmoid(logits: Array) -> NDArray[np.float64]:
    """1 / (1 + exp(-logits)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))))


@dataclass(frozen=True, slots=True)
class Platt:
    """probability = sigmoid(``slope`` * logit + ``intercept``)."""

    slope: float
    intercept: float

    def __call__(self, logits: Array) -> NDArray[np.float64]:
        """Return probabilities of raw logits, same shape."""
        return sigmoid(self.slope * np.asarray(logits, dtype=np.float64) + self.intercept)


def fit_platt(labels: Array, logits: Array) -> Platt:
    """Fit by maximum likelihood with Platt's (1999) smoothed targets; ``(n,)`` arrays without NaN.

    Logits that fall where labels rise tell nothing: they get the base rate, and next to no slope.
    Raises ``TrainingError`` if there is one class only.
    """
    positives, negatives = _counts(labels)
    expected = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    fitted = _regress(expected, logits)
    if fitted.slope >= FLATTEST:
        return fitted
    base = float(expected.mean())
    return Platt(FLATTEST, float(np.log(base / (1 - base)) - FLATTEST * logits.mean()))


def _counts(labels: Array) -> tuple[float, float]:
    positives = float((labels == 1).sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        raise TrainingError("calibration needs rows of both classes for every target")
    return positives, negatives


def _regress(expected: Array, logits: Array) -> Platt:
    """Logistic regression of expected labels on logits."""

    def loss(parameters: Array) -> tuple[float, NDArray[np.float64]]:
        z = parameters[0] * logits + parameters[1]
        value = np.mean(np.logaddexp(0, z) - expected * z)
        error = sigmoid(z) - expected
        return float(value), np.array([np.mean(error * logits), np.mean(error)])

    start = np.array([1.0, 0.0])
    slope, intercept = minimize(loss, start, jac=True, method="BFGS").x
    return Platt(float(slope), float(intercept))


def parts_of(labels: Array, number: int = _PARTS) -> NDArray[np.intp]:
    """Parts ``(n,)`` of the rows of labels ``(n,)``, each with its share of every class.

    The logits are out-of-fold already, so that parts need not be folds.
    """
    shuffled = np.random.default_rng(0).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    parts = np.empty(len(labels), dtype=np.intp)
    parts[order] = np.arange(len(labels)) % number
    return parts


def cross_fitted(labels: Array, logits: Array, parts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return probabilities ``(n,)``: each part's rows calibrated by a fit to the other parts' logits."""
    probability = np.empty(len(labels))
    for part in np.unique(parts):
        held_out = parts == part
        probability[held_out] = fit_platt(labels[~held_out], logits[~held_out])(logits[held_out])
    return probability


def cross_fitted_calls(
    labels: Array, probability: Array, parts: NDArray[np.integer], rule: ThresholdRule
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return calls ``(n,)`` by the cut-offs that are best for the other parts, and whether elevated."""
    calls, elevated = np.empty((2, len(labels)), dtype=np.bool_)
    for part in np.unique(parts):
        own = parts == part
        threshold, lower = choose_cut_offs(labels[~own], probability[~own], rule)
        calls[own] = probability[own] >= threshold
        elevated[own] = probability[own] >= (threshold if lower is None else lower)
    return calls, elevated


def calibration_slope(labels: Array, probability: Array) -> float:
    """Slope of a logistic regression of labels on the logit of ``probability``; 1 is calibrated.

    On few positives it may have any value, also below zero.
    """
    _counts(labels)
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return _regress(labels, np.log(p) - np.log1p(-p)).slope


def slope_interval(labels: Array, probability: Array) -> tuple[float, float, float]:
    """``calibration_slope`` and its 95 % interval, by the information of the regression (Wald)."""
    slope = calibration_slope(labels, probability)
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    z = np.log(p) - np.log1p(-p)
    fitted = _regress(labels, z)(z)
    weight = fitted * (1 - fitted)
    spread = float(np.sum(weight * np.square(z - np.average(z, weights=weight))))
    half = 1.96 / np.sqrt(max(spread, 1e-12))
    return slope, slope - half, slope + half


def choose_threshold(labels: Array, probability: Array, rule: ThresholdRule) -> float:
    """Return the best of all thresholds by ``rule``, midway between neighbouring probabilities."""
    return choose_cut_offs(labels, probability, rule)[0]


def choose_cut_offs(
    labels: Array, probability: Array, rule: ThresholdRule
) -> tuple[float, float | None]:
    """Return the cut-off from which on a row is called, and of assays that of elevated."""
    steps = steps_of(labels, probability)
    if rule == "f1":
        quality = 2 * steps.hits / (steps.calls + steps.positives)
    else:
        false_alarms = steps.calls - steps.hits
        quality = steps.hits / steps.positives - false_alarms / steps.negatives
    best = float(steps.threshold[np.argmax(quality)])
    return (active_from(labels, probability, best), best) if rule == "levels" else (best, None)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps and cut-offs of the served mean of all members, and what they make of rows left out.

    ``probability`` ``(n, T)`` is that of the members that never saw a row, by a map of their own;
    ``served`` is what the served mean would give a row like it (``averaging``), ``calls`` whether its
    cut-off would call it. All are cross-fitted: maps and cut-offs come from other parts of the rows.
    Where the label is NaN, they are NaN and False. Assays have the cut-offs ``elevated`` ``(T,)``, too,
    and ``calls_elevated``. ``curves`` are of ``served``, one for each target; classes have none.
    """

    maps: tuple[Platt, ...]
    #: Shape ``(T,)``.
    thresholds: NDArray[np.float64]
    probability: NDArray[np.float64]
    served: NDArray[np.float64]
    calls: NDArray[np.bool_]
    elevated: NDArray[np.float64] | None = None
    calls_elevated: NDArray[np.bool_] | None = None
    curves: tuple[Curve, ...] = ()


def calibrate(labels: Array, logits: Array, served: Array, rule: ThresholdRule) -> Calibration:
    """Calibrate every target of ``(n, T)`` labels (NaN: not measured).

    ``logits`` are of members that never saw a row, ``served`` the same with the spread of the mean of
    all members: the same array where no member saw any of the rows. Raises ``TrainingError`` if a
    target has one class only.
    """
    maps, cut_offs, curves = [], [], []
    probability, as_served = np.full((2, *logits.shape), np.nan)
    calls, elevated = np.zeros((2, *logits.shape), dtype=np.bool_)
    for column in range(logits.shape[1]):
        measured = ~np.isnan(labels[:, column])
        y, z, s = (values[measured, column] for values in (labels, logits, served))
        parts = parts_of(y)
        maps.append(fit_platt(y, s))
        p = cross_fitted(y, s, parts)
        cut_offs.append(choose_cut_offs(y, p, rule))
        curves.append(curve_of(y, p))
        probability[measured, column] = cross_fitted(y, z, parts)
        as_served[measured, column] = p
        calls[measured, column], elevated[measured, column] = cross_fitted_calls(y, p, parts, rule)
    thresholds = np.array([threshold for threshold, _ in cut_offs])
    made = Calibration(tuple(maps), thresholds, probability, as_served, calls, curves=tuple(curves))
    if rule != "levels":
        return made
    lower = np.array([lower for _, lower in cut_offs], dtype=np.float64)
    return replace(made, elevated=lower, calls_elevated=elevated)
