"""The map of the mean of all members, from rows that only some of them never saw."""

import numpy as np
import pytest
from scipy.special import softmax

from training.evaluation.averaging import as_served, fold_spread
from training.evaluation.calibration import calibrate, calibration_slope, fit_platt, sigmoid
from training.evaluation.class_calibration import fit_classes

FOLDS, ROUNDS = 5, 2
MEMBER_FOLDS = np.tile(np.arange(FOLDS), ROUNDS)


def members(
    truth: np.ndarray, rng: np.random.Generator, *, fold_noise: float, seed_noise: float
) -> np.ndarray:
    """Member logits ``(n, M, T)``: the truth, doubled, with noise of each fold and each member."""
    n, targets = truth.shape
    of_fold = fold_noise * rng.standard_normal((n, FOLDS, targets))
    own = seed_noise * rng.standard_normal((n, len(MEMBER_FOLDS), targets))
    return 2 * truth[:, None] + of_fold[:, MEMBER_FOLDS] + own


def out_of_fold(logits: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The mean of the members of a row's own fold."""
    return np.stack([logits[row, fold == MEMBER_FOLDS].mean(axis=0) for row, fold in enumerate(folds)])


@pytest.mark.parametrize(("fold_noise", "seed_noise"), [(2.0, 1.0), (0.5, 3.0), (0.0, 0.0)])
def test_the_spread_between_folds_is_that_of_a_folds_mean(fold_noise: float, seed_noise: float) -> None:
    """Where members do not remember rows it is the fold's variance and half of a seed's."""
    rng = np.random.default_rng(0)
    folds = rng.integers(0, FOLDS, 4000)
    logits = members(rng.normal(size=(4000, 2)), rng, fold_noise=fold_noise, seed_noise=seed_noise)
    spread = fold_spread(logits, MEMBER_FOLDS, folds)
    expected = fold_noise**2 + seed_noise**2 / ROUNDS
    assert spread.mean(axis=0) == pytest.approx([expected] * 2, rel=0.06, abs=1e-9)


def test_what_members_remember_of_a_row_is_taken_back() -> None:
    """Members that learned a row differ by a part less there: seen between members of one fold."""
    rng = np.random.default_rng(1)
    folds = rng.integers(0, FOLDS, 30_000)
    truth = rng.normal(size=(30_000, 1))
    noise = members(truth, rng, fold_noise=1.0, seed_noise=1.0) - 2 * truth[:, None]
    noise[folds[:, None] != MEMBER_FOLDS] *= np.sqrt(0.8)
    spread = fold_spread(2 * truth[:, None] + noise, MEMBER_FOLDS, folds)
    assert spread.mean() == pytest.approx(1.5, rel=0.06)


@pytest.mark.parametrize("seed", range(3))
def test_the_served_mean_is_calibrated_on_new_rows(seed: int) -> None:
    """The map fitted to out-of-fold logits is far too flat for the mean of all, this one is not."""
    rng = np.random.default_rng(seed)
    n = 60_000
    labels = (rng.random((n, 1)) < 0.3).astype(float)
    truth = 1.4 * labels + rng.normal(0, 0.8, (n, 1))
    folds = rng.integers(0, FOLDS, n)
    logits = members(truth, rng, fold_noise=1.5, seed_noise=1.5)
    known, new = slice(0, n // 5), slice(n // 5, n)
    own = out_of_fold(logits[known], folds[known])
    spread = fold_spread(logits[known], MEMBER_FOLDS, folds[known])
    served = as_served(labels[known], own, spread, folds[known], exclusive=False)
    fresh = logits[new].mean(axis=1)[:, 0]
    found = calibrate(labels[known], own, served, "f1")
    assert calibration_slope(labels[new, 0], found.maps[0](fresh)) == pytest.approx(1, abs=0.06)
    assert calibration_slope(labels[known, 0], found.served[:, 0]) == pytest.approx(1, abs=0.03)
    flat = fit_platt(labels[known, 0], own[:, 0])
    assert calibration_slope(labels[new, 0], flat(fresh)) > 1.3


def test_classes_are_calibrated_as_served_too() -> None:
    """One slope for all classes; shifts of all of a member's logits have no part in it."""
    rng = np.random.default_rng(2)
    n, classes = 9000, rng.integers(0, 3, 9000)
    labels = np.eye(3)[classes]
    truth = 1.2 * labels + rng.normal(0, 0.8, (n, 3))
    folds = rng.integers(0, FOLDS, n)
    logits = members(truth, rng, fold_noise=1.5, seed_noise=1.0)
    centred = logits - logits.mean(axis=2, keepdims=True)
    own = out_of_fold(logits, folds) + rng.normal(0, 9, (n, 1))
    spread = fold_spread(centred, MEMBER_FOLDS, folds)
    served = as_served(labels, own, spread, folds, exclusive=True)
    mean = members(truth, rng, fold_noise=1.5, seed_noise=1.0).mean(axis=1)
    best, _ = fit_classes(labels, mean)
    assert fit_classes(labels, served)[0] == pytest.approx(best, rel=0.06)
    assert fit_classes(labels, own)[0] < 0.8 * best
    assert softmax(served, axis=1).sum(axis=1) == pytest.approx(np.ones(n))


def test_unmeasured_labels_and_single_rows_stay_what_they_are() -> None:
    """A logit without a label, or of a class without other rows, is not moved."""
    labels = np.array([[np.nan], [1.0], [0.0], [0.0], [0.0]])
    logits = np.arange(5.0)[:, None]
    served = as_served(labels, logits, np.full((5, 1), 0.1), np.arange(5), exclusive=False)
    assert served[:2, 0].tolist() == [0.0, 1.0]
    assert served[2, 0] > 2
    assert served[4, 0] < 4


def test_cut_offs_are_judged_on_rows_that_did_not_choose_them() -> None:
    """Of scores that know nothing the best F1 flatters; the cross-fitted calls do not."""
    flattered, honest, expected = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = (rng.random((150, 1)) < 0.2).astype(float)
        logits = rng.normal(size=(150, 1)) + 0.3 * labels
        found = calibrate(labels, logits, logits, "f1")
        new = (rng.random(4000) < 0.2).astype(float)
        calls = found.maps[0](rng.normal(size=4000) + 0.3 * new) >= found.thresholds[0]
        for called, truth, kept in (
            (found.served >= found.thresholds, labels, flattered),
            (found.calls, labels, honest),
            (calls, new, expected),
        ):
            kept.append(2 * (called & (truth == 1)).sum() / (called.sum() + (truth == 1).sum()))
    assert np.mean(flattered) > np.mean(expected) + 0.03
    assert np.mean(honest) == pytest.approx(np.mean(expected), abs=0.02)


def test_a_probability_is_the_maps() -> None:
    """The map of a target is applied to the mean logit by the graph: slope and intercept."""
    labels = (np.arange(100) % 3 == 0).astype(float)[:, None]
    logits = labels + np.linspace(-1, 1, 100)[:, None]
    found = calibrate(labels, logits, logits, "youden")
    assert found.maps[0](logits[:, 0]) == pytest.approx(
        sigmoid(found.maps[0].slope * logits[:, 0] + found.maps[0].intercept)
    )
