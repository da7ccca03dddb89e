"""``benchmark health-delay``: how soon a verdict turns and returns, beside other detectors."""

from importlib.util import find_spec

from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.benchmarks.health.material import Tried, models_tried
from training.benchmarks.health.onset.delay import BEFORE, DELAY_KEYS, DELAYS, delay_jobs, delays
from training.benchmarks.health.onset.quiet import QUIET, QUIET_KEYS, quiet, quiet_jobs
from training.benchmarks.health.onset.report import delay_report
from training.benchmarks.health.onset.rivals import DELAYED, RIVAL_KEYS, rival, rival_jobs
from training.benchmarks.health.trial import HALVES, Effort, figures, fit

#: Onsets of each fault in each half of a fold.
_TIMES = {"htru2": 3, "tox21": 1}


def run(repository: Repository, seeds: int, processes: int, say: Say, *, quick: bool = False) -> str:
    """Return the report on both models' champions; times and seeds are the report's own.

    Other detectors are tried on HTRU2: its eight inputs are what they are made for.
    ``quick`` tries little of everything, on HTRU2 alone and keeps no results: for tests.
    """
    del seeds
    with models_tried(repository, quick, say) as (base, models):
        reports = base if quick else REPORTS
        keys = ("model", "bundle", "group", "fault", "fold")
        trials = Results(reports / "health.csv", keys, figures())
        results = (
            Results(reports / "health-delay.csv", DELAY_KEYS, DELAYS),
            Results(reports / "health-quiet.csv", QUIET_KEYS, QUIET),
            Results(reports / "health-rivals.csv", RIVAL_KEYS, DELAYED),
        )
        for model in models:
            _one_model(model, results, processes, say, quick)
        return delay_report(*results, trials)


def _one_model(
    model: Tried, results: tuple[Results, Results, Results], processes: int, say: Say, quick: bool
) -> None:
    name, folds, groups = model.name, model.folds, model.groups
    same = model.same | {
        "times": 1 if quick else _TIMES[name],
        "before": 4096 if quick else BEFORE,
    }
    work = [
        (results[0], delay_jobs(same, groups, folds[0], quick), delays),
        (results[1], quiet_jobs(same, folds, quick), quiet),
    ]
    if name == "htru2":
        if quick or find_spec("river") is not None:
            work.append((results[2], rival_jobs(same, groups, folds[0], quick), rival))
        else:
            say("river is not installed: pip install 'snn-serving[rivals]'")
    effort = Effort(20, 10, 10, 20)
    wanted = {int(job["fold"]) for found, jobs, _ in work for job in jobs if found.get(job) is None}
    for fold in sorted(wanted):
        say(f"{name}: fitting the monitors to the halves of fold {fold}")
        for half in HALVES:
            fit(model.folder, fold, half, effort)
    for found, jobs, compute in work:
        run_missing(found, jobs, compute, processes, say)
