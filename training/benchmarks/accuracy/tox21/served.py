"""The served Tox21 champion beside rivals of other kinds, on its folds and features.

The champion's side is the published graph, run for each row with the members that never saw it. Rivals
are tuned on one fold and fitted without each (``rivals``). Intervals are of whole scaffolds: relatives
share an error. A run that is killed loses the fits in progress; the report is of what there is.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from models.bundle.loading import open_bundle
from models.registry.store import Repository
from training.benchmarks.accuracy.tox21.rivals import (
    CHOICES,
    INNER,
    SEEDLESS,
    ScoreFiles,
    fit,
    job,
)
from training.benchmarks.harness import REPORTS, Say, run_missing
from training.benchmarks.statistics import mean_and_sd, with_interval
from training.data import Dataset, load_tox21
from training.data.folds import FOLDS, scaffold
from training.data.official.far_rows import far_rows
from training.evaluation.metrics import auc_influence, markdown_table, mean_auc
from training.pipeline.evaluate import bundle_out_of_fold

Array = NDArray[np.floating]
#: The quick ones come first: an unfinished run should say most.
_ORDER = ("SVM", "random forest", "SNN, one network", "gradient boosting")


def run(repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Run what is missing of the choices, and of ``seeds`` seeds and all folds; return the report."""
    dataset = load_tox21()
    bundle = open_bundle(repository.bundle("tox21", repository.serving("tox21").champion))
    files = ScoreFiles(REPORTS / "tox21-served")
    inner = [
        job("inner", method, at, 0, INNER) for method in _ORDER for at in range(len(CHOICES[method]))
    ]
    run_missing(files, inner, fit, processes, say)
    chosen = {method: _chosen(files, dataset, method) for method in _ORDER}
    places = [
        (seed, method)
        for seed, method in product(range(seeds), _ORDER)
        if not (seed and method in SEEDLESS)
    ]
    jobs = {
        place: [job("judged", place[1], chosen[place[1]], place[0], fold) for fold in range(FOLDS)]
        for place in places
    }
    run_missing(files, [one for own in jobs.values() for one in own], fit, processes, say)
    rivals = {
        method: [_whole(files, dataset, jobs[place]) for place in places if place[1] == method]
        for method in _ORDER
    }
    champion = f"tox21 version {bundle.manifest.version}"
    scores: dict[str, list[Array]] = {champion: [bundle_out_of_fold(bundle, dataset).logits], **rivals}
    say(f"comparing {len(scores)} methods on {len(dataset):,} parents")
    text = (
        f"`python -m training benchmark tox21-served --seeds {seeds}`. Out-of-fold over five scaffold"
        f" folds, {len(dataset):,} parents, AUC, mean ± sd over seeds. Rivals see the same"
        f" {len(bundle.featurizer.names):,} features, and are tuned on one fold:"
    )
    choices = [
        f"{method}: {', '.join(f'{name} {value:g}' for name, value in CHOICES[method][at].items())},"
        f" the best of {len(CHOICES[method])}"
        for method, at in chosen.items()
    ]
    title = f"# {champion} beside rivals of other kinds"
    return "\n".join([title, "", f"{text} {'; '.join(choices)}.", "", *tables(dataset, scores)])


def _chosen(files: ScoreFiles, dataset: Dataset, method: str) -> int:
    """The place of the choice whose mean AUC on the inner fold is best."""
    labels = dataset.labels[dataset.folds == INNER]
    aucs = []
    for place in range(len(CHOICES[method])):
        scores = files.get(job("inner", method, place, 0, INNER))
        assert scores is not None
        aucs.append(mean_auc(labels, scores))
    return int(np.argmax(aucs))


def _whole(files: ScoreFiles, dataset: Dataset, jobs: list[dict[str, Any]]) -> Array:
    """Scores ``(n, T)`` of all folds by the fits of one seed."""
    scores = np.empty(dataset.labels.shape)
    for one in jobs:
        own = files.get(one)
        assert own is not None
        scores[dataset.folds == one["fold"]] = own
    return scores


def tables(dataset: Dataset, scores: Mapping[str, list[Array]]) -> list[str]:
    """Markdown of AUCs on all rows, new chemistry and the leaderboard set, then of each assay.

    ``scores`` ``(n, T)`` are those of each method by seed; the others are compared with the first
    method. Differences have 95 % intervals by scaffolds.
    """
    parents = [str(record) for record in dataset.records]
    clusters = np.unique([scaffold(parent) for parent in parents], return_inverse=True)[1]
    parts = {
        "mean of 12": np.arange(len(dataset)),
        "new chemistry": np.flatnonzero(far_rows(parents, dataset.folds)),
        "leaderboard set": np.flatnonzero(dataset.parts["leaderboard"]),
    }
    first, *others = scores
    overall = []
    for method, runs in scores.items():
        cells = []
        for rows in parts.values():
            labels, own = dataset.labels[rows], [run[rows] for run in runs]
            cells.append(mean_and_sd([mean_auc(labels, one) for one in own]))
            base = scores[first][0][rows]
            gap = difference(labels, base, own, clusters[rows]) if method in others else ""
            cells.append(gap)
        overall.append((method, *cells))
    gaps = []
    for at, target in enumerate(dataset.targets):
        measured = np.flatnonzero(~np.isnan(dataset.labels[:, at]))
        labels = dataset.labels[measured, at, None]
        base = scores[first][0][measured, at, None]
        each = [[run[measured, at, None] for run in scores[method]] for method in others]
        compared = [difference(labels, base, own, clusters[measured]) for own in each]
        gaps.append((target, f"{int(labels.sum()):,}", f"{mean_auc(labels, base):.3f}", *compared))
    less = f"{first} minus it"
    columns = [part for name, rows in parts.items() for part in (f"{name} ({len(rows):,})", less)]
    return [
        *markdown_table(("method", *columns), overall),
        "",
        "New chemistry: parents without a relative in another fold, clusters that who judges them never"
        " saw (`training/data/official/far_rows.py`). The leaderboard set chose nothing.",
        "",
        f"By assay, {first} minus each:",
        "",
        *markdown_table(("assay", "active", first, *others), gaps),
    ]


def difference(labels: Array, base: Array, runs: list[Array], clusters: NDArray[np.intp]) -> str:
    """The mean AUC of ``base`` ``(n, T)`` less the average of ``runs``, with its interval.

    The variance is that of sums over clusters ``(n,)`` of each row's influence: N. A. Obuchowski,
    Biometrics 53 (1997) 567.
    """
    gap = mean_auc(labels, base) - float(np.mean([mean_auc(labels, run) for run in runs]))
    influence = auc_influence(labels, base) - np.mean(
        [auc_influence(labels, run) for run in runs], axis=0
    )
    half = float(norm.ppf(0.975) * np.linalg.norm(np.bincount(clusters, influence)))
    return with_interval(gap, gap - half, gap + half)
