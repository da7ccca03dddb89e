"""Metrics, calibration and the gate, against scikit-learn and on made-up predictions."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from training.errors import TrainingError
from training.evaluation.calibration import (
    FLATTEST,
    Platt,
    calibration_slope,
    choose_threshold,
    cross_fitted,
    fit_platt,
    sigmoid,
)
from training.evaluation.figures import metrics
from training.evaluation.metrics import (
    auc,
    auc_influence,
    average_precision,
    bootstrap,
    brier,
    confusion,
    log_loss,
    mean_auc,
    target_aucs,
)
from training.release.comparison import discrimination

PREDICTIONS = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60).filter(
    lambda pairs: 0 < sum(label for label, _ in pairs) < len(pairs)
)


@given(PREDICTIONS)
def test_ranking_metrics_agree_with_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    """AUC and average precision, with ties."""
    y = np.array([float(label) for label, _ in pairs])
    s = np.array([score / 10 for _, score in pairs])
    assert auc(y, s) == pytest.approx(oracle.roc_auc_score(y, s))
    assert average_precision(y, s) == pytest.approx(oracle.average_precision_score(y, s))


@given(PREDICTIONS)
def test_probability_scores_agree_with_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    """Log-loss and Brier score."""
    y = np.array([float(label) for label, _ in pairs])
    p = np.array([(score + 0.5) / 10 for _, score in pairs])
    assert log_loss(y, p) == pytest.approx(oracle.log_loss(y, p))
    assert brier(y, p) == pytest.approx(oracle.brier_score_loss(y, p))


def test_rates_at_a_threshold() -> None:
    """Two of three found, one of four false."""
    y = np.array([1, 1, 1, 0, 0, 0, 0])
    s = np.array([0.9, 0.8, 0.1, 0.7, 0.2, 0.1, 0.0])
    got = confusion(y, s >= 0.5)
    assert (got.recall, got.false_positive_rate, got.precision) == pytest.approx((2 / 3, 1 / 4, 2 / 3))


def test_unmeasured_labels_have_no_part() -> None:
    """NaN labels are left out, and a target of one class only counts in no mean."""
    y = np.array([[1, 0], [0, 0], [np.nan, 0], [1, 0]], dtype=float)
    s = np.array([[0.9, 0.1], [0.2, 0.2], [0.0, 0.3], [0.8, 0.4]])
    assert target_aucs(y, s)[0] == 1
    assert np.isnan(target_aucs(y, s)[1])
    assert mean_auc(y, s) == 1


def made_up(n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels drawn from over-confident, shifted logits, and folds."""
    rng = np.random.default_rng(0)
    truth = rng.normal(-1, 1.5, n)
    labels = (rng.random(n) < sigmoid(truth)).astype(float)
    return labels, 2 * truth + 1, rng.integers(0, 5, n)


def test_platt_recovers_the_distortion() -> None:
    """Logits doubled and shifted by one are halved and shifted back."""
    labels, logits, folds = made_up()
    fitted = fit_platt(labels, logits)
    assert (fitted.slope, fitted.intercept) == pytest.approx((0.5, -0.5), abs=0.06)
    probability = cross_fitted(labels, logits, folds)
    assert calibration_slope(labels, probability) == pytest.approx(1, abs=0.05)
    assert log_loss(labels, probability) < log_loss(labels, sigmoid(logits))


def test_cross_fitting_leaves_the_judged_rows_out() -> None:
    """Changing a fold's own labels does not change that fold's probabilities."""
    labels, logits, folds = made_up()
    changed = np.where(folds == 2, 1 - labels, labels)
    before, after = (cross_fitted(y, logits, folds)[folds == 2] for y in (labels, changed))
    assert before == pytest.approx(after)


@pytest.mark.parametrize("labels", [np.zeros(10), np.ones(10)])
def test_one_class_cannot_be_calibrated(labels: np.ndarray) -> None:
    """Without both classes there is nothing to fit."""
    with pytest.raises(TrainingError, match="both classes"):
        fit_platt(labels, np.arange(10.0))


def test_logits_that_fall_where_labels_rise_get_the_base_rate() -> None:
    """A model that learned nothing is not turned over by its calibration."""
    labels, logits, _ = made_up()
    fitted = fit_platt(labels, -logits)
    assert fitted.slope == FLATTEST
    assert fitted(-logits) == pytest.approx(np.full(len(labels), labels.mean()), abs=0.005)
    # As a diagnosis of somebody's probabilities it is a figure like any other.
    assert calibration_slope(labels, sigmoid(-logits)) < 0


@pytest.mark.parametrize("rule", ["youden", "f1"])
def test_no_other_threshold_is_better(rule: str) -> None:
    """The chosen threshold beats every candidate on a fine grid."""
    labels, logits, _ = made_up(500)
    p = Platt(0.5, -0.5)(logits)

    def quality(threshold: float) -> float:
        got = confusion(labels, p >= threshold)
        return got.f1 if rule == "f1" else got.recall - got.false_positive_rate

    best = quality(choose_threshold(labels, p, rule))
    assert best >= max(quality(one) for one in np.linspace(0, 1, 501)) - 1e-12


def test_the_bootstrap_gives_the_standard_error_of_a_mean() -> None:
    """For a mean of 400 numbers of spread 1 it is about 0.05."""
    values = np.random.default_rng(1).standard_normal(400)
    value, error, low, high = bootstrap(lambda rows: float(values[rows].mean()), 400)
    assert value == values.mean()
    assert error == pytest.approx(0.05, rel=0.15)
    assert low < values.mean() < high


def test_a_fold_without_both_classes_has_no_auc_of_its_own() -> None:
    """The spread is over the other folds, and every figure is a number that JSON can hold."""
    labels, logits, folds = made_up(500)
    labels[folds == 3] = 0
    probability = sigmoid(logits)[:, None]
    document = metrics(labels[:, None], probability, ("t",), probability >= 0.5, folds)
    assert len(document["overall"]["mean_auc_by_fold"]) == 4
    assert document["overall"]["mean_auc_sd_over_folds"] > 0
    json.dumps(document, allow_nan=False)


def test_the_influence_of_rows_gives_the_bootstraps_standard_error() -> None:
    """Of a mean over two targets, with ties and rows that were not measured."""
    labels, logits, _ = made_up(800)
    y = np.stack([labels, np.roll(labels, 7)], axis=1)
    y[::5, 1] = np.nan
    scores = np.stack([logits.round(1), logits + np.random.default_rng(3).normal(size=800)], axis=1)
    _, error, _, _ = bootstrap(lambda rows: mean_auc(y[rows], scores[rows]), 800)
    influence = auc_influence(y, scores)
    assert np.sqrt(np.square(influence).sum()) == pytest.approx(error, rel=0.1)
    assert not auc_influence(np.ones((5, 1)), np.arange(5.0)[:, None]).any()


@pytest.mark.slow
def test_the_gate_stops_a_challenger_of_shuffled_labels() -> None:
    """Scores that know nothing are worse than the champion's; equal scores are not."""
    labels, logits, _ = made_up(2000)
    y, good = labels[:, None], logits[:, None]
    noise = np.random.default_rng(2).permutation(good)
    assert not discrimination(y, noise, good).passed
    assert discrimination(y, good, noise).passed
    assert discrimination(y, good, good).passed
