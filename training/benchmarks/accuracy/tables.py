"""Tables that nobody prepared: the served ensemble beside gradient boosting, on the same folds.

Each set is written as CSV and loaded as a user's own table, with the default recipe; the SNN's figures
are those of the published graph. One of the sets gets categories and missing values: two of its columns
are cut into named ranges, and one value in twenty is deleted.
"""

import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from models.bundle.loading import open_bundle
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.benchmarks.statistics import mean_and_sd, with_interval
from training.data import Dataset, Reading, load_table
from training.data.official.uci import read_set
from training.evaluation.metrics import auc, bootstrap, markdown_table
from training.pipeline.evaluate import bundle_out_of_fold
from training.pipeline.run import train_model
from training.recipes.table import table_recipe
from training.release.publish import publish

Array = NDArray[np.floating]

#: The sets, and whether categories and missing values are added to each.
_SETS = {"bank": True, "chess-krvkp": False, "waveform": False}
_TARGET = "clase"
_DELETED = 0.05
_RANGES = ("lowest", "low", "high", "highest")


def run(_repository: Repository, seeds: int, _processes: int, say: Say) -> str:
    """Return the table over ``seeds`` seeds of both methods."""
    columns = ("set", "rows", "columns", "figure", "SNN, as served", "gradient boosting")
    rows = []
    for name, altered in _SETS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = write_set(Path(folder) / f"{name}.csv", name, altered=altered)
            dataset = load_table(name, path, Reading(target=_TARGET))
            own = [_served(dataset, Path(folder), seed, say) for seed in range(seeds)]
        boosting = [boosted(dataset, seed) for seed in range(seeds)]
        title = f"{name} with categories and missing values" if altered else name
        rows.append((title, *_cells(dataset, own, boosting)))
        say(" | ".join(map(str, rows[-1])))
    title = f"Tables, out-of-fold over five folds, seeds 0–{seeds - 1}, default recipe and defaults"
    return "\n".join([title, "", *markdown_table((*columns, "difference, 95 % paired bootstrap"), rows)])


def write_set(path: Path, name: str, *, altered: bool) -> Path:
    """Write a set as CSV, as a user would have it; ``altered``: with categories and missing values."""
    names, rows = read_set(name)
    if altered:
        columns = [list(cells) for cells in zip(*rows, strict=True)]
        rng = np.random.default_rng(0)
        for column in range(2):
            values = np.array(columns[column], dtype=np.float64)
            ranges = np.digitize(values, np.quantile(values, (0.25, 0.5, 0.75)))
            columns[column] = [_RANGES[place] for place in ranges]
        for cells in columns[:-1]:
            for row in np.flatnonzero(rng.random(len(cells)) < _DELETED):
                cells[row] = ""
        rows = [list(cells) for cells in zip(*columns, strict=True)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def _served(dataset: Dataset, folder: Path, seed: int, say: Say) -> Array:
    """Out-of-fold scores ``(n, T)`` of a bundle trained by the default recipe."""
    trained = train_model(dataset, table_recipe(dataset), seed, say, lambda _member, _progress: None)
    repository = Repository(folder / "models")
    bundle = open_bundle(repository.bundle(dataset.name, publish(trained, repository)))
    return bundle_out_of_fold(bundle, dataset).logits


def boosted(dataset: Dataset, seed: int) -> Array:
    """Out-of-fold probabilities ``(n, T)`` of gradient boosting, told which columns are categories."""
    entries: Any = dataset.parameters["columns"]
    categorical = np.array([entry["kind"] == "category" for entry in entries])
    columns = []
    for entry, values in zip(entries, zip(*dataset.records, strict=True), strict=True):
        if entry["kind"] == "category":
            codes = {value: code for code, value in enumerate(entry["values"])}
            columns.append([np.nan if v is None else codes.get(v, len(codes)) for v in values])
        else:
            columns.append([np.nan if value is None else value for value in values])
    rows = np.array(columns, dtype=np.float64).T
    labels = dataset.labels.argmax(axis=1) if dataset.exclusive else dataset.labels[:, 0]
    scores = np.empty(dataset.labels.shape)
    for fold in np.unique(dataset.folds):
        held_out = dataset.folds == fold
        boosting = HistGradientBoostingClassifier(categorical_features=categorical, random_state=seed)
        boosting.fit(rows[~held_out], labels[~held_out])
        probability = boosting.predict_proba(rows[held_out])
        scores[held_out] = probability if dataset.exclusive else probability[:, 1:]
    return scores


def figure(dataset: Dataset, scores: Array, rows: NDArray[np.intp]) -> float:
    """AUC of two classes, accuracy of more, over some of the rows."""
    labels = dataset.labels[rows]
    if dataset.exclusive:
        return float(np.mean(labels.argmax(axis=1) == scores[rows].argmax(axis=1)))
    return auc(labels[:, 0], scores[rows, 0])


def _cells(dataset: Dataset, own: list[Array], boosting: list[Array]) -> tuple[object, ...]:
    """Both methods' figures with their spread over seeds, and the paired difference."""

    def difference(rows: NDArray[np.intp]) -> float:
        pairs = zip(own, boosting, strict=True)
        return float(np.mean([figure(dataset, a, rows) - figure(dataset, b, rows) for a, b in pairs]))

    gap, _, low, high = bootstrap(difference, len(dataset), draws=500)
    everything = np.arange(len(dataset))
    spreads = [
        mean_and_sd([figure(dataset, scores, everything) for scores in runs]) for runs in (own, boosting)
    ]
    kind = "accuracy" if dataset.exclusive else "AUC"
    return (f"{len(dataset):,}", len(dataset.fields), kind, *spreads, with_interval(gap, low, high))
