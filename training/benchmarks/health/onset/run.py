"""``benchmark health-delay``: how soon a verdict turns and returns, beside other detectors."""

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle.loading import open_bundle
from models.bundle.manifest import MODEL_FILE
from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.benchmarks.health.material import LOADERS, make_material
from training.benchmarks.health.onset.delay import BEFORE, DELAY_KEYS, DELAYS, delay_jobs, delays
from training.benchmarks.health.onset.quiet import QUIET, QUIET_KEYS, quiet, quiet_jobs
from training.benchmarks.health.onset.report import delay_report
from training.benchmarks.health.onset.rivals import DELAYED, RIVAL_KEYS, rival, rival_jobs
from training.benchmarks.health.store import keep
from training.benchmarks.health.trial import HALVES, Effort, figures, fit

#: Onsets of each fault in each half of a fold.
_TIMES = {"htru2": 2, "tox21": 1}


def run(repository: Repository, seeds: int, processes: int, say: Say, *, quick: bool = False) -> str:
    """Return the report on both models' champions; times and seeds are the report's own.

    Other detectors and clean traffic are tried on HTRU2: its eight inputs are what they are made for.
    ``quick`` tries little of everything, on HTRU2 alone and keeps no results: for tests.
    """
    del seeds
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    base = Path(tempfile.mkdtemp(prefix="snn-delay-"))
    try:
        reports = base if quick else REPORTS
        keys = ("model", "bundle", "group", "fault", "fold")
        trials = Results(reports / "health.csv", keys, figures())
        results = (
            Results(reports / "health-delay.csv", DELAY_KEYS, DELAYS),
            Results(reports / "health-quiet.csv", QUIET_KEYS, QUIET),
            Results(reports / "health-rivals.csv", RIVAL_KEYS, DELAYED),
        )
        for name in ("htru2",) if quick else LOADERS:
            folder = base / name
            folder.mkdir()
            _one_model(repository, name, folder, results, processes, say, quick)
        return delay_report(*results, trials)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _one_model(
    repository: Repository,
    name: str,
    folder: Path,
    results: tuple[Results, Results, Results],
    processes: int,
    say: Say,
    quick: bool,
) -> None:
    bundle = open_bundle(repository.bundle(name, repository.serving(name).champion))
    say(f"{name}: making the faults")
    material, groups = make_material(name, bundle, quick)
    keep(folder / "material.bin", material)
    folds = sorted({int(fold) for fold in np.unique(material.folds)})
    same: dict[str, Any] = {
        "model": name,
        "bundle": bundle.manifest.files[MODEL_FILE].sha256[:12],
        "folder": str(folder),
        "times": 1 if quick else _TIMES[name],
        "before": 4096 if quick else BEFORE,
    }
    work = [(results[0], delay_jobs(same, groups, folds[0], quick), delays)]
    if name == "htru2":
        known = any(key[0] == name for key in results[1].rows)
        work.append((results[1], [] if known else quiet_jobs(same, folds, quick), quiet))
        if quick or find_spec("river") is not None:
            work.append((results[2], rival_jobs(same, groups, folds[0], quick), rival))
        else:
            say("river is not installed: pip install 'snn-serving[rivals]'")
    effort = Effort(20, 10, 10, 20)
    wanted = {int(job["fold"]) for found, jobs, _ in work for job in jobs if found.get(job) is None}
    for fold in sorted(wanted):
        say(f"{name}: fitting the monitors to the halves of fold {fold}")
        for half in HALVES:
            fit(folder, fold, half, effort)
    for found, jobs, compute in work:
        run_missing(found, jobs, compute, processes, say)
