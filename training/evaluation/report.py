"""The metrics of a set of predictions, as manifests, cards and terminals show them."""

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from training.evaluation.calibration import calibration_slope
from training.evaluation.class_calibration import class_metrics
from training.evaluation.metrics import (
    auc,
    average_precision,
    bootstrap,
    brier,
    confusion,
    log_loss,
    mean_auc,
)

Array = NDArray[np.floating]


def markdown_table(columns: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """The lines of a Markdown table."""
    header = [f"| {column} " if column else "| " for column in map(str, columns)]
    lines = (f"| {' | '.join(map(str, cells))} |" for cells in rows)
    return ["".join(header) + "|", "|" + "---|" * len(header), *lines]


def metrics(
    labels: Array,
    probability: Array,
    targets: tuple[str, ...],
    thresholds: Array,
    folds: NDArray[np.integer] | None = None,
    *,
    exclusive: bool = False,
) -> dict[str, JsonValue]:
    """Return the metrics of probabilities ``(n, T)``: over all targets, and of each.

    ``exclusive`` targets are classes: accuracy and log-loss over all are added, and the call is the
    most probable class. Spread is a bootstrap over rows and, with ``folds`` ``(n,)``, the standard
    deviation over them. The base rate's log-loss and Brier score are given for comparison.
    """
    mean, error, low, high = bootstrap(
        lambda rows: mean_auc(labels[rows], probability[rows]), len(labels), draws=200
    )
    overall: dict[str, JsonValue] = {
        "rows": len(labels),
        "mean_auc": mean,
        "mean_auc_standard_error": error,
        "mean_auc_95_interval": [low, high],
    }
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
    calls: Array,
    threshold: float,
    folds: NDArray[np.integer] | None,
) -> dict[str, JsonValue]:
    measured = ~np.isnan(labels)
    y, p = labels[measured], probability[measured]
    base = np.full(len(y), float(np.mean(y)))
    document: dict[str, JsonValue] = {
        "measured": len(y),
        "positive": int(y.sum()),
        "auc": auc(y, p),
        "average_precision": average_precision(y, p),
        "log_loss": log_loss(y, p),
        "log_loss_base_rate": log_loss(y, base),
        "brier": brier(y, p),
        "brier_base_rate": brier(y, base),
        "calibration_slope": calibration_slope(y, p),
    } | asdict(confusion(y, calls[measured], threshold))
    if folds is not None:
        own = folds[measured]
        aucs = [auc(y[own == fold], p[own == fold]) for fold in np.unique(folds)]
        document["auc_sd_over_folds"] = float(np.nanstd(aucs, ddof=1))
    return document
