"""Our default beside others' on the UCI tables of the paper's section 4.1, on the same folds.

Every table is written as CSV and loaded as a user's own, and trained by the default recipe. Tables that
``train`` refuses, with its reason, are listed and not judged. A fit is a row of the CSV beside the
report, so that a run which was stopped goes on; RealMLP takes part where pytabkit is installed.
"""

import csv
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, wilcoxon
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from models.registry.store import Repository
from training.benchmarks.accuracy.tables import boosted, figure
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.data import Dataset, Reading, featurizer_for, load_table
from training.data.official.uci import members, read_sets
from training.errors import DataError
from training.evaluation.metrics import markdown_table
from training.pipeline.run import feature_rows, fit
from training.recipes.table import table_recipe

Array = NDArray[np.floating]

SNN = "SNN"
_BOOSTING = "boosting"
_REALMLP = "RealMLP"
_TARGET = "clase"
#: Support vector machines take time that grows with the square of the rows; RealMLP takes long.
_MOST_ROWS = {"SVM": 10_000, _REALMLP: 5_000}
_MOST_OF_ALL = 70_000
_LARGE, _LARGER = 1_000, 20_000

#: Klambauer et al. 2017, table 1: the average difference of ranks to all others over 121 data sets.
_PAPER = {
    "SNN": -0.756,
    "MSRAinit": -0.240,
    "LayerNorm": -0.198,
    "Highway": 0.021,
    "ResNet": 0.273,
    "WeightNorm": 0.397,
    "BatchNorm": 0.504,
}


def run(_repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Run what the CSV lacks, with ``seeds`` seeds of each method; return the report."""
    results = Results(REPORTS / "uci.csv", ("set", "method", "seed"), ("rows", "figure", "seconds"))
    refused: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sizes = {}
        for name in write_sets(folder, tuple(members())):
            try:
                sizes[name] = len(_load(folder, name))
            except DataError as error:
                refused[name] = str(error)
            if sizes.get(name, 0) > _MOST_OF_ALL:
                refused[name] = f"{sizes.pop(name):,} rows, of which a fit takes too long"
        jobs = [
            {"set": name, "method": method, "seed": seed, "folder": str(folder)}
            for name in sorted(sizes, key=lambda name: _turn(sizes[name]))
            for method in methods()
            if sizes[name] <= _MOST_ROWS.get(method, _MOST_OF_ALL)
            for seed in range(seeds)
        ]
        run_missing(results, jobs, fitted, processes, say)
    return report(results, refused)


def _turn(rows: int) -> tuple[bool, int]:
    """When a table's turn comes: those that tell most first, the smallest of them before."""
    return not _LARGE <= rows <= _LARGER, rows


def methods() -> tuple[str, ...]:
    """The methods that can be run here."""
    return (*_RIVALS, _REALMLP) if find_spec("pytabkit") else tuple(_RIVALS)


def write_sets(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Write sets of the collection as CSV files; return their names."""
    for name, (columns, rows) in read_sets(names).items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])
    return list(names)


def fitted(job: Mapping[str, Any]) -> dict[str, float]:
    """Fit one method on one table: AUC of two classes or accuracy of more, out-of-fold."""
    dataset = _load(Path(job["folder"]), job["set"])
    method, seed, began = job["method"], int(job["seed"]), process_time()
    scores = _realmlp(dataset, seed) if method == _REALMLP else _RIVALS[method](dataset, seed)
    value = figure(dataset, scores, np.arange(len(dataset)))
    return {"rows": len(dataset), "figure": value, "seconds": process_time() - began}


def _load(folder: Path, name: str) -> Dataset:
    return load_table(name, folder / f"{name}.csv", Reading(target=_TARGET))


def _snn(dataset: Dataset, seed: int) -> Array:
    recipe = table_recipe(dataset)
    made = fit(dataset, recipe, recipe.served, seed, lambda _: None, lambda *_: None, processes=1)
    return made.out_of_fold


def _held_out(dataset: Dataset, make: Callable[[], Any]) -> Array:
    """Out-of-fold scores ``(n, T)`` of a classifier of scikit-learn's interface."""
    featurizer = featurizer_for(dataset)
    rows = feature_rows(dataset, featurizer)
    plain = [at for at, name in enumerate(featurizer.names) if not name.startswith("≥ ")]
    rows = np.nan_to_num(rows[:, plain])
    labels = dataset.labels.argmax(axis=1) if dataset.exclusive else dataset.labels[:, 0]
    scores = np.zeros(dataset.labels.shape)
    for fold in np.unique(dataset.folds):
        own = dataset.folds == fold
        model = make().fit(rows[~own], labels[~own].astype(int))
        if hasattr(model, "predict_proba"):
            values = model.predict_proba(rows[own])
            scores[own] = values if dataset.exclusive else values[:, 1:]
        else:
            values = model.decision_function(rows[own])
            scores[own] = values if dataset.exclusive else values[:, None]
    return scores


def _forest(dataset: Dataset, seed: int) -> Array:
    return _held_out(dataset, lambda: RandomForestClassifier(300, random_state=seed))


def _logistic(dataset: Dataset, _seed: int) -> Array:
    return _held_out(dataset, lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)))


