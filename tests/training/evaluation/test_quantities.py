"""Quantities are calibrated so that intervals hold what they state, and judged in their units."""

from typing import Any

import numpy as np
import pytest

from training.evaluation.quantities import (
    COVERAGE,
    QUANTILES,
    calibrate_quantities,
    ends_of,
    fit_line,
    pinball,
    quantity_metrics,
    quantity_score,
    r2_influence,
    r2_interval,
    r_squared,
    rmse_interval,
)
from training.release.regression import comparison

ROWS = 2_000


def outputs(
    factor: float = 1.0, seed: int = 0, noises: tuple[float, float] = (0.2, 1.5)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, outputs whose quantiles are too near by ``factor``, and folds; noise varies with a row."""
    rng = np.random.default_rng(seed)
    mean, noise = rng.normal(size=ROWS), rng.uniform(*noises, ROWS)
    labels = mean + noise * rng.normal(size=ROWS)
    half = 1.645 * noise * factor
    made = np.stack([mean, mean - half, mean + half], axis=1)
    return labels[:, None].astype(np.float32), made, np.arange(ROWS) % 5


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.0])
def test_intervals_hold_the_stated_part_of_new_rows(factor: float) -> None:
    """Whatever the quantiles are off by, on the rows and on fresh ones, and wider where noise is."""
    labels, made, folds = outputs(factor)
    calibration = calibrate_quantities(labels, made, np.zeros_like(made), folds)
    assert calibration.held.mean() == pytest.approx(COVERAGE, abs=0.015)
    fresh, other, _ = outputs(factor, seed=1)
    (line,), margin = calibration.lines, calibration.margins[0]
    ends = ends_of(line(other[:, 0]), line(other[:, 1]), line(other[:, 2]), margin)
    held = (ends[:, 0] <= fresh[:, 0]) & (fresh[:, 0] <= ends[:, 1])
    assert held.mean() == pytest.approx(COVERAGE, abs=0.02)
    widths, distance = ends[:, 1] - ends[:, 0], other[:, 2] - other[:, 1]
    assert np.corrcoef(widths, distance)[0, 1] > 0.99
    assert (calibration.interval[:, 0, 0] <= calibration.value[:, 0]).all()
    assert (calibration.value[:, 0] <= calibration.interval[:, 0, 1]).all()


def test_the_noise_of_few_members_is_taken_out() -> None:
    """Margins of a mean of many are right where they are fitted by means of few and their spread.

    That holds where noise is the same for all rows: where it is not, intervals are too wide rather than
    too narrow.
    """
    rng = np.random.default_rng(2)
    labels, made, folds = outputs(noises=(0.9, 0.9))
    noise = 0.8
    few = made + noise * rng.normal(size=(ROWS, 1))
    spread = np.full_like(made, noise**2 * 5 / 4)  # of one fold's mean; that of all has a fifth
    calibration = calibrate_quantities(labels, few, spread, folds)
    (line,) = calibration.lines
    assert line.slope == pytest.approx(1, abs=0.1)  # two standard errors of such a slope
    naive = calibrate_quantities(labels, few, np.zeros_like(made), folds)
    assert naive.lines[0].slope < 0.7
    held = []
    for each in (calibration, naive):
        own = each.lines[0]
        ends = ends_of(own(made[:, 0]), own(made[:, 1]), own(made[:, 2]), each.margins[0])
        held.append(((ends[:, 0] <= labels[:, 0]) & (labels[:, 0] <= ends[:, 1])).mean())
    assert abs(held[0] - COVERAGE) < 0.03
    assert abs(held[0] - COVERAGE) < abs(held[1] - COVERAGE)


def test_values_that_fall_get_next_to_no_slope() -> None:
    """What is learned the wrong way round, or not at all, ends near the mean."""
    rng = np.random.default_rng(3)
    labels = rng.normal(size=300)
    for values in (-labels, rng.normal(size=300), np.zeros(300)):
        line = fit_line(labels, values)
        assert 0 < line.slope < 0.2
        assert line(values).mean() == pytest.approx(labels.mean(), abs=1e-6)


def test_figures_are_in_the_targets_unit() -> None:
    """By the definitions, and each figure lies in its own interval."""
    labels, made, folds = outputs()
    calibration = calibrate_quantities(labels, made, np.zeros_like(made), folds)
    document: Any = quantity_metrics(labels, calibration, ("price",), np.array([250.0]), folds)
    figures = document["targets"]["price"]
    error = labels - calibration.value
    assert figures["rmse"] == pytest.approx(250 * np.sqrt(np.mean(error**2)))
    assert figures["mae"] == pytest.approx(250 * np.abs(error).mean())
    assert figures["spread"] == pytest.approx(250 * labels.std(), rel=1e-6)
    assert figures["r2"] == pytest.approx(r_squared(labels, calibration.value))
    assert document["overall"]["r2"] == figures["r2"]
    for name in ("rmse", "mae", "r2", "coverage", "width", "pinball"):
        low, high = figures[f"{name}_95_interval"]
        assert low < figures[name] < high
    loss = -quantity_score("pinball", labels, calibration)
    assert figures["pinball"] == pytest.approx(250 * loss)
    assert quantity_score("rmse", labels, calibration) == pytest.approx(-figures["rmse"] / 250)
    assert quantity_score("mae", labels, calibration) == pytest.approx(-figures["mae"] / 250)


def test_pinball_is_least_at_the_quantiles() -> None:
    """Of normal labels no other ends have a smaller loss (Koenker, Bassett 1978)."""
    labels = np.random.default_rng(4).normal(size=(50_000, 1))
    ends = np.array([-1.645, 1.645])
    best = pinball(labels, np.broadcast_to(ends, (50_000, 1, 2))).mean()
    for moved in (ends * 0.8, ends * 1.2, ends + 0.3):
        assert pinball(labels, np.broadcast_to(moved, (50_000, 1, 2))).mean() > best
    assert QUANTILES == (0.05, 0.95)


def test_intervals_of_figures_are_those_of_a_bootstrap() -> None:
    """The delta method and the influence function agree with drawing rows."""
    rng = np.random.default_rng(5)
    labels = rng.normal(size=400)
    values = 0.7 * labels + rng.normal(size=400) * 0.4
    drawn = rng.integers(0, 400, (2_000, 400))
    roots = np.sqrt(np.mean((labels - values)[drawn] ** 2, axis=1))
    root, low, high = rmse_interval(labels - values)
    assert (high - low) / 3.92 == pytest.approx(roots.std(), rel=0.1)
    assert low < root < high
    r2 = [r_squared(labels[rows][:, None], values[rows][:, None]) for rows in drawn]
    assert np.linalg.norm(r2_influence(labels, values)) == pytest.approx(np.std(r2), rel=0.15)


def test_the_gate_compares_errors_by_the_targets_spread() -> None:
    """An equal challenger passes, a worse one fails, and the scale of the target plays no part."""
    rng = np.random.default_rng(6)
    labels = rng.normal(size=(3_000, 1))
    champion = labels + 0.5 * rng.normal(size=(3_000, 1))
    equal = labels + 0.5 * rng.normal(size=(3_000, 1))
    worse = labels + 0.6 * rng.normal(size=(3_000, 1))
    assert comparison.error(labels, champion, champion).passed
    assert comparison.error(labels, equal, champion).passed
    check = comparison.error(labels, worse, champion)
    assert not check.passed
    assert check.summary.startswith("out-of-fold RMSE +0.")
    assert check.figures["difference"] == pytest.approx(0.1, abs=0.02)
    scaled = comparison.error(1e6 * labels, 1e6 * worse, 1e6 * champion)
    assert scaled.figures["difference"] == pytest.approx(check.figures["difference"])
    assert comparison.error(labels, champion, worse).passed


def test_the_gate_holds_back_what_learned_nothing_and_false_intervals() -> None:
    """R² must be above 0 beyond chance, and coverage near what is stated."""
    labels, made, folds = outputs()
    sound = calibrate_quantities(labels, made, np.zeros_like(made), folds)
    assert comparison.learned_quantity(labels, sound).passed
    assert comparison.coverage(sound).passed
    noise = np.random.default_rng(7).permutation(made)
    nothing = calibrate_quantities(labels, noise, np.zeros_like(made), folds)
    check = comparison.learned_quantity(labels, nothing)
    assert not check.passed
    assert check.summary.endswith("no better than the mean")
    sound.held[: ROWS // 5] = False
    assert not comparison.coverage(sound).passed


def test_the_interval_of_r2_over_targets_is_that_of_their_mean() -> None:
    """As wide as the spread over draws of rows; alike targets gain nothing by being several."""
    rng = np.random.default_rng(8)
    labels = rng.normal(size=(400, 1))
    values = 0.7 * labels + 0.5 * rng.normal(size=labels.shape)
    value, low, high = r2_interval(labels, values)
    drawn = [rng.integers(0, 400, 400) for _ in range(400)]
    spread = np.std([r_squared(labels[rows], values[rows]) for rows in drawn])
    assert (high - low) / 2 / 1.96 == pytest.approx(spread, rel=0.15)
    twice = r2_interval(np.tile(labels, 2), np.tile(values, 2))
    assert twice == pytest.approx((value, low, high))
