"""Figures of ``benchmark health`` put together: by group and fault, over folds, against rivals."""

import numpy as np
from scipy.stats import norm

from training.benchmarks.harness import Results
from training.benchmarks.health.faults import CLEAN, DATA, MILD, MODEL, POPULATION, SHIFTED
from training.benchmarks.health.monitors import OURS, RIVALS
from training.benchmarks.health.trial import SIZES

GROUPS = (DATA, POPULATION, MODEL)
ORDER = (CLEAN, MILD, *GROUPS, SHIFTED)
#: Whose faults an origin is named of.
ORIGINS = {
    "of data and model": (DATA, MODEL),
    "of a model whose traffic has moved mildly as well": (SHIFTED,),
}
#: Standard errors of a bound that holds for all rivals, groups and sizes together.
Z = float(norm.ppf(1 - 0.05 / (len(RIVALS) * len(GROUPS) * len(SIZES))))

Rows = dict[tuple[str, str], list[dict[str, float]]]


def rows_of(trials: Results, model: str) -> tuple[str, Rows]:
    """The latest bundle of a model that was tried, and its figures by group and fault."""
    latest = [key[1] for key in trials.rows if key[0] == model][-1]
    rows: Rows = {}
    for key, figures in trials.rows.items():
        if key[:2] == (model, latest):
            rows.setdefault((key[2], key[3]), []).append(figures)
    order = {group: number for number, group in enumerate(ORDER)}
    return latest, dict(sorted(rows.items(), key=lambda row: order.get(row[0][0], len(order))))


def streamed(streams: Results, model: str, bundle: str) -> dict[str, float]:
    """Figures of a bundle's clean streams, added up over orders and seeds."""
    folds = [figures for key, figures in streams.rows.items() if key[:2] == (model, bundle)]
    return {name: sum(figures[name] for figures in folds) for name in folds[0]} if folds else {}


def named_rightly(rows: Rows, groups: tuple[str, ...]) -> dict[tuple[str, str], float]:
    """How often the origin was named rightly, by fault of some groups, where a verdict turned."""
    by_fault = {fault: rightly(fault[0], folds) for fault, folds in rows.items() if fault[0] in groups}
    return {fault: share for fault, share in by_fault.items() if share is not None}


def best_lead(rows: Rows, group: str, size: int) -> tuple[float, float, str]:
    """The best rival's lead, the largest bound of any rival's, and which is the best."""
    bounds = []
    for rival in RIVALS:
        gaps = by_fold(rows, group, f"{rival} {size}") - by_fold(rows, group, f"{OURS} {size}")
        error = gaps.std(ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else 0.0
        bounds.append((float(gaps.mean()), float(gaps.mean() + Z * error), rival))
    lead, _, rival = max(bounds)
    return lead, max(bound for _, bound, _ in bounds), rival


def group_mean(rows: Rows, group: str, size: int, name: str = OURS) -> float:
    """A monitor's mean rate over the faults of a group."""
    return float(np.mean(of_group(rows, group, f"{name} {size}")))


def mean(folds: list[dict[str, float]], name: str) -> float:
    """A figure's mean over the folds of one fault."""
    return float(np.mean([figures[name] for figures in folds]))


def rightly(group: str, folds: list[dict[str, float]]) -> float | None:
    """How often the origin was right among the windows whose verdict turned; None where none did."""
    turned = np.array([figures["flagged"] for figures in folds])
    if group == CLEAN or not turned.sum():
        return None
    share = float(sum(figures["named input"] for figures in folds) / turned.sum())
    return 1 - share if group in (MODEL, SHIFTED) else share


def of_group(rows: Rows, group: str, name: str) -> list[float]:
    """A figure's mean of each fault of a group."""
    return [mean(folds, name) for (own, _), folds in rows.items() if own == group] or [float("nan")]


def by_fold(rows: Rows, group: str, name: str) -> np.ndarray:
    """A group's mean rate in each fold."""
    faults = [[figures[name] for figures in folds] for (own, _), folds in rows.items() if own == group]
    shortest = min((len(rates) for rates in faults), default=0)
    if not shortest:
        return np.array([0.0])
    return np.asarray(np.mean([rates[:shortest] for rates in faults], axis=0))
