"""``benchmark health``: faults, populations and clean traffic through the monitors, and the report."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.benchmarks.health import clean
from training.benchmarks.health.material import Tried, models_tried
from training.benchmarks.health.report import report
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
    with models_tried(repository, quick, say) as (base, models):
        reports = base if quick else REPORTS
        keys = ("model", "bundle", "group", "fault", "fold")
        trials = Results(reports / "health.csv", keys, figures())
        streams = Results(
            reports / "health-clean.csv", ("model", "bundle", "order", "seed"), clean.FIGURES
        )
        for model in models:
            _one_model(model, (trials, streams), processes, say, effort, quick)
        return report(trials, streams, reports / "health.svg", effort)


def _one_model(
    model: Tried,
    results: tuple[Results, Results],
    processes: int,
    say: Say,
    effort: Effort,
    quick: bool,
) -> None:
    folds, folder = model.folds, model.folder
    say(f"{model.name}: fitting the monitors to halves of {len(folds)} folds")
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = [pool.submit(fit, folder, fold, half, effort) for fold in folds for half in HALVES]
        for future in waiting:
            future.result()
    same = model.same | {"effort": effort}
    jobs = [
        same | {"group": group, "fault": fault, "fold": fold}
        for fold in folds
        for group, faults in model.groups.items()
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
