"""HTRU2 by nested 10-fold cross-validation, the paper's protocol.

For each outer fold a network's depth is chosen on the next fold, by networks that saw neither, and
one network is then trained without the outer fold alone. Preprocessing, threshold and model come from
the training part; every method sees the same folds. The threshold of recall, FPR and G-mean
maximises F1 on the training part. The recipe that is served is run as well, and its mean of five
networks judged. Last, the published champion is compared with rivals on its own folds.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from models.registry.store import Repository
from training.benchmarks.accuracy.operating_points import champion_section
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.benchmarks.statistics import mean_and_sd, paired
from training.data import featurizer_for, load_htru2
from training.evaluation.calibration import choose_threshold, sigmoid
from training.evaluation.metrics import auc, average_precision, confusion, markdown_table
from training.networks.ensemble import fit_ensemble
from training.networks.preprocessing import fit_squash
from training.networks.rivals import METHODS, fit_scores
from training.networks.training_loop import Recipe
from training.pipeline.run import feature_rows
from training.recipes.official import HTRU2

Array = NDArray[np.floating]
Rows = NDArray[np.intp]
_Runs = dict[tuple[int, int], dict[str, float]]

FOLDS = 10
FIGURES = ("auc", "average_precision", "recall", "fpr", "g_mean", "f1", "seconds", "layers")
#: The depths that the inner fold chooses from.
GRID = (2, 4, 8)
RECIPE = Recipe(units=64, batch_size=512, epochs=15, learning_rate=4e-3, weight_decay=1e-2)

#: AUC of the paper, nested 10-fold (section 4), and its p-value against the SNN.
PAPERS = {
    "SNN": ".9803 ± .010",
    "He ReLU": ".9791 ± .010 (p .35)",
    "weight norm": ".9786 ± .010 (.024)",
    "highway": ".9766 ± .009 (.0098)",
    "layer norm": ".9762 ± .011 (.014)",
    "batch norm": ".9760 ± .013 (.065)",
    "residual": ".9753 ± .010 (.0068)",
    "naive Bayes": ".976",
    "decision tree": ".946 (C4.5)",
    "SVM": ".929",
}

_CLASSICS: dict[str, Callable[[int], Any]] = {
    "naive Bayes": lambda _: GaussianNB(),
    "decision tree": lambda seed: DecisionTreeClassifier(
        criterion="entropy", min_samples_leaf=20, random_state=seed
    ),
    "SVM": lambda _: make_pipeline(PowerTransformer(), SVC()),
    "logistic regression": lambda _: make_pipeline(
        PowerTransformer(), LogisticRegression(max_iter=1000)
    ),
    "random forest": lambda seed: RandomForestClassifier(300, min_samples_leaf=5, random_state=seed),
    "gradient boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}
SERVED = "SNN, recipe served"
ALL = (*METHODS, SERVED, *_CLASSICS)
#: What the champion is compared with where a survey works.
_RIVALS = ("gradient boosting", "logistic regression", "highway")


def run(repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Run what is missing of all methods, seeds and outer folds; return the report."""
    results = Results(REPORTS / "htru2.csv", ("method", "seed", "fold"), FIGURES)
    # An unfinished run should say most: the first seed of all methods and the fast methods come first.
    slow = [method for method in METHODS if method != "SNN"]
    rounds = [(seed, method) for seed in range(seeds) for method in ALL]
    rounds.sort(key=lambda pair: (pair[0] > 0, pair[1] in slow))
    places = product(rounds, range(FOLDS))
    jobs = [{"method": method, "seed": seed, "fold": fold} for (seed, method), fold in places]
    run_missing(results, jobs, fit_fold, processes, say)
    beside = champion_section(repository, _RIVALS, _rival, say)
    return "\n".join([report(results, seeds), "", beside])


def _rival(method: str, fold: int, learn: Rows, inner: Rows) -> Array:
    """Probabilities ``(n,)`` of all rows by a method that learned from ``learn``."""
    job = {"method": method, "seed": 0, "fold": fold}
    scores = _scores(job, _depth(job, learn, inner), learn)
    return sigmoid(scores) if method in METHODS else scores


@cache
def _data() -> tuple[NDArray[np.float32], tuple[str, ...], NDArray[np.float32]]:
    """Raw features ``(n, F)``, their names and labels ``(n, 1)``; once in every process."""
    dataset = load_htru2()
    featurizer = featurizer_for(dataset)
    return feature_rows(dataset, featurizer), featurizer.names, dataset.labels


def fit_fold(job: Mapping[str, Any]) -> dict[str, float]:
    """Fit one method without one outer fold and judge it there."""
    labels = _data()[2][:, 0]
    splits = StratifiedKFold(FOLDS, shuffle=True, random_state=job["seed"])
    held_out = [rows for _, rows in splits.split(labels, labels)]
    judge, inner = held_out[job["fold"]], held_out[(job["fold"] + 1) % FOLDS]
    learn = np.setdiff1d(np.arange(len(labels)), judge)
    layers = _depth(job, learn, inner)
    began = time.process_time()
    scores = _scores(job, layers, learn)
    seconds = time.process_time() - began
    threshold = choose_threshold(labels[learn], scores[learn], "f1")
    calls = confusion(labels[judge], scores[judge] >= threshold)
    return {
        "auc": auc(labels[judge], scores[judge]),
        "average_precision": average_precision(labels[judge], scores[judge]),
        "recall": calls.recall,
        "fpr": calls.false_positive_rate,
        "g_mean": calls.g_mean,
        "f1": calls.f1,
        "seconds": seconds,
        "layers": float(layers),
    }


