"""Tox21 by depth and method: the paper's table 3 on a scaffold split, then five folds.

1. *rate*: each method's learning rate is chosen at eight layers on fold 1, by networks that saw
   neither fold 0 nor fold 1.
2. *depth*: trained without fold 0 and judged there, for every seed: the paper's table.
3. *folds*: each method at its best depth of step 2, judged on all five folds; random forest and
   gradient boosting beside them on the same features.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from models.store import Repository
from training.benchmarks.results import REPORTS, Results, Say, run_missing
from training.benchmarks.tox21_report import report
from training.data import Dataset, featurizer_for, load_tox21
from training.metrics import mean_auc, target_aucs
from training.recipes import TOX21
from training.rivals import METHODS, build
from training.run import feature_rows
from training.squash import fit_squash
from training.train import Recipe, train_network

DEPTHS = (2, 4, 8, 16, 32)
RATES = (1e-3, 3e-3)
RECIPE = Recipe(units=128, dropout=0.05, input_dropout=0.2, weight_decay=1e-2, epochs=15)
FORESTS = ("random forest", "gradient boosting")
KEYS = ("stage", "method", "layers", "rate", "seed", "fold")
_JUDGED, _INNER, _FOLDS = 0, 1, 5

Job = dict[str, Any]


def run(_repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Run what is missing of the three steps; return the report of all that is there."""
    results = Results(REPORTS / "tox21.csv", KEYS, ("mean", *_data()[0].targets))
    run_missing(results, rate_jobs(), fit, processes, say)
    run_missing(results, depth_jobs(results, seeds), fit, processes, say)
    run_missing(results, fold_jobs(results, seeds), fit, processes, say)
    return report(results, depth_jobs(results, seeds), fold_jobs(results, seeds), RECIPE)


def shapes() -> list[tuple[str, int]]:
    """All methods and depths; the paper has no residual network of 32 blocks either."""
    return [(m, depth) for depth in DEPTHS for m in METHODS if (m, depth) != ("residual", 32)]


def rate_jobs() -> list[Job]:
    """Step 1."""
    return [
        {"stage": "rate", "method": method, "layers": 8, "rate": rate, "seed": 0, "fold": _INNER}
        for method in METHODS
        for rate in RATES
    ]


def depth_jobs(results: Results, seeds: int) -> list[Job]:
    """Step 2, a seed of all methods after the other; needs step 1."""
    return [
        {
            "stage": "depth",
            "method": method,
            "layers": depth,
            "rate": _best_rate(results, method),
            "seed": seed,
            "fold": _JUDGED,
        }
        for seed in range(seeds)
        for method, depth in shapes()
    ]


def fold_jobs(results: Results, seeds: int) -> list[Job]:
    """Step 3; needs step 2. A seed's forests are one job a fold for all twelve assays."""
    made = depth_jobs(results, seeds)
    best: list[tuple[str, int, float]] = []
    for method in METHODS:
        jobs = [job for job in made if job["method"] == method]
        depth = max({job["layers"] for job in jobs}, key=lambda one: _mean(results, jobs, one))
        best.append((method, depth, _best_rate(results, method)))
    best += [(forest, 0, 0.0) for forest in FORESTS]
    return [
        {
            "stage": "folds",
            "method": method,
            "layers": depth,
            "rate": rate,
            "seed": seed,
            "fold": fold,
        }
        for seed in range(seeds)
        for method, depth, rate in best
        for fold in range(_FOLDS)
        # Forests hardly depend on their seed, and cost most.
        if seed == 0 or method not in FORESTS
    ]


def _best_rate(results: Results, method: str) -> float:
    tried = {
        job["rate"]: row["mean"]
        for job in rate_jobs()
        if job["method"] == method and (row := results.get(job))
    }
    return float(max(tried, key=lambda rate: tried[rate]))


def _mean(results: Results, jobs: list[Job], depth: int) -> float:
    rows = [results.get(job) for job in jobs if job["layers"] == depth]
    return float(np.mean([row["mean"] for row in rows if row]))


@cache
def _data() -> tuple[Dataset, NDArray[np.float32], tuple[str, ...]]:
    """The data set, its raw features and their names; once in every process."""
    dataset = load_tox21()
    featurizer = featurizer_for(dataset)
    return dataset, feature_rows(dataset, featurizer), featurizer.names


@cache
def _squashed(held_out: tuple[int, ...]) -> NDArray[np.float32]:
    """Network inputs of all rows, by a squash fitted without the held-out folds."""
    dataset, raw, names = _data()
    learn = ~np.isin(dataset.folds, held_out)
    return fit_squash(raw[learn], names, TOX21.blocks).transform(raw)


def fit(job: Mapping[str, Any]) -> dict[str, float]:
    """Fit one method without the folds it must not see; return AUCs on the judged fold."""
    dataset, _, _ = _data()
    judge = dataset.folds == job["fold"]
    held_out = (_JUDGED, _INNER) if job["stage"] == "rate" else (int(job["fold"]),)
    learn = ~np.isin(dataset.folds, held_out)
    if job["method"] in FORESTS:
        scores = _forest(job["method"], job["seed"], learn, judge)
    else:
        scores = _network(job, held_out, learn, judge)
    labels = dataset.labels[judge]
    by_target = dict(zip(dataset.targets, target_aucs(labels, scores).tolist(), strict=True))
    return {"mean": mean_auc(labels, scores)} | by_target


def _network(
    job: Mapping[str, Any],
    held_out: tuple[int, ...],
    learn: NDArray[np.bool_],
    judge: NDArray[np.bool_],
) -> NDArray[np.float64]:
    dataset, rows = _data()[0], _squashed(held_out)
    recipe = replace(RECIPE, layers=job["layers"], learning_rate=job["rate"])
    torch.manual_seed(1000 * job["seed"] + job["fold"])
    network = train_network(
        build(job["method"], recipe, rows.shape[1], len(dataset.targets)),
        rows[learn],
        dataset.labels[learn],
        (rows[learn][:64], dataset.labels[learn][:64]),
        recipe,
        lambda _: None,
    )
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(rows[judge])).numpy(), dtype=np.float64)


def _forest(
    method: str, seed: int, learn: NDArray[np.bool_], judge: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """One model for each assay, of its measured rows, with the library's defaults and 300 trees."""
    dataset, raw, _ = _data()
    # A forest takes no undefined values in every release: 0 stands for them.
    rows = np.nan_to_num(raw, nan=0.0) if method == "random forest" else raw
    scores = np.empty((int(judge.sum()), len(dataset.targets)))
    for column, y in enumerate(dataset.labels.T):
        known = learn & ~np.isnan(y)
        model: Any = (
            RandomForestClassifier(300, random_state=seed)
            if method == "random forest"
            else HistGradientBoostingClassifier(random_state=seed)
        )
        scores[:, column] = model.fit(rows[known], y[known]).predict_proba(rows[judge])[:, 1]
    return scores
