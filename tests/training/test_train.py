"""The training loop's loss over targets of which some were measured far less than others."""

import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
torch.set_num_threads(1)

from training.train import masked_loss, target_weights  # noqa: E402


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
