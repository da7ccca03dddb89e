"""The graph written by hand gives what torch gives, whatever the shape of the ensemble."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle.manifest import Member
from models.bundle.targets import Quantity
from models.networks.outputs import INPUT
from models.networks.weights import MemberLayers, read_weights
from training.errors import ExportError
from training.evaluation.calibration import Platt
from training.networks.ensemble import Ensemble
from training.networks.export import ServedEnsemble, export
from training.networks.network import SelfNormalizingNetwork
from training.networks.onnx_answers import ProbabilityAnswer, QuantityAnswer
from training.networks.preprocessing import Squash
from training.networks.trees import TreeRecipe, fit_trees

NAMES = ["probability", "logit", "taps", "squashed", "member_logit"]


def table(features: int) -> np.ndarray:
    """Squashing with powers of every kind: fitted ones, the logarithm on either side, the identity."""
    powers = np.resize([0.0, 2.0, 1.0, -1.5, 0.4, 2.7], features)
    rng = np.random.default_rng(1)
    spread = rng.uniform(0.5, 3, features)
    limit, weight = np.resize([1.0, 4.0], features), np.resize([1.0, 0.4, 0.0], features)
    return np.stack(
        [rng.normal(size=features), powers, rng.normal(size=features), spread, limit, weight]
    )


def ensemble(members: int, widths: tuple[int, ...], targets: int, features: int = 9) -> ServedEnsemble:
    """Random networks of one shape whose biases are not zero."""
    return unlike([widths] * members, targets, features)


def unlike(shapes: list[tuple[int, ...]], targets: int, features: int = 9) -> ServedEnsemble:
    """Random networks, one of each shape, whose biases are not zero."""
    torch.manual_seed(3)
    networks = []
    for widths in shapes:
        network = SelfNormalizingNetwork(features, widths, targets).eval()
        for linear in (*network.linears(), network.head):
            torch.nn.init.normal_(linear.bias, std=0.3)
        networks.append(network)
    named = tuple(Member(fold=number, seed=number) for number in range(len(shapes)))
    calibration = [Platt(1.0 + number / 7, -0.2 * number) for number in range(targets)]
    squash = Squash(table(features).astype(np.float32))
    return ServedEnsemble(squash, Ensemble(named, tuple(networks)), ProbabilityAnswer(calibration))


def raw(rows: int, features: int = 9) -> np.ndarray:
    """Raw features of every size, some of them undefined."""
    rng = np.random.default_rng(5)
    made = rng.normal(size=(rows, features)) * 10.0 ** rng.integers(-3, 5, (rows, features))
    made[rng.random(made.shape) < 0.05] = np.nan
    return made.astype(np.float32)


@pytest.mark.parametrize(
    ("members", "widths", "targets"),
    [(1, (16, 16), 1), (3, (24, 16, 8), 2), (2, (256, 300), 12), (1, (5,), 3), (4, (7,), 1)],
)
def test_the_graph_gives_what_torch_gives(members: int, widths: tuple[int, ...], targets: int) -> None:
    """Every output, for one row and for many; the statistics are those of torch's ``tap``."""
    check_parity(ensemble(members, widths, targets))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 3).flatmap(
        lambda layers: st.lists(st.tuples(*[st.integers(1, 40)] * layers), min_size=1, max_size=4)
    ),
    st.integers(1, 3),
)
def test_members_of_any_widths_are_served_together(shapes: list[tuple[int, ...]], targets: int) -> None:
    """Networks of one depth share a graph, whatever their widths, and are read back from it."""
    served = unlike(shapes, targets)
    check_parity(served)
    read = read_weights(export(served, raw(10)))
    for layers, trained in zip(read, served.layers(), strict=True):
        for layer, own in zip(layers, trained, strict=True):
            np.testing.assert_array_equal(layer.weights, own.weights.astype(np.float16))
            np.testing.assert_array_equal(layer.biases, own.biases)


@pytest.mark.parametrize("widths", [(16, 16), (256, 8)])
@pytest.mark.parametrize("depth", [1, 4])
def test_trees_beside_networks_add_their_logits(widths: tuple[int, ...], depth: int) -> None:
    """Each member gets the logits of the trees without its fold; undefined features have medians."""
    served = with_trees(ensemble(6, widths, 2), depth)
    check_parity(served)
    alone = replace(served, trees=None)
    for name in ("taps", "squashed"):
        np.testing.assert_array_equal(served.outputs(raw(20))[name], alone.outputs(raw(20))[name])
    added = served.outputs(raw(20))["member_logit"] - alone.outputs(raw(20))["member_logit"]
    np.testing.assert_allclose(added[:, :3], added[:, 3:], atol=1e-5)
    assert np.abs(added[:, 0] - added[:, 1]).max() > 0.01


def with_trees(served: ServedEnsemble, depth: int) -> ServedEnsemble:
    """The networks as two rounds of three folds, and beside them trees grown on noise."""
    rows, rng = served.squash.imputed(raw(120)), np.random.default_rng(2)
    folds, labels = np.arange(120) % 3, (rng.random((120, 2)) < 0.4).astype(np.float32)
    recipe = TreeRecipe(number=5, depth=depth, columns=9, rate=0.5)
    trees = fit_trees(rows, labels, folds, recipe, seed=0, processes=1)
    assert trees.depth == depth
    members = tuple(Member(fold=number % 3, seed=number) for number in range(6))
    return replace(served, ensemble=Ensemble(members, served.ensemble.networks), trees=trees)


