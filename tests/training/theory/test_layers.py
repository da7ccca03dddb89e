"""The theory of a trained network's layers against networks whose statistics are known."""

from itertools import pairwise

import numpy as np
import pytest

from models.networks.weights import Layer
from training.theory.layers import theory_of


def _network(rng: np.random.Generator, sizes: list[int], shift: float) -> list[Layer]:
    """Weights of variance 1/n about a mean that makes omega differ from 0."""
    return [
        Layer(
            weights=(rng.normal(size=(m, n)) / np.sqrt(m) + shift / m).astype(np.float32),
            biases=(0.1 * rng.normal(size=n)).astype(np.float32),
        )
        for m, n in pairwise(sizes)
    ]


def test_independent_inputs_are_predicted_by_both() -> None:
    """On independent normal inputs g and the covariance agree with the first layer's measurement."""
    rng = np.random.default_rng(0)
    (first,) = theory_of(_network(rng, [100, 64, 1], 0.0), rng.normal(size=(20_000, 100)))
    for predicted in (first.by_map, first.by_covariance):
        assert predicted.mean == pytest.approx(first.measured.mean, abs=0.01)
        assert predicted.variance == pytest.approx(first.measured.variance, rel=0.02)
        assert first.error(predicted) < 0.02


def test_correlated_inputs_are_predicted_by_the_covariance_alone() -> None:
    """Where inputs move together g errs and the covariance does not."""
    rng = np.random.default_rng(1)
    common = rng.normal(size=(20_000, 1))
    inputs = 1.5 * common + rng.normal(size=(20_000, 100)) + np.linspace(-1, 1, 100)
    (first,) = theory_of(_network(rng, [100, 64, 1], 2.0), inputs)
    assert first.by_covariance.variance == pytest.approx(first.measured.variance, rel=0.02)
    assert abs(first.by_map.variance / first.measured.variance - 1) > 0.2
    assert first.error(first.by_covariance) < 0.05 < first.error(first.by_map)


def test_every_hidden_layer_is_told_and_the_output_is_not() -> None:
    """Three hidden layers give three lines; the units of each have means of their own."""
    rng = np.random.default_rng(2)
    told = theory_of(_network(rng, [8, 16, 12, 10, 1], 0.0), rng.normal(size=(50, 8)))
    assert [len(layer.measured.units) for layer in told] == [16, 12, 10]
    assert told[1].measured.units.mean() == pytest.approx(told[1].measured.mean)
