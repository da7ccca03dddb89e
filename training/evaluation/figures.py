"""The metrics of manifests and model cards: over all targets, of each, and of parts of the rows."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from scipy.stats import norm

from training.evaluation.calibration import slope_interval
from training.evaluation.class_calibration import class_metrics
from training.evaluation.metrics import (
    Confusion,
    auc,
    average_precision_interval,
    bootstrap,
    brier,
    confusion,
    log_loss,
    log_loss_rows,
    mean_auc,
    mean_auc_interval,
    mean_interval,
)

Array = NDArray[np.floating]


def metrics(
    labels: Array,
    probability: Array,
    targets: tuple[str, ...],
    calls: NDArray[np.bool_],
    folds: NDArray[np.integer] | None = None,
    *,
    served: Array | None = None,
    elevated: NDArray[np.bool_] | None = None,
    parts: Mapping[str, NDArray[np.bool_]] | None = None,
    exclusive: bool = False,
) -> dict[str, JsonValue]:
    """Return the metrics of probabilities and calls ``(n, T)``: over all targets, and of each.

    The calibration slope is of ``served`` probabilities ``(n, T)`` if they are others. Assays have the
    rates of ``elevated`` calls ``(n, T)``, too, and how many assays a record has of either. ``parts``
    are rows whose mean AUC is given apart, by name. ``exclusive``
    targets are classes: accuracy and log-loss over all are added. Spread is a bootstrap over rows and,
    with ``folds`` ``(n,)``, the standard deviation over them. The base rate's log-loss and Brier score
    are given for comparison.
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
        # A fold without rows of both classes has none.
        overall["mean_auc_by_fold"] = [float(value) for value in by_fold if np.isfinite(value)]
        overall["mean_auc_sd_over_folds"] = float(np.nanstd(by_fold, ddof=1))
    if exclusive:
        overall |= class_metrics(labels, probability, folds)
    shown = probability if served is None else served
    if elevated is not None:
        overall |= _per_record(labels, shown, calls, elevated)
    if parts:
        overall["parts"] = {
            name: _part_metrics(labels[rows], probability[rows]) for name, rows in parts.items()
        }
    by_target: dict[str, dict[str, JsonValue]] = {
        target: _target_metrics(
            labels[:, column], probability[:, column], calls[:, column], shown[:, column], folds
        )
        for column, target in enumerate(targets)
    }
    if elevated is not None:
        for column, target in enumerate(targets):
            measured = ~np.isnan(labels[:, column])
            rates = confusion(labels[measured, column], elevated[measured, column])
            by_target[target] |= {"elevated": _as_json(rates)}
    return {"overall": overall, "targets": dict[str, JsonValue](by_target)}


def _part_metrics(labels: Array, probability: Array) -> dict[str, JsonValue]:
    mean, _, low, high = bootstrap(
        lambda rows: mean_auc(labels[rows], probability[rows]), len(labels), draws=200
    )
    return {"rows": len(labels), "mean_auc": mean, "mean_auc_95_interval": [low, high]}


def _per_record(
    labels: Array, probability: Array, calls: NDArray[np.bool_], elevated: NDArray[np.bool_]
) -> dict[str, JsonValue]:
    """The mean number of assays a record is active in: by calls, by probabilities, and as measured.

    Each assay counts with the records that were measured in it; what a record adds to the error is
    the sum over its assays.
    """
    measured = ~np.isnan(labels)
    means: dict[str, JsonValue] = {}
    intervals: dict[str, JsonValue] = {}
    counted = {
        "active": calls,
        "elevated_or_active": elevated,
        "expected": probability,
        "measured": labels,
    }
    for name, values in counted.items():
        known = np.where(measured, values, 0.0).astype(np.float64)
        by_assay = known.sum(axis=0) / measured.sum(axis=0)
        influence = ((known - by_assay * measured) / measured.sum(axis=0)).sum(axis=1)
        mean, half = float(by_assay.sum()), float(norm.ppf(0.975) * np.linalg.norm(influence))
        means[name], intervals[name] = mean, [max(mean - half, 0.0), mean + half]
    return {"assays_a_record": means, "assays_a_record_95_interval": intervals}


def _target_metrics(
    labels: Array,
    probability: Array,
    calls: NDArray[np.bool_],
    served: Array,
    folds: NDArray[np.integer] | None,
) -> dict[str, JsonValue]:
    measured = ~np.isnan(labels)
    y, p = labels[measured], probability[measured]
    base = np.full(len(y), float(np.mean(y)))
    document: dict[str, JsonValue] = {
        "measured": len(y),
        "positive": int(y.sum()),
        "log_loss_base_rate": log_loss(y, base),
        "brier_base_rate": brier(y, base),
    }
    document |= _with_interval("auc", *mean_auc_interval(y[:, None], p[:, None]))
    document |= _with_interval("average_precision", *average_precision_interval(y, p))
    document |= _with_interval("log_loss", *mean_interval(log_loss_rows(y, p)))
    document |= _with_interval("brier", *mean_interval(np.square(p - y)))
    document |= _with_interval("calibration_slope", *slope_interval(y, served[measured]))
    document |= _as_json(confusion(y, calls[measured]))
    if folds is not None:
        own = folds[measured]
        aucs = [auc(y[own == fold], p[own == fold]) for fold in np.unique(folds)]
        document["auc_sd_over_folds"] = float(np.nanstd(aucs, ddof=1))
    return document


def _with_interval(name: str, value: float, low: float, high: float) -> dict[str, JsonValue]:
    return {name: value, f"{name}_95_interval": [low, high]}


def _as_json(rates: Confusion) -> dict[str, JsonValue]:
    document: dict[str, Any] = asdict(rates)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in document.items()}
