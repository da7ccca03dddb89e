"""The training loop's loss over entries of which some count for more than others."""

import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
torch.set_num_threads(1)

from training.networks.training_loop import entry_weights, masked_loss  # noqa: E402

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