def check_parity(served: ServedEnsemble) -> None:
    """Every output of the exported graph is torch's, for one row and for many."""
    session = onnxruntime.InferenceSession(export(served, raw(50)), providers=["CPUExecutionProvider"])
    for rows in (raw(1), raw(70)):
        expected = served.outputs(rows)
        made = dict(zip(NAMES, session.run(NAMES, {INPUT: rows}), strict=True))
        for name in NAMES:
            own, theirs = made[name], expected[name]
            if name == "taps":
                check_shares(own[..., 2], theirs[..., 2])
                own, theirs = own[..., :2], theirs[..., :2]
            np.testing.assert_allclose(own, theirs, rtol=5e-5, atol=5e-5)


def check_shares(own: np.ndarray, theirs: np.ndarray) -> None:
    """Saturated shares agree, but for a unit on the threshold, which may fall to either side of it.

    That is one row, member and layer in a hundred at most.
    """
    off = np.abs(own - theirs) > 5e-5
    assert off.sum() <= max(1, off.size // 100)


def test_classes_share_one_probability() -> None:
    """Where targets exclude each other the probabilities are torch's softmax."""
    served = ensemble(2, (16, 16), 4)
    served = replace(served, answer=replace(served.answer, exclusive=True))
    session = onnxruntime.InferenceSession(export(served, raw(50)), providers=["CPUExecutionProvider"])
    probability = session.run(["probability"], {INPUT: raw(9)})[0]
    np.testing.assert_allclose(probability, served.outputs(raw(9))["probability"], atol=1e-5)
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-6)


def test_statistics_follow_activations_far_from_zero() -> None:
    """A saturated layer, and one that has grown large, are measured as exactly as a usual one."""
    served = ensemble(2, (12, 12), 1)
    for network, shift in zip(served.ensemble.networks, (-40.0, 4.0), strict=True):
        torch.nn.init.constant_(network.linears()[1].bias, shift)
    rows = raw(40)
    session = onnxruntime.InferenceSession(export(served, rows), providers=["CPUExecutionProvider"])
    taps, expected = session.run(["taps"], {INPUT: rows})[0], served.outputs(rows)["taps"]
    np.testing.assert_allclose(taps[..., 0], expected[..., 0], rtol=1e-5, atol=2e-5)
    assert (taps[:, 0, 1, 2] == 1).all()
    assert (taps[:, 1, 1, 2] == 0).all()
    np.testing.assert_allclose(taps[:, 0, 1, 1], 0, atol=2e-6)


def test_weights_are_kept_as_trained() -> None:
    """The file holds weights as float16 and biases as they are; what folds them are nodes."""
    served = ensemble(3, (24, 16), 2)
    model = onnx.load_model_from_string(export(served, raw(10)))
    kept = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for member, layers in enumerate(served.layers()):
        for number, layer in enumerate(layers):
            np.testing.assert_array_equal(
                kept[f"weights.{number}"][member], layer.weights.astype(np.float16)
            )
            np.testing.assert_array_equal(kept[f"biases.{number}"][member], layer.biases[None])


def test_a_graph_that_differs_from_torch_is_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong weight ends the export, naming the output that shows it."""
    served = ensemble(2, (16, 16), 1)
    right = ServedEnsemble.layers

    def wrong(self: ServedEnsemble) -> list[MemberLayers]:
        (first, second, *rest), *others = right(self)
        return [(first, replace(second, weights=second.weights * 1.001), *rest), *others]

    monkeypatch.setattr(ServedEnsemble, "layers", wrong)
    with pytest.raises(ExportError, match="onnxruntime and torch differ"):
        export(replace(served), raw(30))


def test_logits_near_zero_of_networks_with_large_ones_are_exported() -> None:
    """Rounding is judged by the logits' usual size: that of large terms stays where they cancel."""
    served = ensemble(2, (64, 64), 1)
    rows = raw(500)
    for network in served.ensemble.networks:
        torch.nn.init.normal_(network.head.weight, std=30.0)
    for _ in range(3):  # the logits' median is 0, and many are near it
        for number, network in enumerate(served.ensemble.networks):
            middle = float(np.median(served.outputs(rows)["member_logit"][:, number]))
            with torch.no_grad():
                network.head.bias -= middle
    logits = served.outputs(rows)["member_logit"]
    assert (np.abs(logits) < 5).any()
    assert np.sqrt(np.square(logits).mean()) > 50
    export(served, rows)


@pytest.mark.parametrize(("centre", "scale"), [(0.0, 1.0), (1.7e9, 600.0), (-2e-7, 1e-9)])
def test_quantities_are_answered_in_their_unit(centre: float, scale: float) -> None:
    """The graph's values are torch's, in double precision, and intervals hold them."""
    plain = ensemble(2, (16, 16), 3)
    quantity = Quantity(
        name="y",
        unit="s",
        centre=centre,
        scale=scale,
        slope=0.8,
        intercept=0.1,
        margin=-0.05,
        coverage=0.9,
    )
    served = replace(plain, answer=QuantityAnswer([quantity]))
    model = export(served, raw(50))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    value, ends = session.run(["value", "interval"], {INPUT: raw(9)})
    assert (value.dtype, value.shape, ends.shape) == (np.float64, (9, 1), (9, 1, 2))
    mean = served.outputs(raw(9))["member_logit"].mean(axis=1).astype(np.float64)
    expected = centre + scale * (0.8 * mean[:, 0] + 0.1)
    np.testing.assert_allclose(value[:, 0], expected, atol=1e-4 * scale, rtol=0)
    assert (ends[:, 0, 0] <= value[:, 0]).all()
    assert (value[:, 0] <= ends[:, 0, 1]).all()
    low = centre + scale * (0.8 * mean[:, 1] + 0.1 + 0.05)
    np.testing.assert_allclose(ends[:, 0, 0], np.minimum(low, expected), atol=1e-4 * scale, rtol=0)
