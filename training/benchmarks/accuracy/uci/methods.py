"""The methods, each fitted on one table: out-of-fold scores on the folds of the default recipe."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from training.benchmarks.accuracy.tables import boosted, figure
from training.data import Dataset, Reading, featurizer_for, load_table
from training.networks.preprocessing import fit_squash
from training.networks.rivals import METHODS, Method, fit_scores
from training.pipeline.run import feature_rows, fit
from training.recipes.table import table_recipe

Array = NDArray[np.floating]

SNN, BOOSTING, REALMLP = "SNN", "boosting", "RealMLP"
_TARGET = "clase"
#: The paper's methods as networks of one kind, told apart from the served ensemble.
NETWORKS: dict[str, Method] = {f"one network, {method}": method for method in METHODS}
#: The depths that the inner fold chooses from.
_DEPTHS = (2, 8)


def others() -> tuple[str, ...]:
    """What takes part on a sample of the tables alone; RealMLP where pytabkit is installed."""
    return (*NETWORKS, *((REALMLP,) if find_spec("pytabkit") else ()))


def fitted(job: Mapping[str, Any]) -> dict[str, float]:
    """Fit one method on one table: AUC of two classes or accuracy of more, out-of-fold."""
    dataset = load(Path(job["folder"]), job["set"])
    method, seed, began = job["method"], int(job["seed"]), process_time()
    if method in NETWORKS:
        scores = _network(dataset, NETWORKS[method], seed)
    else:
        scores = _REST[method](dataset, seed)
    value = figure(dataset, scores, np.arange(len(dataset)))
    return {"rows": len(dataset), "figure": value, "seconds": process_time() - began}


def load(folder: Path, name: str) -> Dataset:
    """A table that was written to a folder; raises ``DataError``."""
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


def _network(dataset: Dataset, method: Method, seed: int) -> Array:
    """One network of the default's short recipe for each fold; the next fold chooses its depth."""
    recipe = table_recipe(dataset)
    shallow = replace(recipe.networks[0], exclusive=dataset.exclusive, layers=_DEPTHS[0])
    featurizer = featurizer_for(dataset)
    raw, labels, folds = feature_rows(dataset, featurizer), dataset.labels, dataset.folds
    scores = np.zeros(labels.shape)
    numbers = np.unique(folds)
    for at, fold in enumerate(numbers):
        inner = folds == numbers[(at + 1) % len(numbers)]
        learn, judged = np.flatnonzero(folds != fold), np.flatnonzero(inner)
        fewer = np.setdiff1d(learn, judged)
        rows = fit_squash(raw[learn], featurizer.names, recipe.blocks).transform(raw)
        own_seed = 100 * seed + int(fold)
        tried = {
            deep: fit_scores(method, deep, rows, labels, fewer, own_seed)
            for deep in (replace(shallow, layers=layers) for layers in _DEPTHS)
        }
        best = max(tried.items(), key=lambda pair: figure(dataset, pair[1], judged))[0]
        made = fit_scores(method, best, rows, labels, learn, own_seed)
        scores[folds == fold] = made[folds == fold]
    return scores


#: What takes part on all tables.
RIVALS: dict[str, Callable[[Dataset, int], Array]] = {
    SNN: _snn,
    BOOSTING: boosted,
    "forest": _forest,
    "logistic regression": _logistic,
    "SVM": _svm,
}
_REST = {**RIVALS, REALMLP: _realmlp}
