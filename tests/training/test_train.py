"""The training loop's options: targets in balance, and networks that see a part of the features."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
torch.set_num_threads(1)

from training.train import Recipe, masked_loss, target_weights, train  # noqa: E402

RECIPE = Recipe(units=8, layers=2, epochs=3, batch_size=64)


def _rows() -> tuple[np.ndarray, np.ndarray]:
    rows = np.random.default_rng(0).normal(size=(256, 10)).astype(np.float32)
    return rows, (rows[:, :2] > 0).astype(np.float32)


def test_balanced_targets_count_alike() -> None:
    """Each target's share of the loss is the same, however many of its entries were measured."""
    labels = torch.tensor([[1.0, 0.0], [0.0, torch.nan], [1.0, torch.nan], [0.0, torch.nan]])
    weights = target_weights(labels)
    measured = (~torch.isnan(labels)).sum(dim=0)
    assert torch.allclose(weights * measured, (weights * measured).mean())
    assert float((weights * measured).sum() / measured.sum()) == pytest.approx(1)
    logits = torch.randn(4, 2)
    columns = [masked_loss(logits[:, [one]], labels[:, [one]]) for one in range(2)]
    assert float(masked_loss(logits, labels, weights)) == pytest.approx(float(sum(columns) / 2))


def test_a_network_that_sees_a_part_ignores_the_rest() -> None:
    """What it did not see has weight 0: spoiling it changes no logit; the seen part still counts."""
    rows, labels = _rows()
    recipe = replace(RECIPE, features_seen=0.5)
    network = train(rows, labels, (rows, labels), recipe, 3, lambda _: None)
    unseen = (network.linears()[0].weight == 0).all(dim=0)
    assert 0 < int(unseen.sum()) < 10
    x = torch.from_numpy(rows)
    spoiled = torch.where(unseen, torch.full_like(x, 99.0), x)
    with torch.no_grad():
        assert torch.equal(network(spoiled), network(x))
        assert not torch.equal(network(torch.where(unseen, x, 0.5 * x)), network(x))


def test_members_of_other_seeds_see_other_features_and_the_same_seed_the_same() -> None:
    """The draw is the seed's."""
    rows, labels = _rows()
    recipe = replace(RECIPE, features_seen=0.5)

    def weight(seed: int) -> torch.Tensor:
        network = train(rows, labels, (rows, labels), recipe, seed, lambda _: None)
        return network.linears()[0].weight

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1) == 0, weight(2) == 0)
