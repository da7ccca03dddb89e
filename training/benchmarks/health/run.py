"""``benchmark health``: faults, populations and clean traffic through the monitors, and the report."""

import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle.loading import open_bundle
from models.bundle.manifest import MODEL_FILE
from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.benchmarks.health import clean
from training.benchmarks.health.material import LOADERS, make_material
from training.benchmarks.health.report import report
from training.benchmarks.health.store import keep
from training.benchmarks.health.trial import HALVES, Effort, figures, fit, trial

_CLEAN_ROWS = 1_000_000
_CLEAN_SEEDS = 10
_ORDERS = ("random", "alike")


def run(repository: Repository, seeds: int, processes: int, say: Say, *, quick: bool = False) -> str:
    """Return the report on both models' champions; the seeds of clean traffic are always ten.

    ``quick`` tries little of everything, on HTRU2 alone and keeps no results: for tests.
    """
    del seeds  # windows are drawn by fold and half; clean traffic's number is the report's promise
    effort = Effort(20, 10, 10, 100) if quick else Effort()
    # A matrix product on two threads in each of two processes takes longer than on one in each.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    base = Path(tempfile.mkdtemp(prefix="snn-health-"))
    try:
        reports = base if quick else REPORTS
        keys = ("model", "bundle", "group", "fault", "fold")
        trials = Results(reports / "health.csv", keys, figures())
        streams = Results(
            reports / "health-clean.csv", ("model", "bundle", "order", "seed"), clean.FIGURES
        )
        for name in ("htru2",) if quick else LOADERS:
            folder = base / name
            folder.mkdir()
            _one_model(repository, name, folder, (trials, streams), processes, say, effort, quick)
        return report(trials, streams, reports / "health.svg", effort)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _one_model(
    repository: Repository,
    name: str,
    folder: Path,
    results: tuple[Results, Results],
    processes: int,
    say: Say,
    effort: Effort,
    quick: bool,
) -> None:
    bundle = open_bundle(repository.bundle(name, repository.serving(name).champion))
    say(f"{name}: making the faults")
    material, groups = make_material(name, bundle, quick)
    keep(folder / "material.bin", material)
    identity = bundle.manifest.files[MODEL_FILE].sha256[:12]
    folds = sorted({int(fold) for fold in np.unique(material.folds)})
    say(f"{name}: fitting the monitors to halves of {len(folds)} folds")
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = [pool.submit(fit, folder, fold, half, effort) for fold in folds for half in HALVES]
        for future in waiting:
            future.result()
    same: dict[str, Any] = {"model": name, "bundle": identity, "folder": str(folder), "effort": effort}
    jobs = [
        same | {"group": group, "fault": fault, "fold": fold}
        for fold in folds
        for group, faults in groups.items()
        for fault in faults
    ]
    run_missing(results[0], jobs, trial, processes, say)
    rows = 5_000 if quick else _CLEAN_ROWS
    clean_jobs = [
        same | {"order": order, "seed": seed, "rows": rows}
        for seed in range(1 if quick else _CLEAN_SEEDS)
        for order in _ORDERS
    ]
    run_missing(results[1], clean_jobs, clean.stream, processes, say)
