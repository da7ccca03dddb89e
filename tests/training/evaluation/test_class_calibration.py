"""Targets that are classes: calibration, metrics and training against scikit-learn and truth."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression

from training.data.folds import folds_of_rows
from training.evaluation.calibration import FLATTEST, parts_of
from training.evaluation.class_calibration import calibrate_classes, class_metrics, fit_classes
from training.networks.training_loop import Recipe, train


def drawn(n: int, slope: float, bias: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One-hot labels drawn from softmax(slope * logits + bias), and the logits."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, len(bias)))
    probability = softmax(slope * logits + np.array(bias), axis=1)
    classes = [rng.choice(len(bias), p=row) for row in probability]
    return np.eye(len(bias))[classes], log_softmax(logits, axis=1)


def test_the_fit_finds_slope_and_biases() -> None:
    """Parameters that drew the labels are found again, biases up to a constant."""
    labels, logits = drawn(20_000, 0.6, [1.0, 0.0, -1.0])
    slope, bias = fit_classes(labels, logits)
    assert slope == pytest.approx(0.6, abs=0.03)
    assert bias - bias.mean() == pytest.approx([1.0, 0.0, -1.0], abs=0.08)


def test_the_loss_is_as_low_as_a_regression_finds_it() -> None:
    """The calibrated log-loss matches that of an unpenalised multinomial regression, which is freer."""
    labels, logits = drawn(3000, 1.7, [0.5, 0.0, -0.5, 0.2], seed=1)
    slope, bias = fit_classes(labels, logits)
    own = oracle.log_loss(labels.argmax(axis=1), softmax(slope * logits + bias, axis=1))
    freer = LogisticRegression(C=1e6, max_iter=1000).fit(logits, labels.argmax(axis=1))
    best = oracle.log_loss(labels.argmax(axis=1), freer.predict_proba(logits))
    assert best - 1e-6 <= own <= best + 0.01


def test_calibrated_probabilities_sum_to_one_and_no_row_calibrates_itself() -> None:
    """Each part's probabilities are those of a fit without it."""
    labels, logits = drawn(1000, 0.8, [0.3, 0.0, -0.3])
    folds = parts_of(labels.argmax(axis=1), 5)
    found = calibrate_classes(labels, logits, 0.5 * logits)
    assert found.maps[0].slope == pytest.approx(2 * fit_classes(labels, logits)[0], rel=1e-3)
    assert found.probability.sum(axis=1) == pytest.approx(np.ones(1000))
    assert len({platt.slope for platt in found.maps}) == 1
    slope, bias = fit_classes(labels[folds != 2], logits[folds != 2])
    held_out = softmax(slope * logits[folds == 2] + bias, axis=1)
    assert found.probability[folds == 2] == pytest.approx(held_out)


def test_logits_that_fall_where_labels_rise_get_the_base_rates() -> None:
    """A network that learned the opposite is not turned over by its calibration."""
    labels, logits = drawn(1000, 1.0, [0.5, 0.0, -0.5])
    slope, bias = fit_classes(labels, -logits)
    assert slope == FLATTEST
    assert softmax(bias) == pytest.approx(labels.mean(axis=0), abs=0.01)


def test_metrics_agree_with_scikit_learn() -> None:
    """Accuracy and log-loss, and those of the base rates."""
    labels, logits = drawn(500, 1.0, [0.4, 0.0, -0.4])
    probability, truth = softmax(logits, axis=1), labels.argmax(axis=1)
    found = class_metrics(labels, probability, folds_of_rows(logits))
    base = np.tile(labels.mean(axis=0), (500, 1))
    assert found["accuracy"] == oracle.accuracy_score(truth, probability.argmax(axis=1))
    assert found["class_log_loss"] == pytest.approx(oracle.log_loss(truth, probability))
    assert found["class_log_loss_base_rate"] == pytest.approx(oracle.log_loss(truth, base))
    assert len(found["accuracy_by_fold"]) == 5
    for name, error in (("accuracy", found["accuracy_standard_error"]), ("class_log_loss", None)):
        low, high = found[f"{name}_95_interval"]
        assert low < found[name] < high
        assert error is None or high - low == pytest.approx(2 * 1.96 * error, rel=0.02)


@pytest.mark.slow
def test_a_network_learns_classes_that_no_single_sigmoid_could_tell() -> None:
    """Three sectors of a plane are told apart, with the softmax loss."""
    rows = np.random.default_rng(0).standard_normal((600, 2)).astype(np.float32)
    sector = (np.floor((np.arctan2(rows[:, 1], rows[:, 0]) + np.pi) / (2 * np.pi) * 3)).astype(int) % 3
    labels = np.eye(3, dtype=np.float32)[sector]
    recipe = Recipe(units=16, layers=2, epochs=40, batch_size=64, exclusive=True)
    network = train(rows, labels, (rows, labels), recipe, 0, lambda _: None)
    with torch.no_grad():
        called = network(torch.from_numpy(rows)).numpy().argmax(axis=1)
    assert (called == sector).mean() > 0.95
