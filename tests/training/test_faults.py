"""The integrity benchmark's faults are where they say; its graph computes what was published."""

from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from models.errors import Place
from models.manifest import INPUT
from models.weights import read_weights
from tests.training.test_export import NAMES, ensemble, raw
from training.benchmarks.integrity import KINDS, _Model
from training.export import export

MODEL = export(ensemble(3, (24, 24, 24), 2), raw(30))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_begins_where_it_says(kind: str) -> None:
    """Nothing before its place is changed, that place is, and the published weights never are."""
    layers = read_weights(MODEL)
    before = [layer.weights.copy() for layer in layers]
    for seed in range(5):
        fault = KINDS[kind](layers, np.random.default_rng(seed))
        assert fault.place.member is not None
        number = len(layers) - 1 if fault.place.part == "output" else (fault.place.layer or 0) - 1
        assert fault.place == (
            Place("output", fault.place.member)
            if number == len(layers) - 1
            else Place("layer", fault.place.member, number + 1)
        )
        assert min(fault.layers) == number
        changed = fault.layers[number].weights != layers[number].weights
        assert np.flatnonzero(changed.any(axis=(1, 2)))[0] == fault.place.member
    for layer, weights in zip(layers, before, strict=True):
        np.testing.assert_array_equal(layer.weights, weights)


def test_replaced_weights_are_what_is_computed_with() -> None:
    """Without a fault every output is the published graph's; with one it is not."""
    model = _Model(SimpleNamespace(model=MODEL))  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    expected = dict(zip(NAMES, session.run(NAMES, {INPUT: raw(9)}), strict=True))
    for name, array in model.run(raw(9), {}).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-5)
    fault = KINDS["a member's layer × 2"](model.layers, np.random.default_rng(0))
    assert np.abs(model.run(raw(9), fault.layers)["logit"] - expected["logit"]).max() > 1e-3
