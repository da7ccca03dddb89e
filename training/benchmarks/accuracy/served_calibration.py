"""Whether what is served is calibrated: the slope that a run reports beside that on new rows.

Tables are drawn from three made-up populations, a noisy one among them, and judged on 50,000 fresh rows;
HTRU2 and Tox21 on held-out thirds, of Tox21 whole scaffolds, and those of its rows apart that resemble
none of the other thirds. These are trained as they are served, Tox21 with its trees; tables by the
default recipe, and by a short one of small networks, which allows more draws. The map of the run is
compared with one fitted to the members that never saw a row, and with one fitted to the new rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector
from models.registry.store import Repository
from training.benchmarks.accuracy.populations import POPULATIONS, drawn_table
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.data import Dataset, load_htru2, load_tox21
from training.data.dataset import Replicates
from training.data.folds import fold_of, scaffold
from training.data.official.far_rows import far_rows
from training.evaluation.calibration import calibration_slope, fit_platt
from training.evaluation.metrics import confusion, log_loss, markdown_table
from training.pipeline.measures import reference_of
from training.pipeline.run import Fitted, feature_rows, fit
from training.recipes.official import RECIPES
from training.recipes.table import table_recipe

Array = NDArray[np.floating]

_ROWS, _FRESH = (500, 1500, 5000), 50_000
_KEYS = ("population", "recipe", "rows", "draw")
_FIGURES = (
    "naive", "served", "served_far", "reported", "excess_log_loss", "f1_reported", "f1_served",
    "p_05", "p_01",
)  # fmt: skip
_THIRDS = ("htru2", "tox21")


def run(_repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Return medians over ``seeds`` draws of a table or more, and over held-out thirds."""
    results = Results(REPORTS / "calibration.csv", _KEYS, _FIGURES)
    draws = dict.fromkeys(product(POPULATIONS, ("short", "default"), _ROWS), seeds)
    draws |= {(name, "default", 0): 3 for name in _THIRDS}
    jobs: list[dict[str, Any]] = [
        dict(zip(_KEYS, (*kind, draw), strict=True))
        for kind, count in draws.items()
        for draw in range(count)
    ]
    # An unfinished run should say most: the first draws of all come first.
    jobs.sort(key=lambda job: job["draw"])
    run_missing(results, jobs, judged, processes, say)
    return report(results)


def report(results: Results) -> str:
    """The table of all draws that there are."""
    kinds: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    for (name, recipe, number, _), figures in results.rows.items():
        kinds.setdefault((name, recipe, int(number)), []).append(figures)
    table = []
    for kind in sorted(kinds, key=lambda kind: (not kind[2], kind[1] == "default", kind[2], kind[0])):
        population, recipe, rows = kind
        own = kinds[kind]
        columns = {name: np.array([one[name] for one in own]) for name in _FIGURES}
        spread = f" ± {columns['served'].std(ddof=1):.2f}" if len(own) > 1 else ""
        table.append(
            (
                population,
                recipe,
                f"{rows:,}" if rows else "two thirds",
                len(own),
                f"{np.median(columns['naive']):.2f}",
                f"{np.median(columns['served']):.2f}{spread}",
                f"{np.median(columns['reported']):.2f}",
                f"{columns['excess_log_loss'].mean():+z.4f}",
                f"{columns['f1_reported'].mean():.3f}",
                f"{columns['f1_served'].mean():.3f}",
            )
        )
    header = (
        "population",
        "recipe",
        "rows",
        "draws",
        "slope by the map of the few",
        "slope as served ± sd",
        "slope reported",
        "log-loss above the best map's",
        "F1 reported",
        "F1 served",
    )
    title = (
        "Calibration slope of the served mean of all members on rows that none of them saw: medians over"
        " draws; 1 is calibrated. Log-loss in nats and F1 at the served cut-off are means over draws."
        " The short recipe has a few epochs and networks of two layers of 32 units."
    )
    return "\n".join([title, "", *markdown_table(header, table), "", *_held_out(kinds)])


def _held_out(kinds: Mapping[tuple[str, str, int], list[dict[str, float]]]) -> list[str]:
    """What is known of held-out thirds alone: slopes of unlike rows, and p-values; means over thirds."""
    rows = []
    for (population, _, number), own in sorted(kinds.items()):
        if number:
            continue
        far, *p_values = (
            np.array([one[name] for one in own]) for name in ("served_far", "p_05", "p_01")
        )
        slope = "–" if np.isnan(far).any() else f"{far.mean():.2f}"
        shown = (" / ".join(f"{value:.3f}" for value in values) for values in p_values)
        rows.append((population, len(own), slope, *shown))
    text = (
        "Of the held-out thirds, one figure for each: the share of rows whose p-value is at most .05 and"
        " at most .01, and the mean slope of rows without a relative (ECFP4, Tanimoto .4) among those"
        " that were learned."
    )
    columns = ("rows of", "thirds", "slope without relatives", "p ≤ .05", "p ≤ .01")
    return [text, "", *markdown_table(columns, rows)] if rows else []


