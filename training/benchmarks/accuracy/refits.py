"""Whether intervals hold: an ensemble, and ten refits of it with other seeds and resampled rows.

Each is fitted to two thirds of a data set, or to rows drawn with replacement from these, and judges the
rest. HTRU2 and Tox21 are as they are served; Tox21 is also refitted with small networks beside its
trees, which takes a third of the time. A run that is killed loses the refit in progress.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.registry.store import Repository
from training.benchmarks.accuracy.populations import POPULATIONS, drawn_table
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.data import Dataset, load_htru2, load_tox21
from training.data.dataset import Replicates
from training.evaluation.metrics import markdown_table
from training.networks.trees import with_trees
from training.pipeline.run import Fitted, feature_rows, fit, refit_spreads
from training.recipes.official import HTRU2, TOX21, ModelRecipe
from training.recipes.table import table_recipe

Array = NDArray[np.floating]

_FIGURES = ("members", "rows", "coverage", "least_target", "most_target")
_ROWS, _REFITS = 4500, 10
_SMALL = tuple(
    replace(network, units=64, layers=3, epochs=8, batch_size=256) for network in TOX21.networks
)


def run(_repository: Repository, _seeds: int, processes: int, say: Say) -> str:
    """Return the share of answers of refits that are within 90 % intervals."""
    results = Results(REPORTS / "refits.csv", ("data", "refit"), _FIGURES)
    for name in _DATA:
        jobs = [{"data": name, "refit": number} for number in range(1, _REFITS + 1)]
        run_missing(results, jobs, judged, processes, say)
    return _report(results)


def _report(results: Results) -> str:
    rows = []
    for name in _DATA:
        own = [figures for (data, _), figures in results.rows.items() if data == name]
        if not own:
            continue
        coverage, least, most = (
            [figures[column] for figures in own]
            for column in ("coverage", "least_target", "most_target")
        )
        rows.append(
            (
                name,
                f"{own[0]['members']:.0f}",
                f"{own[0]['rows']:,.0f}",
                len(own),
                f"{np.mean(coverage):.1%}",
                f"{min(coverage):.1%} to {max(coverage):.1%}",
                f"{np.mean(least):.1%} to {np.mean(most):.1%}",
            )
        )
    columns = ("data", "members", "new rows", "refits", "within", "by refit", "by target")
    text = (
        "`python -m training benchmark refits`. Answers of refits, with other seeds and resampled rows,"
        " on new rows: the share within the 90 % intervals of an ensemble. By target: the mean over"
        " refits of the lowest and of the highest share."
    )
    return "\n".join(["# Intervals", "", text, "", *markdown_table(columns, rows)])


@dataclass(frozen=True)
class _First:
    """An ensemble, the rows that it learned from by index, and its logits and intervals of others."""

    dataset: Dataset
    fitted: Fitted
    known: NDArray[np.intp]
    unseen: Dataset
    members: int
    logit: Array
    half: Array


@cache
def _first(data: str) -> _First:
    dataset, recipe = _DATA[data]()
    order = np.random.default_rng(7).permutation(len(dataset))
    new, known = (np.sort(part) for part in np.split(order, [len(order) // 3]))
    unseen = _part(dataset, new)
    fitted = fit(_part(dataset, known), recipe, recipe.rounds, 0, _silent, _silent, processes=1)
    members, logit = _logits(fitted, unseen)
    made = refit_spreads(fitted, 0, _silent)
    assert made is not None
    slope = np.array([platt.slope for platt in fitted.calibration.maps])
    factor, typical = np.array([[own.factor, own.typical] for own in made]).T
    half = factor * slope * np.sqrt((members.var(axis=1, ddof=1) + np.square(typical)) / 2)
    return _First(dataset, fitted, known, unseen, members.shape[1], logit, half)


def judged(job: Mapping[str, Any]) -> dict[str, float]:
    """Refit an ensemble, which a process fits once for all its refits, and return the figures."""
    first, number = _first(str(job["data"])), int(job["refit"])
    rng = np.random.default_rng((7, number))
    again = _part(first.dataset, np.sort(rng.choice(first.known, len(first.known))))
    recipe = first.fitted.recipe
    refit = fit(again, recipe, recipe.served, 1000 * number, _silent, _silent, processes=1)
    within = np.abs(_logits(refit, first.unseen)[1] - first.logit) <= first.half
    by_target = within.mean(axis=0)
    return {
        "members": first.members,
        "rows": len(first.unseen),
        "coverage": float(within.mean()),
        "least_target": float(by_target.min()),
        "most_target": float(by_target.max()),
    }


def _logits(fitted: Fitted, unseen: Dataset) -> tuple[Array, Array]:
    """The members' logits ``(n, M, T)`` and the calibrated ones ``(n, T)`` of new rows."""
    raw = feature_rows(unseen, fitted.featurizer)
    members = with_trees(fitted.ensemble, fitted.trees, fitted.squash, raw).astype(np.float64)
    maps = np.array([(platt.slope, platt.intercept) for platt in fitted.calibration.maps])
    return members, maps[:, 0] * members.mean(axis=1) + maps[:, 1]


def _part(dataset: Dataset, rows: NDArray[np.intp]) -> Dataset:
    samples = dataset.replicates
    return replace(
        dataset,
        records=[dataset.records[row] for row in rows],
        labels=dataset.labels[rows],
        folds=dataset.folds[rows],
        replicates=None if samples is None else Replicates(samples.shares[rows], samples.counts[rows]),
        parts={},
    )


def _drawn() -> tuple[Dataset, ModelRecipe]:
    dataset = drawn_table(*POPULATIONS["noisy"](_ROWS, np.random.default_rng(7)))
    return dataset, table_recipe(dataset)


_DATA: dict[str, Callable[[], tuple[Dataset, ModelRecipe]]] = {
    "htru2": lambda: (load_htru2(), HTRU2),
    "noisy table": _drawn,
    "tox21, small networks": lambda: (load_tox21(), replace(TOX21, networks=_SMALL)),
    "tox21": lambda: (load_tox21(), TOX21),
}


def _silent(*_: object) -> None:
    """Say and watch nothing."""
