"""Rows with flipped bits: what is hit changes what lies behind it, and nothing else."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from models.networks.selu import SATURATED_BELOW, selu
from models.networks.weights import Layer
from training.benchmarks.internals.row_faults import KINDS, Rows

MEMBERS, WIDTHS, FEATURES, TARGETS = 3, (6, 5), 4, 2


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Forty rows of a small ensemble with random weights."""
    rng = np.random.default_rng(0)
    sizes = (FEATURES, *WIDTHS, TARGETS)

    def layer(inputs: int, outputs: int) -> Layer:
        weights = rng.standard_normal((inputs, outputs)).astype(np.float32) / np.float32(inputs**0.5)
        return Layer(weights, rng.standard_normal(outputs).astype(np.float32) * np.float32(0.1))

    members = [tuple(layer(*pair) for pair in pairwise(sizes)) for _ in range(MEMBERS)]
    target = SimpleNamespace(slope=1.0, intercept=0.0)
    manifest = SimpleNamespace(targets=[target] * TARGETS, exclusive=False)
    return Rows(manifest, members, rng.standard_normal((40, FEATURES)).astype(np.float32))


def test_clean_rows_are_those_of_the_usual_form(rows: Rows) -> None:
    """The served form with folded layers gives the statistics and logits of plain SELU layers."""
    for member, layers in enumerate(rows._members):
        value = rows.squashed.astype(np.float64)
        for number, layer in enumerate(layers[:-1]):
            value = selu(value @ layer.weights + layer.biases)
            share = (value <= SATURATED_BELOW).mean(axis=1)
            expected = np.stack([value.mean(axis=1), value.var(axis=1), share], axis=-1)
            assert rows.taps[:, member, number] == pytest.approx(expected, abs=1e-5)
        expected = value @ layers[-1].weights + layers[-1].biases
        assert rows.logits[:, member] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("what", "bits"), KINDS)
def test_a_hit_changes_one_member_from_one_layer_on(rows: Rows, what: str, bits: int) -> None:
    """Other members and the layers before it stay; some hits move a probability, and some do not."""
    rng, moved = np.random.default_rng(1), []
    for _ in range(300):
        hit = rows.hit(what, bits, rng)
        if hit is None:
            continue
        moved.append(hit.moved)
        with np.errstate(invalid="ignore"):
            other = ~np.isclose(hit.logits, rows.logits[hit.row], rtol=1e-4, atol=1e-4).all(axis=1)
            layers = ~np.isclose(hit.taps, rows.taps[hit.row], rtol=1e-4, atol=1e-4).all(axis=2)
        assert other.sum() <= 1
        assert layers.any(axis=1).sum() <= 1
        if layers.any() and other.any():
            assert layers.any(axis=1).tolist() == other.tolist()
    assert min(moved) < 0.01
    assert max(moved) > 0.05