def judged(job: Mapping[str, Any]) -> dict[str, float]:
    """Train on one draw or two thirds, and return the figures."""
    population, draw = str(job["population"]), int(job["draw"])
    if population in POPULATIONS:
        return _on_fresh_rows(population, str(job["recipe"]), int(job["rows"]), draw)
    dataset, keys = _LOADERS[population]()
    held_out = np.array([fold_of(f"0:{key}".encode(), 3) == draw for key in keys])
    learned, judged_rows = _part(dataset, ~held_out), _part(dataset, held_out)
    recipe = RECIPES[population]
    fitted = fit(learned, recipe, recipe.served, draw, _silent, _silent, processes=1)
    rows = feature_rows(judged_rows, fitted.featurizer)
    far = None
    if population == "tox21":
        far = far_rows([str(record) for record in dataset.records], held_out.astype(np.int8))[held_out]
    p_values = _p_values(fitted, rows)
    return _figures(fitted, rows, judged_rows.labels, far) | {
        "p_05": float((p_values <= 0.05).mean()),
        "p_01": float((p_values <= 0.01).mean()),
    }


def _p_values(fitted: Fitted, raw: NDArray[np.float32]) -> NDArray[np.float64]:
    """P-values ``(n,)`` of new raw rows ``(n, F)``, as the service gives them."""
    ensemble, folds = fitted.ensemble, fitted.dataset.folds
    reference = reference_of(ensemble, fitted.rows, fitted.member_logits(fitted.raw), folds)
    squashed = fitted.squash.transform(raw)
    numbers = range(len(ensemble.members))
    taps = np.stack([ensemble.member_taps(squashed, number) for number in numbers], axis=1)
    return Detector(reference).judge(taps, squashed)[0]


def _on_fresh_rows(population: str, kind: str, n: int, draw: int) -> dict[str, float]:
    rng = np.random.default_rng([draw, n])
    dataset = drawn_table(*POPULATIONS[population](n, rng))
    recipe = table_recipe(dataset)
    if kind == "short":
        small = tuple(replace(network, units=32, layers=2) for network in recipe.networks)
        recipe = replace(recipe, networks=small, contenders=())
    fitted = fit(dataset, recipe, recipe.served, 100 * draw, _silent, _silent, processes=1)
    fresh, fresh_labels = POPULATIONS[population](_FRESH, rng)
    rows = fitted.featurizer.featurize(fresh.tolist()).rows
    return _figures(fitted, rows, fresh_labels[:, None])


def _figures(
    fitted: Fitted, rows: NDArray[np.float32], labels: Array, far: NDArray[np.bool_] | None = None
) -> dict[str, float]:
    """Figures of the served mean on raw rows ``(n, F)``; slopes pooled over targets.

    ``far`` ``(n,)`` are the rows of a kind that was never learned, whose slope is a figure of its own.
    """
    mean = fitted.member_logits(rows).mean(axis=1, dtype=np.float64)
    known, calibration = fitted.dataset.labels, fitted.calibration
    served, naive, best = np.full((3, *mean.shape), np.nan)
    for target, (y, z) in enumerate(zip(labels.T, mean.T, strict=True)):
        learned, new = np.isfinite(known[:, target]), np.isfinite(y)
        few = fit_platt(known[learned, target], fitted.out_of_fold[learned, target])
        served[:, target], naive[:, target] = calibration.maps[target](z), few(z)
        best[:, target] = fit_platt(y[new], z[new])(z)
    new, learned = np.isfinite(labels), np.isfinite(known)
    calls = served >= calibration.thresholds
    new_far = new & far[:, None] if far is not None else np.zeros_like(new)
    return {
        "naive": calibration_slope(labels[new], naive[new]),
        "served": calibration_slope(labels[new], served[new]),
        "served_far": calibration_slope(labels[new_far], served[new_far]) if new_far.any() else np.nan,
        "reported": calibration_slope(known[learned], calibration.served[learned]),
        "excess_log_loss": log_loss(labels[new], served[new]) - log_loss(labels[new], best[new]),
        "f1_reported": confusion(known[learned], calibration.calls[learned]).f1,
        "f1_served": confusion(labels[new], calls[new]).f1,
        "p_05": np.nan,
        "p_01": np.nan,
    }


def _part(dataset: Dataset, rows: NDArray[np.bool_]) -> Dataset:
    samples = dataset.replicates
    return replace(
        dataset,
        records=[record for record, kept in zip(dataset.records, rows, strict=True) if kept],
        labels=dataset.labels[rows],
        folds=dataset.folds[rows],
        replicates=None if samples is None else Replicates(samples.shares[rows], samples.counts[rows]),
        parts={name: part[rows] for name, part in dataset.parts.items()},
    )


def _htru2() -> tuple[Dataset, list[str]]:
    dataset = load_htru2()
    return dataset, [str(record) for record in dataset.records]


def _tox21() -> tuple[Dataset, list[str]]:
    dataset = load_tox21()
    return dataset, [scaffold(str(record)) for record in dataset.records]


_LOADERS: dict[str, Callable[[], tuple[Dataset, list[str]]]] = {"htru2": _htru2, "tox21": _tox21}


def _silent(*_: object) -> None:
    """Say and watch nothing."""
