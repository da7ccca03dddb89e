"""Outlier detectors of the suite: what each is by its paper, on rows made by hand."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the extra train is not installed")

from training.benchmarks.health.suite.detectors import (
    ON_INPUTS,
    class_mahalanobis,
    ecod,
    energy,
    lowest_probability,
)


def test_ecod_sums_the_logarithms_of_empirical_tails() -> None:
    """Of five numbers in all, skewed to the right: the largest is one of five in its right tail."""
    known, asked = np.array([[0.0], [1.0], [2.0]]), np.array([[1.5], [9.0]])
    # 1.5 has three of five to its left, itself counted, and three to its right.
    assert ecod(known, asked, 0) == pytest.approx(-np.log([3 / 5, 1 / 5]))


@pytest.mark.parametrize("name", ON_INPUTS)
def test_rows_far_out_score_highest(name: str) -> None:
    """Every detector ranks ten rows eight standard deviations off above two hundred ordinary ones."""
    rng = np.random.default_rng(0)
    known, asked = rng.standard_normal((400, 3)), rng.standard_normal((210, 3))
    asked[200:] += 8.0
    scores = ON_INPUTS[name](known, asked, 0)
    assert scores[200:].min() > scores[:200].max()


def test_scores_of_classifiers() -> None:
    """Logits that are large and apart are ordinary; a row at its class's mean is at distance 0."""
    logits = np.array([[9.0, 0.0], [0.1, 0.0]])
    assert energy(logits)[1] > energy(logits)[0]
    assert lowest_probability(logits)[1] > lowest_probability(logits)[0]
    rows = np.array([[0.0, 0.0], [2.0, 0.1], [10.0, 9.0], [12.0, 9.3]])
    distances = class_mahalanobis(rows, np.array([0, 0, 1, 1]), np.array([[1.0, 0.05], [6.0, 5.0]]))
    assert distances[0] == pytest.approx(0.0, abs=1e-9) and distances[1] > 1
