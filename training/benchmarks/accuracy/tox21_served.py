"""The served Tox21 champion beside random forest and gradient boosting, on its folds and features.

The SNN's side is the published champion, whose graph is run for each row with the members that
never saw it. Rivals get one model per assay and fold, fitted to the measured rows.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from models.bundle.loading import open_bundle
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.benchmarks.statistics import mean_and_sd, with_interval
from training.data import Dataset, load_tox21
from training.data.official.far_rows import far_rows
from training.evaluation.metrics import bootstrap, markdown_table, mean_auc, target_aucs
from training.pipeline.evaluate import bundle_out_of_fold
from training.pipeline.run import feature_rows

Array = NDArray[np.floating]
Compared = Callable[[NDArray[np.intp]], float]

_RIVALS: dict[str, Callable[[int], Any]] = {
    # The forest gets 0 for undefined values.
    "random forest": lambda seed: make_pipeline(
        SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True),
        RandomForestClassifier(300, max_features="sqrt", n_jobs=1, random_state=seed),
    ),
    "gradient boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}


def run(repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Return the table; the rivals are fitted with ``seeds`` seeds, the champion is not refitted."""
    dataset = load_tox21()
    bundle = open_bundle(repository.bundle("tox21", repository.serving("tox21").champion))
    raw = feature_rows(dataset, bundle.featurizer)
    scores = {rival: np.full((seeds, *dataset.labels.shape), np.nan) for rival in _RIVALS}
    jobs = list(
        product(_RIVALS, range(seeds), range(len(dataset.targets)), np.unique(dataset.folds).tolist())
    )
    with ProcessPoolExecutor(processes, get_context("spawn"), _share, (raw, dataset)) as pool:
        for job, probability in zip(jobs, pool.map(_fit, jobs), strict=True):
            rival, seed, target, fold = job
            scores[rival][seed, dataset.folds == fold, target] = probability
            say(f"{rival} seed {seed} {dataset.targets[target]} fold {fold}")
    return _report(dataset, bundle_out_of_fold(bundle, dataset).logits, scores)


_shared: dict[str, tuple[NDArray[np.float32], Dataset]] = {}


def _share(raw: NDArray[np.float32], dataset: Dataset) -> None:
    """Send the matrix to each process once, not with each of the jobs."""
    threadpool_limits(1)  # boosting would start a thread on every core in every process
    _shared["data"] = (raw, dataset)


def _fit(job: tuple[str, int, int, int]) -> NDArray[np.float64]:
    """Fit one rival to one assay without one fold; return probabilities of that fold's rows."""
    rival, seed, target, fold = job
    raw, dataset = _shared["data"]
    y = dataset.labels[:, target]
    learn = (dataset.folds != fold) & ~np.isnan(y)
    model = _RIVALS[rival](seed).fit(raw[learn], y[learn])
    return np.asarray(model.predict_proba(raw[dataset.folds == fold])[:, 1])


def _report(dataset: Dataset, champion: Array, rivals: dict[str, Array]) -> str:
    """Mean AUC with spread over seeds, per assay, and the paired bootstrap against the champion.

    Scores are ``(n, T)`` of the champion, ``(seeds, n, T)`` of each rival; the bootstrap takes the
    first seed.
    """
    labels = dataset.labels
    far = np.flatnonzero(far_rows([str(record) for record in dataset.records], dataset.folds))
    rows = []
    for method, runs in {"SNN (served)": champion[None], **rivals}.items():

        def difference(rows: NDArray[np.intp], rival: Array = runs[0]) -> float:
            return mean_auc(labels[rows], champion[rows]) - mean_auc(labels[rows], rival[rows])

        def far_difference(rows: NDArray[np.intp], of: Compared = difference) -> float:
            return of(far[rows])

        gap = far_gap = ""
        if method in rivals:
            value, _, low, high = bootstrap(difference, len(dataset), draws=500)
            gap = with_interval(value, low, high)
            value, _, low, high = bootstrap(far_difference, len(far), draws=500)
            far_gap = with_interval(value, low, high)
        by_target = np.mean([target_aucs(labels, scores) for scores in runs], axis=0)
        mean = mean_and_sd([mean_auc(labels, scores) for scores in runs])
        far_mean = mean_and_sd([mean_auc(labels[far], scores[far]) for scores in runs])
        rows.append((method, mean, gap, far_mean, far_gap, *(f"{value:.3f}" for value in by_target)))
    text = (
        "`python -m training benchmark tox21-served`. Out-of-fold over five scaffold folds,"
        f" {len(dataset)} parents, AUC. Far parents, {len(far)} of them, are those that resemble none"
        " of another fold (`training/data/official/far_rows.py`): new chemistry to who judges them."
    )
    difference_column = "champion minus method, 95 %"
    columns = (
        "method", "mean of 12", difference_column, "far parents", difference_column, *dataset.targets
    )  # fmt: skip
    return "\n".join(["# The served Tox21 ensemble", "", text, "", *markdown_table(columns, rows)])
