"""The metrics of a set of predictions, as manifests, cards and terminals show them."""

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from training.evaluation.calibration import calibration_slope
from training.evaluation.class_calibration import class_metrics
from training.evaluation.metrics import (
    average_precision,
    bootstrap,
    brier,
    confusion,
    log_loss,
    mean_auc,
    target_aucs,
)

Array = NDArray[np.floating]


def metrics(
    labels: Array,
    probability: Array,
    targets: tuple[str, ...],
    thresholds: Array,
    folds: NDArray[np.integer] | None = None,
    *,
    exclusive: bool = False,
) -> dict[str, JsonValue]:
    """Return the metrics of probabilities ``(n, T)``: for all targets together, and for each.

    Of classes, which are ``exclusive``, also accuracy and log-loss of all together; what is called of
    each is the most probable then.

    Spread: a bootstrap over rows, and where ``folds`` are given the standard deviation over them.
    The base rate's log-loss and Brier score stand beside the model's.
    """
    overall: dict[str, JsonValue] = {"rows": len(labels), "mean_auc": mean_auc(labels, probability)}
    error, low, high = bootstrap(
        lambda rows: mean_auc(labels[rows], probability[rows]), len(labels), draws=200
    )
    overall["mean_auc_standard_error"] = error
    overall["mean_auc_95_interval"] = [low, high]
    if folds is not None:
        by_fold = [
            mean_auc(labels[folds == fold], probability[folds == fold]) for fold in np.unique(folds)
        ]
        overall["mean_auc_by_fold"] = [float(value) for value in by_fold]
        overall["mean_auc_sd_over_folds"] = float(np.std(by_fold, ddof=1))
    calls = probability
    if exclusive:
        overall |= class_metrics(labels, probability, folds)
        calls = np.eye(len(targets))[probability.argmax(axis=1)]
    by_target: dict[str, JsonValue] = {
        target: _target_metrics(
            labels[:, column], probability[:, column], calls[:, column], thresholds[column], folds
        )
        for column, target in enumerate(targets)
    }
    return {"overall": overall, "targets": by_target}


def _target_metrics(
    labels: Array,
    probability: Array,
    called: Array,
    threshold: float,
    folds: NDArray[np.integer] | None,
) -> dict[str, JsonValue]:
    known = ~np.isnan(labels)
    y, p = labels[known], probability[known]
    base = np.full(len(y), float(np.mean(y)))
    calls = confusion(y, called[known], threshold)
    document: dict[str, JsonValue] = {
        "measured": len(y),
        "positive": int(y.sum()),
        "auc": float(target_aucs(y[:, None], p[:, None])[0]),
        "average_precision": average_precision(y, p),
        "log_loss": log_loss(y, p),
        "log_loss_base_rate": log_loss(y, base),
        "brier": brier(y, p),
        "brier_base_rate": brier(y, base),
        "calibration_slope": calibration_slope(y, p),
        "recall": calls.recall,
        "false_positive_rate": calls.false_positive_rate,
        "precision": calls.precision,
        "f1": calls.f1,
        "g_mean": calls.g_mean,
    }
    if folds is not None:
        aucs = [
            target_aucs(y[folds[known] == fold][:, None], p[folds[known] == fold][:, None])[0]
            for fold in np.unique(folds)
        ]
        document["auc_sd_over_folds"] = float(np.nanstd(aucs, ddof=1))
    return document
