"""Whether intervals hold: an ensemble, and ten refits of it with other seeds and resampled rows.

Each is fitted to two thirds of a data set, or to rows drawn with replacement from these, and judges the
rest. Tox21 is refitted with small networks alone, of two rounds; HTRU2 is as it is served.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
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
from training.pipeline.measures import spreads_of
from training.pipeline.run import Fitted, feature_rows, fit
from training.recipes.official import HTRU2, TOX21, ModelRecipe
from training.recipes.table import table_recipe

Array = NDArray[np.floating]

_FIGURES = ("members", "rows", "coverage", "least_refit", "most_refit", "least_target", "most_target")
_ROWS, _REFITS = 4500, 10
_SMALL = tuple(
    replace(network, units=64, layers=3, epochs=8, batch_size=256) for network in TOX21.networks[:2]
)


def run(_repository: Repository, _seeds: int, processes: int, say: Say) -> str:
    """Return the share of answers of refits that are within 90 % intervals."""
    results = Results(REPORTS / "refits.csv", ("data",), _FIGURES)
    run_missing(results, [{"data": name} for name in _DATA], judged, processes, say)
    rows = [
        (
            name,
            f"{own['members']:.0f}",
            f"{own['rows']:,.0f}",
            f"{own['coverage']:.1%}",
            f"{own['least_refit']:.1%} to {own['most_refit']:.1%}",
            f"{own['least_target']:.1%} to {own['most_target']:.1%}",
        )
        for (name,), own in results.rows.items()
    ]
    columns = ("data", "members", "new rows", "within", "by refit", "by target")
    title = f"Answers of {_REFITS} refits on new rows within the 90 % intervals of an ensemble."
    return "\n".join([title, "", *markdown_table(columns, rows)])


def judged(job: Mapping[str, Any]) -> dict[str, float]:
    """Fit the ensemble and its refits, and return the figures."""
    dataset, recipe = _DATA[str(job["data"])]()
    rng = np.random.default_rng(7)
    order = rng.permutation(len(dataset))
    new, known = (np.sort(part) for part in np.split(order, [len(order) // 3]))
    unseen = _part(dataset, new)
    first = fit(_part(dataset, known), recipe, recipe.rounds, 0, _silent, _silent, processes=1)
    members, logit = _logits(first, unseen)
    of = first.rounds, first.trees, first.recipe.served, first.squash
    made = spreads_of(*of, first.raw, first.dataset.folds)
    assert made is not None
    slope = np.array([platt.slope for platt in first.calibration.maps])
    factor, typical = np.array([[own.factor, own.typical] for own in made]).T
    half = factor * slope * np.sqrt((members.var(axis=1, ddof=1) + np.square(typical)) / 2)
    within = []
    for number in range(1, _REFITS + 1):
        again = _part(dataset, np.sort(rng.choice(known, len(known))))
        served = first.recipe.served
        refit = fit(again, first.recipe, served, 1000 * number, _silent, _silent, processes=1)
        within.append(np.abs(_logits(refit, unseen)[1] - logit) <= half)
    shares = np.array(within, dtype=np.float64)
    by_refit, by_target = shares.mean(axis=(1, 2)), shares.mean(axis=(0, 1))
    return {
        "members": members.shape[1],
        "rows": len(new),
        "coverage": float(shares.mean()),
        "least_refit": float(by_refit.min()),
        "most_refit": float(by_refit.max()),
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
    "tox21, small networks": lambda: (
        load_tox21(),
        replace(TOX21, networks=_SMALL, rounds=2, served=2, trees=None),
    ),
}


def _silent(*_: object) -> None:
    """Say and watch nothing."""
