"""Platt calibration and decision thresholds, from out-of-fold logits alone."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from training.errors import TrainingError

Array = NDArray[np.floating]
ThresholdRule = Literal["youden", "f1"]

#: What each rule means, for manifests and model cards.
THRESHOLD_RULES: dict[ThresholdRule, str] = {
    "youden": "the probability that maximises recall minus false-positive rate (Youden's J),"
    " out-of-fold",
    "f1": "the probability that maximises F1, out-of-fold",
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

    Raises ``TrainingError`` if there is one class only, or if logits fall as labels rise.
    """
    fitted = _regress(labels, logits)
    if not fitted.slope > 0:
        raise TrainingError("calibration found logits that fall where labels rise: nothing was learned")
    return fitted


def _regress(labels: Array, logits: Array) -> Platt:
    positives = float((labels == 1).sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        raise TrainingError("calibration needs rows of both classes for every target")
    expected = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: Array) -> tuple[float, NDArray[np.float64]]:
        z = parameters[0] * logits + parameters[1]
        value = np.mean(np.logaddexp(0, z) - expected * z)
        error = sigmoid(z) - expected
        return float(value), np.array([np.mean(error * logits), np.mean(error)])

    start = np.array([1.0, 0.0])
    slope, intercept = minimize(loss, start, jac=True, method="BFGS").x
    return Platt(float(slope), float(intercept))


def cross_fitted(labels: Array, logits: Array, folds: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return probabilities ``(n,)``: each fold's rows calibrated by a fit to the other folds' logits."""
    probability = np.empty(len(labels))
    for fold in np.unique(folds):
        held_out = folds == fold
        probability[held_out] = fit_platt(labels[~held_out], logits[~held_out])(logits[held_out])
    return probability


def calibration_slope(labels: Array, probability: Array) -> float:
    """Slope of a logistic regression of labels on the logit of ``probability``; 1 is calibrated.

    On few positives it may have any value, also below zero.
    """
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return _regress(labels, np.log(p) - np.log1p(-p)).slope


def choose_threshold(labels: Array, probability: Array, rule: ThresholdRule) -> float:
    """Return the best of all thresholds by ``rule``, midway between neighbouring probabilities."""
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    hits = np.cumsum(labels[order] == 1)
    calls = np.arange(1, len(ranked) + 1)
    positives, negatives = hits[-1], len(ranked) - hits[-1]
    if rule == "youden":
        quality = hits / positives - (calls - hits) / negatives
    else:
        quality = 2 * hits / (calls + positives)
    quality = np.where(np.append(ranked[1:] != ranked[:-1], True), quality, -1.0)
    best = int(np.argmax(quality))
    following = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + following) / 2)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A calibration map and a threshold per target, fitted to out-of-fold logits."""

    maps: tuple[Platt, ...]
    #: Shape ``(T,)``.
    thresholds: NDArray[np.float64]
    #: Cross-fitted, ``(n, T)``; NaN where the label is.
    probability: NDArray[np.float64]


def calibrate(
    labels: Array, logits: Array, folds: NDArray[np.integer], rule: ThresholdRule
) -> Calibration:
    """Calibrate every target of ``(n, T)`` labels (NaN: not measured) and out-of-fold logits.

    Raises ``TrainingError`` if a target has one class only, or its logits fall as labels rise.
    """
    maps, thresholds = [], []
    probability = np.full(logits.shape, np.nan)
    for column in range(logits.shape[1]):
        measured = ~np.isnan(labels[:, column])
        y, z = labels[measured, column], logits[measured, column]
        maps.append(fit_platt(y, z))
        probability[measured, column] = cross_fitted(y, z, folds[measured])
        thresholds.append(choose_threshold(y, probability[measured, column], rule))
    return Calibration(tuple(maps), np.array(thresholds), probability)
