"""One figure of how good probabilities are, by a metric of choice; more is better."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import average_precision, mean_auc

Array = NDArray[np.floating]

Metric = Literal["log_loss", "auc", "average_precision", "accuracy", "brier"]
METRICS: tuple[Metric, ...] = get_args(Metric)


def score(metric: Metric, labels: Array, probability: Array, *, exclusive: bool) -> float:
    """The figure of probabilities ``(n, T)`` of labels ``(n, T)``, NaN where nothing was measured.

    Losses are negative. AUC and average precision are means over targets; accuracy is that of the most
    probable class, or of a cut-off of a half.
    """
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    match metric:
        case "auc":
            return mean_auc(labels, probability)
        case "average_precision":
            measured = [~np.isnan(column) for column in labels.T]
            return float(
                np.mean(
                    [
                        average_precision(labels[rows, at], probability[rows, at])
                        for at, rows in enumerate(measured)
                    ]
                )
            )
        case "accuracy" if exclusive:
            return float(np.mean(p.argmax(axis=1) == labels.argmax(axis=1)))
        case "accuracy":
            return float(np.nanmean(np.where(np.isnan(labels), np.nan, (p >= 0.5) == (labels == 1))))
        case "brier":
            return -float(np.nanmean(np.square(p - labels)))
        case "log_loss" if exclusive:
            return float(np.mean(np.log(p)[labels == 1]))
        case "log_loss":
            return float(np.nanmean(labels * np.log(p) + (1 - labels) * np.log1p(-p)))