def _depth(job: Mapping[str, Any], learn: Rows, inner: Rows) -> int:
    """The depth that is best on ``inner``, by networks that did not learn these; 0 of other methods."""
    if job["method"] == SERVED:
        return HTRU2.networks[0].layers
    if job["method"] not in METHODS:
        return 0
    labels, fewer = _data()[2][:, 0], np.setdiff1d(learn, inner)
    aucs = {depth: auc(labels[inner], _network(job, depth, fewer)[inner]) for depth in GRID}
    return max(GRID, key=lambda depth: aucs[depth])


def _scores(job: Mapping[str, Any], layers: int, learn: Rows) -> Array:
    """Scores of all rows by a method that learned from ``learn``."""
    if job["method"] == SERVED:
        return _served(job, learn)
    return _network(job, layers, learn) if job["method"] in METHODS else _classic(job, learn)


def _served(job: Mapping[str, Any], learn: Rows) -> Array:
    """Mean logits of all rows by the ensemble of the official recipe, with its own folds."""
    raw, names, labels = _data()
    rows = fit_squash(raw[learn], names, HTRU2.blocks).transform(raw)
    ensemble = fit_ensemble(
        rows[learn],
        labels[learn],
        load_htru2().folds[learn],
        HTRU2.networks,
        names=names,
        rounds=HTRU2.served,
        seed=1000 * job["seed"] + 10 * job["fold"],
        watch=lambda *_: None,
        processes=1,
    )
    return np.asarray(ensemble.member_logits(rows).mean(axis=1, dtype=np.float64)[:, 0])


def _network(job: Mapping[str, Any], layers: int, learn: Rows) -> Array:
    """Scores of all rows by one network that learned from ``learn``."""
    raw, names, labels = _data()
    rows = fit_squash(raw[learn], names, HTRU2.blocks).transform(raw)
    seed = 1000 * job["seed"] + job["fold"]
    recipe = replace(RECIPE, layers=layers)
    return fit_scores(job["method"], recipe, rows, labels, learn, seed)[:, 0]


def _classic(job: Mapping[str, Any], learn: Rows) -> Array:
    raw, _, labels = _data()
    model = _CLASSICS[job["method"]](job["seed"]).fit(raw[learn], labels[learn, 0])
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(raw)[:, 1])
    return np.asarray(model.decision_function(raw))


def report(results: Results, seeds: int) -> str:
    """Markdown: every method's figures over what has been run, and its paired difference to the SNN."""
    text = (
        f"`python -m training benchmark htru2 --seeds {seeds}`. Mean ± sd over outer folds and the seeds"
        " named; differences to the SNN are paired over the same folds, with a variance corrected for"
        " dependent training sets (Nadeau and Bengio 2003). Networks: 64 units, AdamW, 15 epochs; depth"
        f" chosen on an inner fold from {', '.join(map(str, GRID))}; *{SERVED}* is the mean of its five"
        " networks of 4 layers. Classic methods run at one setting each. Seconds are CPU time of a fit."
    )
    snn = _rows(results, "SNN", seeds)
    table = []
    for method in ALL:
        rows = _rows(results, method, seeds)
        if not rows:
            continue
        figures = {name: np.array([row[name] for row in rows.values()]) for name in FIGURES}
        table.append(
            (
                method,
                len({seed for seed, _ in rows}) if len(rows) % FOLDS == 0 else f"{len(rows)} folds",
                mean_and_sd(figures["auc"]),
                PAPERS.get(method, ""),
                "" if method == "SNN" else paired(_gaps(rows, snn), FOLDS),
                *(f"{figures[name].mean():.3f}" for name in ("average_precision", "recall")),
                f"{figures['fpr'].mean():.4f}",
                f"{figures['g_mean'].mean():.3f}",
                f"{figures['seconds'].mean():.1f}",
            )
        )
    highway = _rows(results, "highway", seeds)
    beside = [
        f"{method}, AUC minus the highway networks': {paired(gaps, FOLDS)}."
        for method in ("SNN", SERVED)
        if len(gaps := _gaps(_rows(results, method, seeds), highway))
    ]
    columns = "method|seeds|AUC|the paper's|AUC minus the SNN's (95 %)|AP|recall|FPR|G-mean|fit, s"
    title = "# HTRU2, nested 10-fold cross-validation"
    lines = [title, "", text, "", *markdown_table(columns.split("|"), table)]
    return "\n".join([*lines, "", " ".join(beside)])


def _gaps(rows: _Runs, others: _Runs) -> Array:
    """The differences of AUC on the seeds and folds that both have."""
    return np.array([rows[at]["auc"] - others[at]["auc"] for at in sorted(rows.keys() & others.keys())])


def _rows(results: Results, method: str, seeds: int) -> _Runs:
    """The figures of a method by seed and fold, as far as they have been run."""
    return {
        (seed, fold): row
        for seed, fold in product(range(seeds), range(FOLDS))
        if (row := results.get({"method": method, "seed": seed, "fold": fold}))
    }
