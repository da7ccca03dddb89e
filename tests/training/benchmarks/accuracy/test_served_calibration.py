"""The benchmark of served calibration: its figures of one draw, and its table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.benchmarks.accuracy import served_calibration
from training.benchmarks.accuracy.populations import POPULATIONS, drawn_table
from training.benchmarks.harness import Results
from training.data import Dataset
from training.networks.training_loop import Recipe
from training.pipeline.run import fit
from training.recipes.official import ModelRecipe
from training.recipes.table import table_recipe


def small(dataset: Dataset) -> ModelRecipe:
    """One round of small networks, which train in a second."""
    network = Recipe(units=32, layers=2, learning_rate=2e-3, batch_size=64, epochs=12)
    return replace(table_recipe(dataset), networks=(network,), contenders=(), served=1, rounds=1)


@pytest.mark.slow
def test_a_draw_has_figures_of_rows_that_no_member_saw(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The served map is steeper than that of the few, and the table shows both."""
    monkeypatch.setattr(served_calibration, "_FRESH", 4000)
    job = {"population": "noisy", "recipe": "short", "rows": 300, "draw": 0}
    figures = served_calibration.judged(job)
    assert figures["naive"] > figures["served"] > 0.5
    assert figures["excess_log_loss"] >= 0
    assert 0 < figures["f1_reported"] < 1
    results = Results(
        tmp_path / "calibration.csv", served_calibration._KEYS, served_calibration._FIGURES
    )
    results.add(job, figures)
    table = served_calibration.report(results)
    assert f"| noisy | short | 300 | 1 | {figures['naive']:.2f} | {figures['served']:.2f} |" in table
    assert "held-out" not in table
    third = figures | {"served_far": 0.875, "p_05": 0.048, "p_01": 0.0112}
    results.add({"population": "tox21", "recipe": "default", "rows": 0, "draw": 0}, third)
    assert "| tox21 | 1 | 0.88 | 0.048 | 0.011 |" in served_calibration.report(results)


@pytest.mark.slow
def test_new_rows_of_a_trained_ensemble_have_uniform_p_values() -> None:
    """As many are at a level or below as it says."""
    rng = np.random.default_rng(4)
    dataset = drawn_table(*POPULATIONS["noisy"](1500, rng))
    fitted = fit(dataset, small(dataset), 1, 0, lambda _: None, lambda *_: None, processes=1)
    values, _ = POPULATIONS["noisy"](6000, rng)
    rows = fitted.featurizer.featurize(values.tolist()).rows
    p_values = served_calibration._p_values(fitted, rows)
    for level in (0.01, 0.05, 0.2):
        error = 4 * np.sqrt(level * (1 - level) * (1 / 1500 + 1 / 6000))
        assert (p_values <= level).mean() == pytest.approx(level, abs=error)
