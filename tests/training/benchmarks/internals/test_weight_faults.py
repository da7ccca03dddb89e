"""The integrity benchmark's faults are where they say; its graph computes what was published."""

from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from models.errors import Place
from models.networks.outputs import INPUT
from models.networks.weights import read_weights
from tests.training.networks.test_export import NAMES, ensemble, raw, unlike
from training.benchmarks.internals.fault_kinds import KINDS
from training.benchmarks.internals.weight_faults import _Model
from training.networks.export import export

#: Kept stacked by layer, and apart by member.
MODELS = {
    "alike": export(ensemble(4, (24, 24, 24), 2), raw(30)),
    "unlike": export(unlike([(24, 24, 24), (24, 24, 24), (12, 16, 8), (12, 16, 8)], 2), raw(30)),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_begins_where_it_says(kind: str, model: str) -> None:
    """Nothing before its place is changed, that place is, and the published weights never are."""
    members = read_weights(MODELS[model])
    before = [[layer.weights.copy() for layer in layers] for layers in members]
    for seed in range(5):
        fault = KINDS[kind](members, np.random.default_rng(seed))
        changed = [
            (number, member)
            for member, layers in enumerate(fault.members)
            for number, layer in enumerate(layers)
            if (layer.weights != members[member][number].weights).any()
        ]
        number, member = min(changed)
        last = len(members[0]) - 1
        assert fault.place == (
            Place("output", member) if number == last else Place("layer", member, number + 1)
        )
    for layers, weights in zip(members, before, strict=True):
        for layer, own in zip(layers, weights, strict=True):
            np.testing.assert_array_equal(layer.weights, own)


@pytest.mark.parametrize("made", MODELS.values(), ids=MODELS)
def test_replaced_weights_are_what_is_computed_with(made: bytes) -> None:
    """Without a fault every output is the published graph's; with one its layer's statistics are not."""
    model = _Model(SimpleNamespace(model=made))  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    expected = dict(zip(NAMES, session.run(NAMES, {INPUT: raw(9)}), strict=True))
    for name, array in model.run(raw(9), model.members).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-5)
    for seed in range(8):
        fault = KINDS["a member's layer × 2"](model.members, np.random.default_rng(seed))
        moved = np.abs(model.run(raw(9), fault.members)["taps"] - expected["taps"]).max(axis=(0, 3))
        assert fault.place.member is not None
        assert fault.place.layer is not None
        assert moved[fault.place.member, fault.place.layer - 1] > 1e-3
        moved[fault.place.member, fault.place.layer - 1 :] = 0
        assert moved.max() < 1e-4
