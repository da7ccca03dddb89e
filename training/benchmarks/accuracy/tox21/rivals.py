"""Learners of other kinds for Tox21, tuned on one fold and fitted without each, on the served features.

They are those of the Tox21 leaderboard that learn from descriptors (A. Ebner et al., arXiv 2511.14744):
one self-normalizing network by the recipe of Klambauer et al. 2017 (section 4 and the supplement's
grid), a random forest, gradient boosting and a support vector machine. All but the network are fitted
to one assay at a time. The choices of each are tried on fold 1, by fits that saw neither fold 0 nor 1.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from training.benchmarks.harness import Key
from training.data import Dataset, featurizer_for, load_tox21
from training.networks.preprocessing import Squash, fit_squash
from training.networks.rivals import fit_scores
from training.networks.training_loop import Recipe
from training.pipeline.run import feature_rows
from training.recipes.official import TOX21

Array = NDArray[np.floating]
Array32 = NDArray[np.float32]
Job = Mapping[str, Any]
Choice = Mapping[str, Any]

INNER = 1
_UNSEEN = (0, INNER)
#: Of the paper's grid, by which widths of a conic network fall from 1,024.
_PAPERS = Recipe(
    shape="conic",
    units=1024,
    layers=8,
    optimizer="sgd",
    weight_decay=1e-4,
    batch_size=128,
    epochs=30,
)

#: By method, the choices that fold 1 decides between.
CHOICES: dict[str, tuple[Choice, ...]] = {
    "SNN, one network": tuple(
        {"learning_rate": rate, "dropout": dropout} for rate in (0.05, 0.1) for dropout in (0.05, 0.1)
    ),
    "random forest": tuple({"min_samples_leaf": leaf} for leaf in (1, 3)),
    "gradient boosting": tuple({"max_leaf_nodes": leaves} for leaves in (8, 16)),
    "SVM": tuple({"C": cost} for cost in (0.5, 2.0, 8.0)),
}
#: What takes no seed is fitted once.
SEEDLESS = ("SVM",)


@dataclass(frozen=True, slots=True)
class _Split:
    """Raw features of the rows to learn, with labels ``(n, T)``, and of those to judge."""

    learned: Array32
    judged: Array32
    labels: Array32
    squash: Squash


class ScoreFiles:
    """The scores ``(rows, T)`` of each fit on the fold that it is judged on, as files of one folder."""

    def __init__(self, folder: Path) -> None:
        """Files are kept in ``folder``, which need not exist."""
        self._folder = folder

    def key(self, job: Job) -> Key:
        """Stage, method, choice, seed and fold as text, and a digest of the data."""
        return tuple(str(job[name]) for name in ("stage", "method", "choice", "seed", "fold", "data"))

    def get(self, job: Job) -> Array | None:
        """The scores of a fit, None if it has not been run."""
        path = self._path(job)
        return np.load(path, allow_pickle=False) if path.exists() else None

    def add(self, job: Job, scores: Array, /) -> None:
        """Keep the scores of a fit; a file is whole or absent."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(job)
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            np.save(file, scores.astype(np.float32))
        unfinished.replace(path)

    def _path(self, job: Job) -> Path:
        return self._folder / f"{hashlib.sha256(repr(self.key(job)).encode()).hexdigest()[:24]}.npy"


def job(stage: str, method: str, choice: int, seed: int, fold: int) -> dict[str, Any]:
    """A fit: ``choice`` is the place in ``CHOICES``, ``stage`` is "inner" or "judged"."""
    place = {"stage": stage, "method": method, "choice": dict(CHOICES[method][choice])}
    return place | {"seed": seed, "fold": fold, "data": _data()[3]}


def fit(job: Job) -> Array:
    """Scores ``(rows, T)`` of one fold by a method that did not see it."""
    dataset, raw, names, _ = _data()
    unseen = _UNSEEN if job["stage"] == "inner" else (job["fold"],)
    learn, judge = ~np.isin(dataset.folds, unseen), dataset.folds == job["fold"]
    squash = fit_squash(raw[learn], names, TOX21.blocks)
    split = _Split(raw[learn], raw[judge], dataset.labels[learn], squash)
    with threadpool_limits(1):  # boosting would start a thread on every core in every process
        return _METHODS[job["method"]](split, job["choice"], 1000 * job["seed"] + job["fold"])


@cache
def _data() -> tuple[Dataset, Array32, tuple[str, ...], str]:
    """The data set, its raw features, their names and a digest of all that; once in every process."""
    dataset = load_tox21()
    featurizer = featurizer_for(dataset)
    raw = feature_rows(dataset, featurizer)
    parts = (raw, dataset.labels, dataset.folds)
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
    return dataset, raw, featurizer.names, digest.hexdigest()[:12]


def _network(split: _Split, choice: Choice, seed: int) -> Array:
    learned = len(split.learned)
    rows = split.squash.transform(np.concatenate([split.learned, split.judged]))
    recipe = replace(_PAPERS, **choice)
    return fit_scores("SNN", recipe, rows, split.labels, np.arange(learned), seed)[learned:]


def _forest(split: _Split, choice: Choice, seed: int) -> Array:
    def forest() -> Any:
        return RandomForestClassifier(150, max_samples=0.6, random_state=seed, **choice)

    learned, judged = (split.squash.imputed(part) for part in (split.learned, split.judged))
    return _by_assay(forest, learned, judged, split.labels)


def _boosting(split: _Split, choice: Choice, seed: int) -> Array:
    def boosting() -> Any:
        return HistGradientBoostingClassifier(
            max_iter=80,
            max_bins=31,
            max_features=0.1,
            early_stopping=False,
            random_state=seed,
            **choice,
        )

    return _by_assay(boosting, split.learned, split.judged, split.labels)


def _by_assay(model: Callable[[], Any], learned: Array, judged: Array, labels: Array) -> Array:
    """Probabilities ``(n, T)`` of rows to judge ``(n, F)``, by one model of each assay."""
    scores = np.empty((len(judged), labels.shape[1]))
    for target, y in enumerate(labels.T):
        own = ~np.isnan(y)
        scores[:, target] = model().fit(learned[own], y[own]).predict_proba(judged)[:, 1]
    return scores


def _vectors(split: _Split, choice: Choice, _seed: int) -> Array:
    """Distances from the margin, in a Gaussian kernel that is as wide as the features vary."""
    learned, judged = (split.squash.transform(part) for part in (split.learned, split.judged))
    width = float(1 / (learned.shape[1] * learned.var()))
    among, across = rbf_kernel(learned, learned, width), rbf_kernel(judged, learned, width)
    scores = np.empty((len(judged), split.labels.shape[1]))
    for target, y in enumerate(split.labels.T):
        own = np.flatnonzero(~np.isnan(y))
        machine = SVC(kernel="precomputed", **choice).fit(among[np.ix_(own, own)], y[own])
        scores[:, target] = machine.decision_function(across[:, own])
    return scores


_METHODS: dict[str, Callable[[_Split, Choice, int], Array]] = {
    "SNN, one network": _network,
    "random forest": _forest,
    "gradient boosting": _boosting,
    "SVM": _vectors,
}
