"""Cut-offs for a rate of false positives, from few rows and from many."""

import numpy as np
import pytest

from training.evaluation.rate_cut_off import cut_off, cut_off_calls


def sample(negatives: int, seed: int, tail: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of negative rows with a tail, and of thirty positive ones."""
    rng = np.random.default_rng(seed)
    draw = rng.exponential(1.5, negatives) if tail == "exponential" else rng.normal(0, 1.5, negatives)
    logits = np.concatenate([draw - 4, rng.normal(4, 1, 30)])
    return np.repeat([0.0, 1.0], [negatives, 30]), 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("tail", ["exponential", "normal"])
def test_of_few_rows_the_rate_is_seldom_passed(tail: str) -> None:
    """Over fifty samples of 170 negative rows, fresh rows are called at .002 to .01 on average."""
    fresh = sample(200_000, 99, tail)
    rates = [
        (fresh[1][fresh[0] == 0] >= cut_off(*sample(170, seed, tail), 0.01)).mean() for seed in range(50)
    ]
    assert 0.001 < np.mean(rates) < 0.01


def test_of_many_rows_the_ranks_tell() -> None:
    """With thirty negative rows above the cut-off it is their quantile."""
    labels, probability = sample(5000, 0, "normal")
    threshold = cut_off(labels, probability, 0.01)
    assert (probability[labels == 0] >= threshold).mean() == pytest.approx(0.01, abs=0.0005)


def test_calls_leave_unmeasured_rows_out() -> None:
    """Rows without a label are never called, and change no other call."""
    labels, probability = sample(170, 1, "normal")
    calls = cut_off_calls(labels, probability, 0.01)
    assert calls[labels == 1].mean() > 0.9
    more = cut_off_calls(np.append(labels, np.nan), np.append(probability, 0.99), 0.01)
    assert more.tolist() == [*calls.tolist(), False]
