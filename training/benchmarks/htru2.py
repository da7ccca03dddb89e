"""HTRU2 by stratified 10-fold cross-validation, repeated over seeds.

Each fold's squashing, threshold and model come from its training part alone; every method sees
the same folds. The threshold of recall, FPR and G-mean maximises F1 on the training part.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

from models.store import Repository
from training.benchmarks.table import method_table
from training.calibrate import choose_threshold
from training.data import featurizer_for, load_htru2
from training.metrics import auc, average_precision, confusion, sigmoid
from training.recipes import HTRU2
from training.run import feature_rows
from training.squash import fit_squash
from training.train import train

Array = NDArray[np.floating]
COLUMNS = ("AUC", "average precision", "recall", "FPR", "G-mean", "F1")
_FOLDS = 10


class _Classifier(Protocol):
    def fit(self, rows: Array, labels: Array) -> object: ...
    def predict_proba(self, rows: Array) -> Array: ...


def run(_repository: Repository, seeds: int, say: Callable[[str], None]) -> str:
    """Return the table over ``seeds`` repetitions of the ten folds."""
    dataset = load_htru2()
    featurizer = featurizer_for(dataset)
    raw = feature_rows(dataset, featurizer)
    labels = dataset.labels[:, 0]
    names = featurizer.names
    jobs = [
        (seed, fold, learn, judge)
        for seed in range(seeds)
        for fold, (learn, judge) in enumerate(
            StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(raw, labels)
        )
    ]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        waiting = [
            pool.submit(_fold, raw, names, labels, learn, judge, seed) for seed, _, learn, judge in jobs
        ]
        results = []
        for (seed, fold, *_), future in zip(jobs, waiting, strict=True):
            results.append(future.result())
            say(f"seed {seed} fold {fold}: SNN AUC {results[-1]['SNN'][0]:.4f}")
    figures = {method: np.array([result[method] for result in results]) for method in results[0]}
    return (
        f"HTRU2, stratified {_FOLDS}-fold, seeds 0–{seeds - 1}, {len(jobs)} folds, mean ± sd\n\n"
        + method_table(figures, COLUMNS, "SNN")
    )


def _fold(
    raw: NDArray[np.float32],
    names: tuple[str, ...],
    labels: Array,
    learn: NDArray[np.intp],
    judge: NDArray[np.intp],
    seed: int,
) -> dict[str, tuple[float, ...]]:
    torch.set_num_threads(1)
    rivals: dict[str, _Classifier] = {
        "logistic regression": make_pipeline(PowerTransformer(), LogisticRegression(max_iter=1000)),
        "gradient boosting": HistGradientBoostingClassifier(random_state=seed),
    }
    figures = {"SNN": _snn(raw, names, labels, learn, judge, seed)}
    for name, rival in rivals.items():
        rival.fit(raw[learn], labels[learn])
        figures[name] = _figures(
            labels,
            rival.predict_proba(raw[learn])[:, 1],
            rival.predict_proba(raw[judge])[:, 1],
            learn,
            judge,
        )
    return figures


def _snn(
    raw: NDArray[np.float32],
    names: tuple[str, ...],
    labels: Array,
    learn: NDArray[np.intp],
    judge: NDArray[np.intp],
    seed: int,
) -> tuple[float, ...]:
    """One network of the served recipe, not an ensemble."""
    squash = fit_squash(raw[learn], names, HTRU2.blocks)
    rows = squash.transform(raw)
    column = labels[:, None].astype(np.float32)
    network = train(
        rows[learn], column[learn], (rows[judge], column[judge]), HTRU2.network, seed, lambda _: None
    )
    with torch.no_grad():
        scores = sigmoid(network(torch.from_numpy(rows)).numpy()[:, 0])
    return _figures(labels, scores[learn], scores[judge], learn, judge)


def _figures(
    labels: Array, learned: Array, judged: Array, learn: NDArray[np.intp], judge: NDArray[np.intp]
) -> tuple[float, ...]:
    """Figures on the judged rows, in the order of ``COLUMNS``."""
    threshold = choose_threshold(labels[learn], learned, "f1")
    calls = confusion(labels[judge], judged, threshold)
    return (
        auc(labels[judge], judged),
        average_precision(labels[judge], judged),
        calls.recall,
        calls.false_positive_rate,
        calls.g_mean,
        calls.f1,
    )
