"""A calibration map that knows the similarity to what was learned."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra train is not installed")

from training.benchmarks.accuracy.similarity_calibration import cross_fitted, table
from training.evaluation.calibration import calibration_slope, sigmoid

RNG = np.random.default_rng(0)
SIMILARITY = RNG.uniform(0.1, 1.0, 6000)
FOLDS = np.arange(6000) % 5
LOGITS = 2 * RNG.normal(size=(6000, 2)) - 1
LOGITS[::9, 1] = -1.0


def labels(steepness: np.ndarray) -> np.ndarray:
    """Labels drawn where the true logit is the given one times ``steepness`` ``(n,)``."""
    drawn = (RNG.random(LOGITS.shape) < sigmoid(LOGITS * steepness[:, None])).astype(np.float64)
    drawn[::9, 1] = np.nan
    return drawn


def test_slopes_that_follow_the_similarity_are_mended() -> None:
    """Far rows, whose logits say too much, get a slope of 1, as do near ones."""
    y = labels(0.5 + SIMILARITY)
    plain, corrected = cross_fitted(y, LOGITS, SIMILARITY, FOLDS)
    for part, bent in ((SIMILARITY < 0.4, 0.8), (SIMILARITY > 0.8, 1.2)):
        known = part[:, None] & ~np.isnan(y)
        assert abs(calibration_slope(y[known], plain[known]) - bent) < 0.12
        assert calibration_slope(y[known], corrected[known]) == pytest.approx(1, abs=0.08)
    text = "\n".join(table(y, plain, corrected, SIMILARITY))
    assert f"| below 0.4 | {(SIMILARITY < 0.4).sum():,} | 0." in text


def test_without_a_trend_nothing_is_corrected() -> None:
    """Where slopes are alike, both probabilities are."""
    plain, corrected = cross_fitted(labels(np.ones(6000)), LOGITS, SIMILARITY, FOLDS)
    assert np.abs(plain - corrected).max() < 0.06


def test_a_row_is_judged_by_the_rows_of_other_folds() -> None:
    """Other labels of a fold change nothing of what its rows get."""
    y = labels(0.5 + SIMILARITY)
    other = np.where(FOLDS[:, None] == 3, 1 - y, y)
    for made, again in zip(
        cross_fitted(y, LOGITS, SIMILARITY, FOLDS),
        cross_fitted(other, LOGITS, SIMILARITY, FOLDS),
        strict=True,
    ):
        assert np.array_equal(made[FOLDS == 3], again[FOLDS == 3])
        assert not np.array_equal(made[FOLDS != 3], again[FOLDS != 3])
