"""The benchmark of served calibration: its figures of one draw, and its table."""

from pathlib import Path

import pytest

from training.benchmarks.accuracy import served_calibration
from training.benchmarks.harness import Results


@pytest.mark.slow
def test_a_draw_has_figures_of_rows_that_no_member_saw(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The served map is steeper than that of the few, and the table shows both."""
    monkeypatch.setattr(served_calibration, "_FRESH", 4000)
    job = {"population": "noisy", "rows": 300, "draw": 0}
    figures = served_calibration.judged(job)
    assert figures["naive"] > figures["served"] > 0.5
    assert figures["excess_log_loss"] >= 0
    assert 0 < figures["f1_reported"] < 1
    results = Results(
        tmp_path / "calibration.csv", served_calibration._KEYS, served_calibration._FIGURES
    )
    results.add(job, figures)
    table = served_calibration.report(results)
    assert f"| noisy | 300 | 1 | {figures['naive']:.2f} | {figures['served']:.2f} |" in table
