"""Quantities: the default recipe for own tables beside gradient boosting, on the same outer folds.

Each outer fold is predicted by a model that was trained on the others: values by the mean of all its
members, as they are served, and intervals by its own margin. Boosting takes the best of three settings
by folds within the rows that it learns from; one of them is scikit-learn's default.
"""

from collections.abc import Mapping
from functools import cache
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, make_friedman1, make_friedman2, make_friedman3
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GridSearchCV, KFold

from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.data.official.uci import read_set
from training.data.tables.arrays import Answers, dataset_of_arrays, records_of
from training.evaluation.metrics import markdown_table, wilson
from training.networks.onnx_answers import QuantityAnswer
from training.pipeline.kinds import quantities_of
from training.pipeline.run import fit
from training.recipes.table import table_recipe

Array = NDArray[np.float64]

_FOLDS = 5
_ROWS = 1_000
#: Made-up functions (J. H. Friedman, Ann. Stat. 19 (1991) 1; L. Breiman 1996), with noise.
_MADE: dict[str, Any] = {
    "friedman1": lambda: make_friedman1(_ROWS, noise=1.0, random_state=0),
    "friedman2": lambda: make_friedman2(_ROWS, noise=125.0, random_state=0),
    "friedman3": lambda: make_friedman3(_ROWS, noise=0.1, random_state=0),
}
#: Sets of the UCI collection whose classes are ordered, taken as numbers.
_ORDERED = ("wine-quality-red", "wine-quality-white")
_SETS = ("diabetes", *_MADE, *_ORDERED)
_SETTINGS = {"learning_rate": [0.1, 0.05], "max_leaf_nodes": [31, 8]}
#: The goals: RMSE relative to boosting's, and the part of rows that intervals of 90 % hold.
_MOST, _COVERAGE = 1.03, (0.87, 0.93)


def run(_repository: Repository, _seeds: int, processes: int, say: Say) -> str:
    """Return the table of all sets; fits that are not done are run, and the seed is 0."""
    figures = ("rows", "variance", "own", "boosting", "held", "width", "seconds")
    results = Results(REPORTS / "regression.csv", ("set", "fold"), figures)
    jobs = [{"set": name, "fold": fold} for name in _SETS for fold in range(_FOLDS)]
    run_missing(results, jobs, _fit, processes, say)
    return report(results)


def report(results: Results) -> str:
    """Return the table of the sets whose folds are all done."""
    done = {
        name: [fold for at in range(_FOLDS) if (fold := results.rows.get((name, str(at))))]
        for name in _SETS
    }
    rows = [_row(name, folds) for name, folds in done.items() if len(folds) == _FOLDS]
    columns = ("set", "rows", "sd", "RMSE, SNN", "RMSE, boosting", "ratio")
    title = (
        f"Quantities, {_FOLDS} outer folds, default recipe; goals: a ratio of {_MOST} at most, and"
        f" intervals of 90 % that hold {_COVERAGE[0]:.0%} to {_COVERAGE[1]:.0%}. The ratio has the sd"
        " over folds, coverage its 95 % interval"
    )
    table = markdown_table((*columns, "coverage", "width / sd", "seconds a fit", "goals"), rows)
    return "\n".join([title, "", *table])


@cache
def rows_of(name: str) -> tuple[Array, Array]:
    """The rows ``(n, F)`` and values ``(n,)`` of a set."""
    if name == "diabetes":
        return load_diabetes(return_X_y=True, scaled=False)  # type: ignore[no-any-return]
    if name in _MADE:
        return _MADE[name]()  # type: ignore[no-any-return]
    cells = np.array(read_set(name)[1], dtype=np.float64)
    return cells[:, :-1], cells[:, -1]


def _fit(job: Mapping[str, Any]) -> dict[str, float]:
    """Both methods on one outer fold: sums of squared errors, rows held, the mean width."""
    rows, values = rows_of(job["set"])
    learn, judge = list(KFold(_FOLDS, shuffle=True, random_state=0).split(rows))[int(job["fold"])]
    began = process_time()
    own, ends = _predicted(rows[learn], values[learn], rows[judge])
    seconds = process_time() - began
    search = GridSearchCV(
        HistGradientBoostingRegressor(random_state=0),
        _SETTINGS,
        scoring="neg_mean_squared_error",
        cv=KFold(3, shuffle=True, random_state=0),
    )
    boosting = search.fit(rows[learn], values[learn]).predict(rows[judge])
    truth = values[judge]
    return {
        "rows": len(judge),
        "variance": float(values.var()),
        "own": float(np.sum(np.square(own - truth))),
        "boosting": float(np.sum(np.square(boosting - truth))),
        "held": float(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).sum()),
        "width": float((ends[:, 1] - ends[:, 0]).mean()),
        "seconds": seconds,
    }


def _predicted(rows: Array, values: Array, others: Array) -> tuple[Array, Array]:
    """Values ``(m,)`` and interval ends ``(m, 2)`` of other rows, by a model of these."""
    names = tuple(f"x{column}" for column in range(rows.shape[1]))
    dataset = dataset_of_arrays(rows, Answers.of_values(values, "y"), names, ())
    recipe = table_recipe(dataset)
    fitted = fit(dataset, recipe, recipe.served, 0, lambda _: None, lambda *_: None, processes=1)
    made = fitted.quantities
    assert made is not None
    raw = fitted.featurizer.featurize(records_of(others, dataset)).rows
    mean = fitted.member_logits(raw).mean(axis=1)
    answer = QuantityAnswer(quantities_of(dataset, made))
    value, ends = answer.compute(torch.from_numpy(mean))
    return np.asarray(value[:, 0], dtype=np.float64), np.asarray(ends[:, 0], dtype=np.float64)


def _row(name: str, folds: list[dict[str, float]]) -> tuple[object, ...]:
    """A set's row of the table."""
    total = {figure: sum(fold[figure] for fold in folds) for figure in folds[0]}
    count, spread = int(total["rows"]), float(np.sqrt(folds[0]["variance"]))
    own, other = (np.sqrt(total[method] / count) for method in ("own", "boosting"))
    ratios = [np.sqrt(fold["own"] / fold["boosting"]) for fold in folds]
    held = total["held"] / count
    low, high = wilson(int(total["held"]), count)
    met = [own / other <= _MOST, _COVERAGE[0] <= held <= _COVERAGE[1]]
    missed = [goal for goal, reached in zip(("RMSE", "coverage"), met, strict=True) if not reached]
    return (
        name,
        f"{count:,}",
        f"{spread:.4g}",
        f"{own:.4g}",
        f"{other:.4g}",
        f"{own / other:.3f} ± {np.std(ratios, ddof=1):.3f}",
        f"{held:.1%} ({low:.1%}–{high:.1%})",
        f"{total['width'] / len(folds) / spread:.2f}",
        f"{total['seconds'] / len(folds):.0f}",
        "met" if not missed else f"missed: {', '.join(missed)}",
    )
