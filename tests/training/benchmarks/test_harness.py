"""The benchmarks' machinery: resuming, paired intervals, and reports of unfinished runs."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra train is not installed")

from scipy.stats import ttest_1samp

from training.benchmarks.accuracy.tox21.by_depth import KEYS
from training.benchmarks.accuracy.tox21.by_depth_report import report as tox21_report
from training.benchmarks.harness import Results, run_missing
from training.benchmarks.statistics import paired
from training.errors import TrainingError
from training.networks.training_loop import Recipe


def test_results_survive_a_new_start(tmp_path: Path) -> None:
    """What was appended is read again, found by its configuration and nothing else."""
    results = Results(tmp_path / "r.csv", ("method", "seed"), ("auc",))
    results.add({"method": "SNN", "seed": 0, "noise": 5}, {"auc": 0.75})
    again = Results(tmp_path / "r.csv", ("method", "seed"), ("auc",))
    assert again.get({"method": "SNN", "seed": 0}) == {"auc": 0.75}
    assert again.get({"method": "SNN", "seed": 1}) is None


def test_results_of_another_benchmark_are_refused(tmp_path: Path) -> None:
    """A file with other columns is not appended to."""
    Results(tmp_path / "r.csv", ("method",), ("auc",)).add({"method": "SNN"}, {"auc": 0.75})
    with pytest.raises(TrainingError, match="other columns"):
        Results(tmp_path / "r.csv", ("method", "seed"), ("auc",))


def _work(job: dict[str, object]) -> dict[str, float]:
    Path(str(job["folder"]), f"ran-{job['seed']}").touch()
    return {"auc": float(str(job["seed"])) / 10}


@pytest.mark.slow
def test_only_what_is_missing_is_run(tmp_path: Path) -> None:
    """Jobs that the file has are left alone; the others run in processes and are appended."""
    results = Results(tmp_path / "r.csv", ("seed",), ("auc",))
    results.add({"seed": 0}, {"auc": 0.5})
    jobs = [{"seed": seed, "folder": str(tmp_path)} for seed in range(3)]
    said: list[str] = []
    run_missing(results, jobs, _work, 1, said.append)
    assert sorted(path.name for path in tmp_path.glob("ran-*")) == ["ran-1", "ran-2"]
    again = Results(tmp_path / "r.csv", ("seed",), ("auc",))
    assert [again.get(job) for job in jobs] == [{"auc": 0.5}, {"auc": 0.1}, {"auc": 0.2}]
    assert said[0] == "2 of 3 fits to run"


def test_the_paired_test_is_the_plain_one_with_a_larger_variance() -> None:
    """The statistic is a t-test's, shrunk by the root of (1/n) / (1/n + test/train)."""
    differences = np.random.default_rng(0).normal(0.01, 0.02, 10)
    plain = ttest_1samp(differences, 0)
    made = paired(differences, 10)
    assert made.low < made.mean < made.high
    reach = plain.confidence_interval(0.95).high - differences.mean()
    assert made.high - made.mean == pytest.approx(reach * np.sqrt((1 / 10 + 1 / 9) * 10))
    assert made.p > plain.pvalue


def test_false_alarms_of_the_paired_test_stay_below_its_level() -> None:
    """Of differences that share their training noise, few are called significant."""
    rng = np.random.default_rng(1)
    runs, folds = 2000, 10
    # Correlation 1/10 between folds, as the correction supposes.
    shared = rng.normal(0, np.sqrt(0.1), (runs, 1))
    own = rng.normal(0, np.sqrt(0.9), (runs, folds))
    wrong = np.mean([paired(row, folds).p < 0.05 for row in shared + own])
    assert wrong < 0.06


def test_equal_results_are_no_difference() -> None:
    """Differences of 0 everywhere have p = 1; one run has no interval."""
    assert paired(np.zeros(10), 10).p == 1
    assert paired(np.array([0.3]), 10).high == float("inf")


@pytest.mark.parametrize("changed", ["units", "epochs", "features"])
def test_a_fit_of_another_recipe_or_featurizer_is_not_taken_for_this_one(
    changed: str, tmp_path: Path
) -> None:
    """Rows that stay in the file from before a change of width, epochs or features are not reused."""
    job = dict.fromkeys(KEYS, 1)
    results = Results(tmp_path / "r.csv", KEYS, ("mean",))
    results.add(job, {"mean": 0.8})
    assert results.get(job) == {"mean": 0.8}
    assert results.get(job | {changed: 2}) is None


def test_an_unfinished_table_says_so(tmp_path: Path) -> None:
    """The report of a run with one fit done names what is done and leaves the rest open."""
    job = {
        "stage": "judged",
        "method": "SNN",
        "layers": 8,
        "rate": 0.001,
        "dropout": 0,
        "seed": 0,
        "fold": 0,
    }
    results = Results(tmp_path / "r.csv", tuple(job), ("mean",))
    results.add(job, {"mean": 0.8512})
    text = tox21_report(results, [job, job | {"seed": 1}], [job, job | {"fold": 1}], Recipe(), 4)
    assert "1 of 3 fits are done" in text
    assert "| SNN | 85.1 (84.5) |" in text
    assert "| highway | – (80.3) |" in text
    assert "| SNN | 0.001, 0 |" in text
