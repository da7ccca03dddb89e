"""Tox21 by depth and method: the paper's table 3 on a scaffold split, then five folds.

1. *inner*: the learning rate and the dropout of each method and depth are chosen on fold 1, by networks
   that saw neither fold 0 nor fold 1. The best values at 32 layers differ from those at two.
2. Trained without fold 0 and judged there, for every seed: the paper's table.
3. Each method at its best depth of step 2, judged on the other folds too.

Random forest and gradient boosting on the same features and folds: ``benchmark tox21-served``.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.registry.store import Repository
from training.benchmarks.accuracy.tox21.by_depth_report import aucs_by_depth, draw, report
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.data import Dataset, featurizer_for, load_tox21
from training.evaluation.metrics import target_aucs
from training.networks.preprocessing import fit_squash
from training.networks.rivals import METHODS, fit_scores
from training.networks.training_loop import Recipe
from training.pipeline.run import feature_rows
from training.recipes.official import TOX21

DEPTHS = (2, 4, 8, 16, 32)
RATES = (1e-3, 3e-3)
DROPOUTS = (0.0, 0.05)
RECIPE = Recipe(units=128, input_dropout=0.2, weight_decay=1e-2, epochs=25)
#: What identifies a fit. Results of another recipe or featurizer stay in the file and are not used.
KEYS = ("stage", "method", "layers", "rate", "dropout", "units", "epochs", "features", "seed", "fold")
_JUDGED, _INNER, _FOLDS = 0, 1, 5

Job = dict[str, Any]


def run(_repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Run what is missing of the three steps; return the report of all that is there."""
    results = Results(REPORTS / "tox21.csv", KEYS, ("mean", *_data()[0].targets))
    run_missing(results, inner_jobs(), fit, processes, say)
    run_missing(results, depth_jobs(results, seeds), fit, processes, say)
    run_missing(results, fold_jobs(results, seeds), fit, processes, say)
    by_depth, by_fold = depth_jobs(results, seeds), fold_jobs(results, seeds)
    draw(results, by_depth, REPORTS / "tox21.svg")
    return report(results, by_depth, by_fold, RECIPE, choices=len(RATES) * len(DROPOUTS))


def _shapes() -> list[tuple[str, int]]:
    """All methods and depths; the paper has no residual network of 32 blocks either."""
    return [(m, depth) for depth in DEPTHS for m in METHODS if (m, depth) != ("residual", 32)]


def inner_jobs() -> list[Job]:
    """Step 1: every choice of every method and depth."""
    return [job for method, depth in _shapes() for job in _choices(method, depth)]


def depth_jobs(results: Results, seeds: int) -> list[Job]:
    """Step 2, ordered by seed; needs step 1."""
    best = [_best(results, method, depth) for method, depth in _shapes()]
    return [_judged(job, seed, _JUDGED) for seed in range(seeds) for job in best]


def fold_jobs(results: Results, seeds: int) -> list[Job]:
    """Step 3, whose fits on fold 0 are step 2's; needs that."""
    by_depth = depth_jobs(results, seeds)
    aucs = aucs_by_depth(results, by_depth)

    def mean(shape: tuple[str, int]) -> float:
        return float(np.mean(aucs[shape] or [0.0]))

    shapes = [max((key for key in aucs if key[0] == method), key=mean) for method in METHODS]
    best = [_best(results, method, depth) for method, depth in shapes]
    return [_judged(job, seed, fold) for seed in range(seeds) for job in best for fold in range(_FOLDS)]


def _choices(method: str, layers: int) -> list[Job]:
    """What step 1 tries for one method and depth."""
    return [
        {
            "stage": "inner",
            "method": method,
            "layers": layers,
            "rate": rate,
            "dropout": dropout,
            "units": RECIPE.units,
            "epochs": RECIPE.epochs,
            "features": _data()[0].featurizer,
            "seed": 0,
            "fold": _INNER,
        }
        for rate, dropout in product(RATES, DROPOUTS)
    ]


def _best(results: Results, method: str, layers: int) -> Job:
    """The choice of step 1 that scored best."""
    return max(_choices(method, layers), key=lambda job: (results.get(job) or {"mean": 0.0})["mean"])


def _judged(job: Job, seed: int, fold: int) -> Job:
    return job | {"stage": "judged", "seed": seed, "fold": fold}


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
    dataset = _data()[0]
    held_out = (_JUDGED, _INNER) if job["stage"] == "inner" else (int(job["fold"]),)
    recipe = replace(
        RECIPE,
        layers=job["layers"],
        learning_rate=job["rate"],
        dropout=job["dropout"],
        units=job["units"],
        epochs=job["epochs"],
    )
    learn = np.flatnonzero(~np.isin(dataset.folds, held_out))
    seed = 1000 * job["seed"] + job["fold"]
    scores = fit_scores(job["method"], recipe, _squashed(held_out), dataset.labels, learn, seed)
    judge = dataset.folds == job["fold"]
    aucs = target_aucs(dataset.labels[judge], scores[judge])
    return {"mean": float(np.nanmean(aucs)), **dict(zip(dataset.targets, aucs.tolist(), strict=True))}
