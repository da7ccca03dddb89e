"""Targets that are classes, of which every row has exactly one: calibration and metrics."""

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from training.evaluation.calibration import FLATTEST, Calibration, Platt, parts_of
from training.evaluation.metrics import mean_interval, wilson

Array = NDArray[np.floating]

#: Rows added to each class's count, so that a rare class's bias stays finite.
_PRIOR_ROWS = 1.0
#: Fewer parts than of independent targets: a fit takes longer, and has more rows of each class.
_PARTS = 5


def fit_classes(labels: Array, logits: Array) -> tuple[float, NDArray[np.float64]]:
    """One slope and a bias per class, by maximum likelihood of one-hot labels ``(n, T)``.

    probability = softmax(slope * logits + bias). Source: Guo et al. 2017 (arXiv 1706.04599), section
    4.2, temperature scaling, with the biases of their vector scaling: one slope for all classes keeps
    rare ones from a slope of their own. Logits that fall as labels rise get next to no slope.
    """
    rows, classes = labels.shape
    counts = labels.sum(axis=0) + _PRIOR_ROWS

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, bias = parameters[0], parameters[1:]
        z = slope * logits + bias
        log = log_softmax(z, axis=1)
        # Biases are determined up to a constant, which the small penalty fixes.
        value = -np.sum(labels * log) / rows + np.sum(bias**2 / counts) / rows
        error = (np.exp(log) - labels) / rows
        gradient = np.concatenate(
            [[np.sum(error * logits)], error.sum(axis=0) + 2 * bias / counts / rows]
        )
        return float(value), gradient

    start = np.zeros(classes + 1)
    start[0] = 1.0
    bounds = [(FLATTEST, None), *[(None, None)] * classes]
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(fitted[0]), np.asarray(fitted[1:], dtype=np.float64)


def calibrate_classes(labels: Array, logits: Array, served: Array) -> Calibration:
    """Calibrate classes from out-of-fold logits ``(n, T)``, as ``calibrate`` does independent targets.

    The maps hold the common slope and each class's bias. The thresholds have no effect on the calls,
    which are the most probable class.
    """
    slope, bias = fit_classes(labels, served)
    parts = parts_of(labels.argmax(axis=1), _PARTS)
    probability, as_served = np.empty((2, *logits.shape))
    for part in np.unique(parts):
        held_out = parts == part
        for values, result in ((logits, probability), (served, as_served)):
            own_slope, own_bias = fit_classes(labels[~held_out], values[~held_out])
            result[held_out] = softmax(own_slope * values[held_out] + own_bias, axis=1)
    maps = tuple(Platt(slope, float(intercept)) for intercept in bias)
    calls = np.eye(labels.shape[1], dtype=np.bool_)[probability.argmax(axis=1)]
    return Calibration(maps, np.full(labels.shape[1], 0.5), probability, as_served, calls)


def class_metrics(
    labels: Array, probability: Array, folds: NDArray[np.integer] | None
) -> dict[str, JsonValue]:
    """Accuracy and log-loss in nats of probabilities ``(n, T)``, beside those of the base rates."""
    truth = labels.argmax(axis=1)
    hits = probability.argmax(axis=1) == truth
    own = probability[np.arange(len(truth)), truth]
    rates = labels.mean(axis=0)
    loss, *loss_interval = mean_interval(-np.log(np.maximum(own, 1e-7)))
    document: dict[str, JsonValue] = {
        "accuracy": float(hits.mean()),
        "accuracy_95_interval": list(wilson(int(hits.sum()), len(hits))),
        "accuracy_base_rate": float(rates.max()),
        "accuracy_standard_error": float(hits.std() / np.sqrt(len(hits))),
        "class_log_loss": loss,
        "class_log_loss_95_interval": list[JsonValue](loss_interval),
        "class_log_loss_base_rate": float(-np.sum(rates * np.log(np.maximum(rates, 1e-7)))),
    }
    if folds is not None:
        document["accuracy_by_fold"] = [float(hits[folds == fold].mean()) for fold in np.unique(folds)]
    return document
