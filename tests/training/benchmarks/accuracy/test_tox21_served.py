"""The benchmark of the served Tox21 version: its files of scores, differences and tables."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

pytest.importorskip("torch", reason="the extra train is not installed")

from training.benchmarks.accuracy.tox21 import rivals, served
from training.data import Dataset
from training.evaluation.metrics import mean_auc

#: Distinct ring systems, so that each parent is a scaffold of its own.
_PARENTS = tuple("C1CC1" + "C" * length for length in range(1, 61))
_JOB = {"stage": "inner", "method": "SVM", "choice": {"C": 1.0}, "seed": 0, "fold": 1, "data": "ab"}


def _dataset() -> Dataset:
    rng = np.random.default_rng(0)
    labels = (rng.random((60, 2)) < 0.4).astype(np.float32)
    labels[:5, 1] = np.nan
    return Dataset(
        name="tox21",
        featurizer="molecules-3",
        records=_PARENTS,
        labels=labels,
        targets=("A", "B"),
        folds=(np.arange(60) % 5).astype(np.int8),
        sources={},
        summary={},
        parts={"leaderboard": np.arange(60) >= 30},
    )


def test_scores_are_found_by_all_that_identifies_a_fit(tmp_path: Path) -> None:
    """A fit of another choice, or of other data, is not taken for one that was run."""
    files = rivals.ScoreFiles(tmp_path / "scores")
    assert files.get(_JOB) is None
    files.add(_JOB, np.array([[0.25, 0.5]]))
    again = rivals.ScoreFiles(tmp_path / "scores")
    assert np.array_equal(again.get(_JOB), [[0.25, 0.5]])
    for name, other in {"choice": {"C": 2.0}, "data": "cd", "seed": 1, "fold": 2}.items():
        assert again.get(_JOB | {name: other}) is None
    assert not list((tmp_path / "scores").glob("*.unfinished"))


def test_the_interval_of_a_difference_is_that_of_repeated_draws_of_clusters() -> None:
    """Copies of a row add nothing: the half width is as wide as the spread over drawn populations."""
    rng = np.random.default_rng(1)

    def drawn(copies: int) -> tuple[float, float]:
        y = (rng.random((400, 1)) < 0.3).astype(np.float64)
        good, bad = (y * gain + rng.normal(size=y.shape) for gain in (1.5, 1.0))
        y, good, bad = (np.repeat(part, copies, axis=0) for part in (y, good, bad))
        text = served.difference(y, good, [bad], np.repeat(np.arange(400), copies))
        gap = mean_auc(y, good) - mean_auc(y, bad)
        low, high = (float(part) for part in text.split("(")[1].rstrip(")").split(" to "))
        assert low < gap < high
        return gap, (high - low) / 2 / norm.ppf(0.975)

    for copies in (1, 4):
        gaps, errors = np.array([drawn(copies) for _ in range(200)]).T
        assert errors.mean() == pytest.approx(gaps.std(), rel=0.2)


def test_the_tables_compare_every_method_with_the_first() -> None:
    """On all rows, on the leaderboard set and by assay; the mean over seeds stands for a rival."""
    dataset = _dataset()
    rng = np.random.default_rng(2)
    noise = [rng.normal(size=dataset.labels.shape) for _ in range(3)]
    best = np.nan_to_num(dataset.labels) + 0.5 * noise[0]
    text = "\n".join(served.tables(dataset, {"own": [best], "rival": noise[1:]}))
    labels = dataset.labels
    gap = mean_auc(labels, best) - np.mean([mean_auc(labels, each) for each in noise[1:]])
    assert f"{gap:+.4f} (" in text
    assert f"| own | {mean_auc(labels, best):.4f} |" in text
    part = mean_auc(labels[30:], best[30:]) - np.mean([mean_auc(labels[30:], e[30:]) for e in noise[1:]])
    assert f"{part:+.4f} (" in text
    assert f"| B | {int(np.nansum(labels[:, 1]))} |" in text


@pytest.mark.parametrize("method", rivals.CHOICES)
def test_rivals_learn_what_there_is_to_learn_without_the_judged_fold(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their scores of a fold follow its features, whatever labels that fold has."""
    rng = np.random.default_rng(3)
    dataset, raw = _many(rng)
    monkeypatch.setattr(rivals, "_PAPERS", replace(rivals._PAPERS, units=32, layers=2, batch_size=32))

    def scores(labels: Any) -> Any:
        made = replace(dataset, labels=labels)
        monkeypatch.setattr(rivals, "_data", lambda: (made, raw, tuple("abcd"), "digest"))
        return rivals.fit(rivals.job("judged", method, 0, 0, 2))

    own = scores(dataset.labels)
    judge = dataset.folds == 2
    assert mean_auc(dataset.labels[judge], own) > 0.85
    other = dataset.labels.copy()
    other[judge] = 1 - other[judge]
    assert np.array_equal(scores(other), own)


def _many(rng: np.random.Generator) -> tuple[Dataset, Any]:
    raw = rng.normal(size=(600, 4)).astype(np.float32)
    labels = (raw[:, :2] > 0.3).astype(np.float32)
    labels[::7, 0] = np.nan
    folds = (np.arange(600) % 5).astype(np.int8)
    return replace(_dataset(), records=["C"] * 600, labels=labels, folds=folds, parts={}), raw
