"""The training loop: its loss over entries of unlike weights, and batches without measured labels."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
torch.set_num_threads(1)

from training.networks.training_loop import (  # noqa: E402
    Progress,
    Recipe,
    entry_weights,
    masked_loss,
    repeated,
    train,
)

NAN = torch.nan


def test_balanced_targets_count_alike() -> None:
    """Each target's share of the loss is the same, however many of its entries were measured."""
    labels = torch.tensor([[1.0, 0.0], [0.0, NAN], [1.0, NAN], [0.0, NAN]])
    weights = entry_weights(labels, None, balanced=True)
    logits = torch.randn(4, 2)
    columns = [masked_loss(logits[:, [one]], labels[:, [one]]) for one in range(2)]
    assert float(masked_loss(logits, labels, weights)) == pytest.approx(float(sum(columns) / 2))


def test_entries_weigh_as_the_root_of_their_samples_up_to_four() -> None:
    """Four samples count twice as much as one, nine no more than four; the mean weight is 1."""
    labels = torch.tensor([[1.0], [0.5], [0.0], [NAN]])
    counts = torch.tensor([[1.0], [4.0], [9.0], [0.0]])
    weights = entry_weights(labels, counts, balanced=False)[:, 0]
    assert torch.allclose(weights, torch.tensor([0.6, 1.2, 1.2, 0.0]))


def test_without_counts_or_balance_all_measured_entries_weigh_1() -> None:
    """The plain loss is the mean over measured entries."""
    labels = torch.tensor([[1.0, NAN], [0.0, 1.0]])
    weights = entry_weights(labels, None, balanced=False)
    assert torch.equal(weights, torch.tensor([[1.0, 0.0], [1.0, 1.0]]))


@pytest.mark.parametrize("sampled", [False, True])
def test_rows_without_measured_labels_leave_loss_and_network_finite(sampled: bool) -> None:
    """Whatever the number of rows: a last batch of a few such rows has no mean loss."""
    rng = np.random.default_rng(0)
    recipe = Recipe(units=2, layers=1, batch_size=128, epochs=1, balanced=True)
    for n in range(100, 301):
        rows = rng.normal(size=(n, 2)).astype(np.float32)
        labels = (rng.random((n, 2)) < 0.5).astype(np.float32)
        labels[rng.random(n) < 0.7] = np.nan
        counts = np.isfinite(labels).astype(np.float32) if sampled else None
        seen: list[Progress] = []
        network = train(rows, labels, (rows, labels), recipe, n, seen.append, counts)
        assert np.isfinite(seen[0].loss), n
        assert all(bool(weights.isfinite().all()) for weights in network.parameters()), n


def test_a_target_that_was_never_measured_leaves_the_others_learnable() -> None:
    """Balanced weights of a target without entries are 0, not 0 / 0, which spread to every weight."""
    labels = torch.tensor([[1.0, NAN], [0.0, NAN]])
    weights = entry_weights(labels, None, balanced=True)
    assert torch.equal(weights, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))


def test_the_rarer_class_is_repeated_up_to_its_share() -> None:
    """Of two classes the rarer one's rows; where it is frequent enough, and of several targets, none."""
    labels = np.array([[0.0]] * 90 + [[1.0]] * 10, dtype=np.float32)
    rows = repeated(labels, 0.4)
    assert np.mean(rows >= 90) == pytest.approx(0.4)
    assert set(rows.tolist()) == set(range(100))
    assert np.mean(repeated(1 - labels, 0.4) >= 90) == pytest.approx(0.4)
    for plain in (repeated(labels, 0.1), repeated(labels, 0.0), repeated(np.tile(labels, 2), 0.4)):
        assert plain.tolist() == list(range(100))


def test_rows_of_weight_zero_teach_nothing() -> None:
    """A network of half the rows, and one of all of them with the other half at weight 0, agree."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2)).astype(np.float32)
    labels = (rows[:, :1] > 0).astype(np.float32)
    labels[200:] = 1 - labels[200:]
    weights = np.repeat(np.float32([1, 0]), 200)
    recipe = Recipe(units=8, layers=2, batch_size=50, epochs=10, learning_rate=1e-2)
    network = train(rows, labels, (rows, labels), recipe, 0, lambda _: None, None, weights)
    with torch.no_grad():
        called = network(torch.from_numpy(rows)).numpy() > 0
    assert (called[:200] == labels[:200]).mean() > 0.95
    assert (called[200:] == labels[200:]).mean() < 0.05
