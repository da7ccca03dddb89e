"""The served Tox21 champion beside random forest and gradient boosting, on its folds and features.

The SNN's side is the published champion, whose graph is run for each row with the members that
never saw it. Rivals get one model per assay and fold, fitted to the measured rows.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from threadpoolctl import threadpool_limits

from models.bundle.loading import open_bundle
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.data import Dataset, load_tox21
from training.evaluation.metrics import bootstrap, mean_auc, target_aucs
from training.pipeline.evaluate import bundle_out_of_fold
from training.pipeline.run import feature_rows

Array = NDArray[np.floating]

_RIVALS = ("random forest", "gradient boosting")


def run(repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Return the table; rivals are refitted with ``seeds`` seeds, the champion stands as it is."""
    dataset = load_tox21()
    bundle = open_bundle(repository.bundle("tox21", repository.serving("tox21").champion))
    raw = feature_rows(dataset, bundle.featurizer)
    champion = bundle_out_of_fold(bundle, dataset)
    scores: dict[str, list[Array]] = {"SNN (served)": [champion]}
    jobs = [
        (rival, seed, target, fold)
        for rival in _RIVALS
        for seed in range(seeds)
        for target in range(len(dataset.targets))
        for fold in np.unique(dataset.folds)
    ]
    blank = np.full((seeds, *dataset.labels.shape), np.nan)
    rivals = {rival: blank.copy() for rival in _RIVALS}
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_share, initargs=(raw, dataset)
    ) as pool:
        for (rival, seed, target, fold), made in zip(jobs, pool.map(_fit, jobs), strict=True):
            rivals[rival][seed, dataset.folds == fold, target] = made
            say(f"{rival} seed {seed} {dataset.targets[target]} fold {fold}")
    scores |= {rival: list(made) for rival, made in rivals.items()}
    return _table(dataset, scores, champion)


_shared: dict[str, tuple[NDArray[np.float32], Dataset]] = {}


def _share(raw: NDArray[np.float32], dataset: Dataset) -> None:
    """Send the matrix to each process once, not with each of the jobs."""
    threadpool_limits(1)  # boosting would take all cores, and its threads would wait for each other's
    _shared["data"] = (raw, dataset)


def _fit(job: tuple[str, int, int, int]) -> NDArray[np.float64]:
    """Fit one rival to one assay without one fold; return probabilities of that fold's rows."""
    rival, seed, target, fold = job
    raw, dataset = _shared["data"]
    y = dataset.labels[:, target]
    learn = (dataset.folds != fold) & ~np.isnan(y)
    judge = dataset.folds == fold
    if rival == "random forest":
        # A forest takes no undefined values in every release: 0 stands for them.
        rows = np.nan_to_num(raw, nan=0.0)
        forest = RandomForestClassifier(300, max_features="sqrt", n_jobs=1, random_state=seed)
        forest.fit(rows[learn], y[learn])
        return np.asarray(forest.predict_proba(rows[judge])[:, 1])
    boosting = HistGradientBoostingClassifier(random_state=seed)
    boosting.fit(raw[learn], y[learn])
    return np.asarray(boosting.predict_proba(raw[judge])[:, 1])


def _table(dataset: Dataset, scores: dict[str, list[Array]], champion: Array) -> str:
    """Mean AUC with spread over seeds, per assay, and the paired bootstrap against the champion."""
    lines = [
        "# The served Tox21 ensemble",
        "",
        "`python -m training benchmark tox21-served`. Out-of-fold over five scaffold folds,"
        f" {len(dataset)} parents, AUC.",
        "",
        f"| method | mean of 12 | champion minus method, 95 % | {' | '.join(dataset.targets)} |",
        f"|---|---|---|{'---|' * len(dataset.targets)}",
    ]
    for method, runs in scores.items():
        means = [mean_auc(dataset.labels, made) for made in runs]
        spread = f" ± {np.std(means, ddof=1):.4f}" if len(means) > 1 else ""
        gap = ""
        if runs[0] is not champion:
            first = runs[0]

            def difference(rows: NDArray[np.intp], first: Array = first) -> float:
                y = dataset.labels[rows]
                return mean_auc(y, champion[rows]) - mean_auc(y, first[rows])

            _, low, high = bootstrap(difference, len(dataset), draws=500)
            gap = f"{difference(np.arange(len(dataset))):+.4f} ({low:+.4f} to {high:+.4f})"
        by_target = np.mean([target_aucs(dataset.labels, made) for made in runs], axis=0)
        cells = " | ".join(f"{value:.3f}" for value in by_target)
        lines.append(f"| {method} | {np.mean(means):.4f}{spread} | {gap} | {cells} |")
    return "\n".join(lines)
