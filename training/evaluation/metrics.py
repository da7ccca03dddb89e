"""Figures of merit of predictions, and their spread."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import binomtest, norm, rankdata

Array = NDArray[np.floating]


def auc(labels: Array, scores: Array) -> float:
    """Area under the ROC curve of scores ``(n,)``, ties counted half; NaN if there is one class only."""
    positive = labels == 1
    n_positive = int(positive.sum())
    n_negative = len(labels) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    ranks = rankdata(scores)[positive].sum()
    return float((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def target_aucs(labels: Array, scores: Array) -> NDArray[np.float64]:
    """AUC of every column of ``(n, T)`` arrays over its measured (not NaN) rows."""
    measured = ~np.isnan(labels)
    return np.array(
        [auc(labels[rows, column], scores[rows, column]) for column, rows in enumerate(measured.T)]
    )


def mean_auc(labels: Array, scores: Array) -> float:
    """Mean over columns of ``target_aucs``; columns of one class only are left out."""
    values = target_aucs(labels, scores)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def auc_influence(labels: Array, scores: Array) -> NDArray[np.float64]:
    """Each row's influence ``(n,)`` on ``mean_auc``, whose variance is the sum of their squares.

    The influence on a difference of two models on the same rows is the difference of theirs. Source:
    E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837.
    """
    influence = np.zeros(labels.shape)
    counted = 0
    for column, y in enumerate(labels.T):
        positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
        m, n = len(positive), len(negative)
        if not m or not n:
            continue
        counted += 1
        both = rankdata(scores[np.concatenate([positive, negative]), column])
        above = (both[:m] - rankdata(scores[positive, column])) / n
        below = 1 - (both[m:] - rankdata(scores[negative, column])) / m
        area = float(above.mean())
        # Variances of few rows are taken about their own mean, hence m - 1.
        influence[positive, column] = (above - area) / np.sqrt(m * max(m - 1, 1))
        influence[negative, column] = (below - area) / np.sqrt(n * max(n - 1, 1))
    return np.asarray(influence.sum(axis=1) / max(counted, 1))


def mean_auc_interval(labels: Array, scores: Array) -> tuple[float, float, float]:
    """``mean_auc`` of ``(n, T)`` arrays and its 95 % interval, by ``auc_influence``."""
    area = mean_auc(labels, scores)
    half = float(norm.ppf(0.975) * np.linalg.norm(auc_influence(labels, scores)))
    return area, area - half, min(area + half, 1.0)


def average_precision(labels: Array, scores: Array) -> float:
    """Average precision of scores ``(n,)``: precision averaged over the recall steps."""
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(labels[order] == 1)
    # Rows of one score are one threshold: only the last of a tie is a step.
    last = np.append(ordered[1:] != ordered[:-1], True)
    precision = (hits / np.arange(1, len(hits) + 1))[last]
    recall = hits[last] / max(int(hits[-1]), 1)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def average_precision_interval(labels: Array, scores: Array) -> tuple[float, float, float]:
    """Average precision of scores ``(n,)`` and its 95 % interval, which is symmetric as a logit.

    Source: K. Boyd, K. H. Eng, C. D. Page, ECML PKDD 2013, the logit interval.
    """
    value = average_precision(labels, scores)
    inner = min(max(value, 1e-9), 1 - 1e-9)
    positives = max(int((labels == 1).sum()), 1)
    half = norm.ppf(0.975) / np.sqrt(positives * inner * (1 - inner))
    low, high = expit(logit(inner) - half), expit(logit(inner) + half)
    return value, float(low), float(high)


def mean_interval(values: Array) -> tuple[float, float, float]:
    """The mean of values ``(n,)`` and its 95 % interval."""
    mean = float(values.mean())
    half = float(norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return mean, mean - half, mean + half


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rates of calls."""

    recall: float
    false_positive_rate: float
    precision: float
    f1: float
    g_mean: float
    recall_95_interval: tuple[float, float]
    false_positive_rate_95_interval: tuple[float, float]
    precision_95_interval: tuple[float, float]
    f1_95_interval: tuple[float, float]


def confusion(labels: Array, called: NDArray[np.bool_]) -> Confusion:
    """Compare calls ``(n,)`` with labels ``(n,)``; the intervals are Wilson's.

    F1 is 2 J / (1 + J) of the share J of hits among all that are called or positive.
    """
    positive = labels == 1
    hits = int((called & positive).sum())
    recall = hits / max(int(positive.sum()), 1)
    false_positive_rate = int((called & ~positive).sum()) / max(int((~positive).sum()), 1)
    precision = hits / max(int(called.sum()), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-12)
    g_mean = float(np.sqrt(recall * (1 - false_positive_rate)))
    low, high = wilson(hits, int((called | positive).sum()))
    return Confusion(
        recall,
        false_positive_rate,
        precision,
        f1,
        g_mean,
        wilson(hits, int(positive.sum())),
        wilson(int((called & ~positive).sum()), int((~positive).sum())),
        wilson(hits, int(called.sum())),
        (2 * low / (1 + low), 2 * high / (1 + high)),
    )


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share of rows, from 0 to 1 if there is no row (Wilson 1927)."""
    if not rows:
        return 0.0, 1.0
    interval = binomtest(hits, rows).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def log_loss(labels: Array, probability: Array) -> float:
    """Mean negative log-likelihood in nats."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(labels == 1, np.log(p), np.log1p(-p))))


def log_loss_rows(labels: Array, probability: Array) -> NDArray[np.float64]:
    """Negative log-likelihood in nats of every label ``(n, T)``, NaN where nothing was measured."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return np.asarray(-(labels * np.log(p) + (1 - labels) * np.log1p(-p)), dtype=np.float64)


def brier(labels: Array, probability: Array) -> float:
    """Mean squared difference of probability and label."""
    return float(np.mean(np.square(probability - labels)))


class Estimate(NamedTuple):
    """A statistic of all rows, its standard error and its 95 % interval."""

    value: float
    error: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float], rows: int, draws: int = 1000, seed: int = 0
) -> Estimate:
    """Estimate ``statistic(indices)`` by drawing ``rows`` indices with replacement.

    Draws in which the statistic is undefined (NaN) do not count.
    """
    rng = np.random.default_rng(seed)
    values = np.array([statistic(rng.integers(0, rows, rows)) for _ in range(draws)])
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(statistic(np.arange(rows)), float(values.std()), float(low), float(high))


def markdown_table(columns: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """The lines of a Markdown table."""
    header = [f"| {column} " if column else "| " for column in map(str, columns)]
    lines = (f"| {' | '.join(map(str, cells))} |" for cells in rows)
    return ["".join(header) + "|", "|" + "---|" * len(header), *lines]
