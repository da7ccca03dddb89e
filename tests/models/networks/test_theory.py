"""Predictions of activations, against networks whose activations are known."""

from itertools import pairwise

import numpy as np
import pytest

from models.errors import BundleRefused
from models.networks.selu import selu
from models.networks.theory import member_theory
from models.networks.weights import Layer, read_weights
from tests.support import bundles


def network(rng: np.random.Generator, sizes: tuple[int, ...]) -> list[Layer]:
    """Random layers of LeCun-normal weights."""
    return [
        Layer(
            (rng.standard_normal((before, after)) / np.sqrt(before)).astype(np.float32),
            (0.3 * rng.standard_normal(after)).astype(np.float32),
        )
        for before, after in pairwise(sizes)
    ]


def test_a_fresh_network_stays_at_the_fixed_point() -> None:
    """Independent standard inputs and untrained weights: map and measurement are near (0, 1)."""
    rng = np.random.default_rng(0)
    layers = network(rng, (400, 400, 400, 1))
    layers = [Layer(layer.weights, np.zeros_like(layer.biases)) for layer in layers]
    for line in member_theory(layers, rng.standard_normal((4000, 400))).layers:
        for mean, variance in (
            (line.mean, line.variance),
            (line.map_mean, line.map_variance),
            (line.covariance_mean, line.covariance_variance),
        ):
            assert mean == pytest.approx(0, abs=0.06)
            assert variance == pytest.approx(1, abs=0.12)


def test_correlated_inputs_need_the_covariance() -> None:
    """With inputs that move together only the covariance predicts the units, and does so closely."""
    rng = np.random.default_rng(1)
    mixing = rng.standard_normal((3, 60))
    rows = rng.standard_normal((20_000, 3)) @ mixing / 2 + rng.standard_normal(60)
    layers = network(rng, (60, 80, 1))
    line = member_theory(layers, rows).layers[0]
    measured = selu(rows @ layers[0].weights + layers[0].biases)
    assert line.mean == pytest.approx(measured.mean(), rel=1e-5)
    assert line.variance == pytest.approx(measured.var(), rel=1e-5)
    assert line.covariance_mean == pytest.approx(line.mean, abs=0.02)
    assert line.covariance_variance == pytest.approx(line.variance, rel=0.02)
    assert line.correlation is not None
    assert line.correlation > 0.999
    assert abs(line.map_mean - line.mean) > 5 * abs(line.covariance_mean - line.mean)


def test_constant_rows_and_units_have_an_answer() -> None:
    """No spread at all gives SELU itself, and no correlation where units do not differ."""
    same = Layer(np.ones((4, 3), np.float32), np.zeros(3, np.float32))
    line = member_theory([same, same], np.ones((5, 4))).layers[0]
    assert line.covariance_mean == pytest.approx(float(selu(4.0)), rel=1e-5)
    assert line.covariance_variance == pytest.approx(0, abs=1e-9)
    assert line.correlation is None


def test_a_graph_that_names_its_weights_otherwise_is_told_apart() -> None:
    """Weights are read by their names; a graph without them says what to do."""
    with pytest.raises(BundleRefused, match="publish the model again"):
        read_weights(bundles.graph())
