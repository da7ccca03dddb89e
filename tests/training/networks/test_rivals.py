"""The rivals: each learns in the SNN's loop, and each is what its name says."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
torch.set_num_threads(1)

from training.networks.rivals import METHODS, Highway, Residual, build  # noqa: E402
from training.networks.training_loop import Recipe, train_network  # noqa: E402

RECIPE = Recipe(units=16, layers=4, epochs=30, batch_size=64, learning_rate=5e-3)


def _rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose label is a curved function of two of six features."""
    rows = np.random.default_rng(seed).normal(size=(512, 6)).astype(np.float32)
    return rows, (rows[:, :1] * rows[:, 1:2] + rows[:, :1] > 0).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns(method: str) -> None:
    """After training in the common loop the held-out AUC is far above chance."""
    torch.manual_seed(0)
    seen = []
    network = train_network(build(method, RECIPE, 6, 1), *_rows(0), _rows(1), RECIPE, seen.append)
    assert seen[-1].figure.value > 0.9
    assert len(seen[-1].variances) == RECIPE.layers
    assert not network.training


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_as_many_layers_as_the_recipe_says(method: str) -> None:
    """Activations are one tensor of the recipe's width for each layer."""
    layers = build(method, RECIPE, 6, 3).eval().activations(torch.zeros(5, 6))
    assert [tuple(layer.shape) for layer in layers] == [(5, 16)] * 4


def test_a_fresh_highway_layer_mostly_carries_its_input() -> None:
    """Its gate begins at sigmoid(-2), an eighth."""
    x = torch.randn(100, 32)
    torch.manual_seed(0)
    carried = Highway(32)(x)
    assert torch.corrcoef(torch.stack((x.flatten(), carried.flatten())))[0, 1] > 0.9


def test_a_residual_block_adds_to_its_input() -> None:
    """With its last map at zero a block is the identity."""
    block = Residual(8)
    torch.nn.init.zeros_(block.branch[-1].weight)
    x = torch.randn(10, 8)
    assert torch.equal(block(x), x)


def test_he_s_initialisation_keeps_the_second_moment_of_relu_layers() -> None:
    """Through ten wide plain layers the mean square stays of its order."""
    torch.manual_seed(0)
    network = build("He ReLU", Recipe(units=512, layers=10), 512, 1)
    layers = network.activations(torch.randn(256, 512))
    assert 0.5 < float(layers[-1].square().mean()) < 2


def test_weight_normalisation_separates_length_from_direction() -> None:
    """Each layer has a length parameter per unit."""
    names = [name for name, _ in build("weight norm", RECIPE, 6, 1).named_parameters()]
    assert sum(name.endswith("weight.original0") for name in names) == RECIPE.layers