def _svm(dataset: Dataset, _seed: int) -> Array:
    return _held_out(
        dataset, lambda: make_pipeline(StandardScaler(), SVC(C=10, decision_function_shape="ovr"))
    )


def _realmlp(dataset: Dataset, seed: int) -> Array:
    from pytabkit import RealMLP_TD_Classifier  # an optional rival

    return _held_out(dataset, lambda: RealMLP_TD_Classifier(device="cpu", random_state=seed))


_RIVALS: dict[str, Callable[[Dataset, int], Array]] = {
    SNN: _snn,
    _BOOSTING: boosted,
    "forest": _forest,
    "logistic regression": _logistic,
    "SVM": _svm,
}


def report(results: Results, refused: Mapping[str, str]) -> str:
    """The tables' figures, average ranks of the methods and their tests against the SNN."""
    figures: dict[str, dict[str, list[float]]] = {}
    sizes: dict[str, float] = {}
    for (name, method, _), row in results.rows.items():
        figures.setdefault(name, {}).setdefault(method, []).append(row["figure"])
        sizes[name] = row["rows"]
    present = [
        method for method in (*_RIVALS, _REALMLP) if any(method in own for own in figures.values())
    ]
    means = {
        name: {method: float(np.mean(values)) for method, values in own.items()}
        for name, own in figures.items()
    }
    order = sorted(means, key=lambda name: (sizes[name], name))
    table = [
        (
            name,
            f"{sizes[name]:,.0f}",
            *(f"{means[name][m]:.4f}" if m in means[name] else "–" for m in present),
        )
        for name in order
    ]
    parts = {
        "all": order,
        f"{_LARGE:,} rows or more": [name for name in order if sizes[name] >= _LARGE],
        f"fewer than {_LARGE:,}": [name for name in order if sizes[name] < _LARGE],
    }
    lines = [
        f"{len(order)} UCI tables, out-of-fold over five folds: AUC of two classes, accuracy of more."
        " Where fits are missing, the command goes on with them: first tables of 1,000 to 20,000 rows",
        "",
    ]
    ranks = [
        row for title, names in parts.items() if names for row in _ranks(title, names, means, present)
    ]
    columns = ("tables", "method", "number", "average rank", "better/level/worse than SNN", "p")
    lines += markdown_table(columns, ranks)
    lines += ["", "The paper's average differences of ranks, networks alone on 121 sets:", ""]
    lines += markdown_table(("method", "difference"), [(m, f"{v:+.3f}") for m, v in _PAPER.items()])
    lines += ["", *markdown_table(("set", "rows", *present), table)]
    if refused:
        lines += ["", "Not judged:", "", *(f"* {name}: {why}" for name, why in sorted(refused.items()))]
    return "\n".join(lines)


def _ranks(
    title: str, names: list[str], means: Mapping[str, Mapping[str, float]], present: list[str]
) -> list[tuple[object, ...]]:
    """Average ranks over the tables that all methods have; signed-rank tests against the SNN."""
    common = [name for name in names if all(method in means[name] for method in present)]
    if not common:
        return []
    values = np.array([[means[name][method] for method in present] for name in common])
    ranks = rankdata(-values.round(6), axis=1).mean(axis=0)
    rows: list[tuple[object, ...]] = []
    for at, method in enumerate(present):
        gap = values[:, at] - values[:, 0]
        p = "–"
        if method != SNN and np.abs(gap).max() > 0 and len(gap) > 1:
            p = f"{wilcoxon(gap).pvalue:.2g}"
        counts = f"{(gap > 0.0005).sum()}/{(np.abs(gap) <= 0.0005).sum()}/{(gap < -0.0005).sum()}"
        shown = "–" if method == SNN else counts
        rows.append((title, method, len(common), f"{ranks[at]:.2f}", shown, p))
    return rows
