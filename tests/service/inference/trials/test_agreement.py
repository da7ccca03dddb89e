"""How alike two versions answer."""

import numpy as np
import pytest

from service.inference.trials.agreement import AGREES, Agreement


def logits(rows: int, targets: int, seed: int) -> np.ndarray:
    """Logits of a model that knows something."""
    return np.random.default_rng(seed).normal(-2.0, 2.0, (rows, targets))


def agreement(first: np.ndarray, second: np.ndarray, rows_of_a_request: int = 1) -> Agreement:
    """What both say of the same rows, in requests of so many."""
    found = Agreement.of_none(first.shape[1])
    probabilities = tuple(1 / (1 + np.exp(-each)) for each in (first, second))
    calls = tuple(each > 0.5 for each in probabilities)
    found.add((first, second), probabilities, calls, np.arange(len(first)) // rows_of_a_request)
    return found


@pytest.mark.parametrize("targets", [1, 12])
def test_the_coefficient_is_lins(targets: int) -> None:
    """It is Lin's formula, taken over all rows at once, averaged over the targets."""
    first = logits(300, targets, 0)
    second = 0.8 * first + 0.3 + np.random.default_rng(1).normal(0, 0.5, first.shape)
    found = agreement(first, second).concordance()
    expected = [
        2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        for x, y in zip(first.T, second.T, strict=True)
    ]
    assert found.value == pytest.approx(np.mean(expected), abs=1e-9)
    assert found.low < found.value < found.high


def test_labels_that_were_shuffled_are_named_within_256_rows() -> None:
    """A network that learned nothing answers the base rate with some noise, in all of 200 trials."""
    for seed in range(200):
        known = logits(256, 1, seed)
        nothing = -2.3 + np.random.default_rng(1000 + seed).normal(0, 0.4, known.shape)
        assert agreement(known, nothing).concordance().high < AGREES


def test_assays_in_another_order_are_named_within_256_rows() -> None:
    """Answers of the right model under the wrong names."""
    known = logits(256, 12, 0)
    assert agreement(known, np.roll(known, 1, axis=1)).concordance().high < AGREES


def test_a_version_trained_anew_is_never_named() -> None:
    """Noise of a third of the spread is what another seed brings; none of 500 such is named."""
    for seed in range(500):
        known = logits(256, 1, seed)
        anew = known + np.random.default_rng(5000 + seed).normal(0, 0.7, known.shape)
        found = agreement(known, anew).concordance()
        assert found.high > found.low > AGREES


def test_rows_of_one_request_count_as_one_piece_of_evidence() -> None:
    """Copies within requests leave the interval as wide as that of the requests."""
    first, noise = logits(64, 1, 0), np.random.default_rng(1).normal(0, 1, (64, 1))
    single = agreement(np.repeat(first, 2, axis=0), np.repeat(first + noise, 2, axis=0), 2)
    many = agreement(np.repeat(first, 16, axis=0), np.repeat(first + noise, 16, axis=0), 16)
    assert many.concordance().low == pytest.approx(single.concordance().low, abs=1e-9)


@pytest.mark.parametrize(("rows", "size"), [(127, 1), (700, 100)])
def test_too_few_rows_or_requests_say_nothing(rows: int, size: int) -> None:
    """Below 128 rows, or of seven requests."""
    assert agreement(logits(rows, 1, 0), logits(rows, 1, 1), size).concordance() is None


def test_gaps_and_calls_are_of_each_target() -> None:
    """A target that one version answers otherwise leaves the figures of the others at nothing."""
    first = logits(200, 3, 0)
    second = first.copy()
    second[:50, 1] = -first[:50, 1]
    found = agreement(first, second)
    gaps = np.abs(1 / (1 + np.exp(-first[:50, 1])) - 1 / (1 + np.exp(first[:50, 1])))
    np.testing.assert_allclose(found.gaps, [0.0, gaps.sum(), 0.0])
    np.testing.assert_allclose(found.largest, [0.0, gaps.max(), 0.0])
    assert found.called.tolist() == [0, 50, 0]


def test_sums_of_workers_add_up() -> None:
    """Two halves together are the whole, but for the groups, which begin anew in each."""
    first, second = logits(256, 2, 0), logits(256, 2, 1)
    whole = agreement(first, second)
    halves = agreement(first[:128], second[:128]).plus(agreement(first[128:], second[128:]))
    assert (halves.rows, halves.requests) == (whole.rows, whole.requests) == (256, 256)
    for name in ("gaps", "largest", "called"):
        np.testing.assert_allclose(getattr(halves, name), getattr(whole, name))
    np.testing.assert_allclose(halves.moments, whole.moments)


def test_numbers_that_are_not_finite_are_counted_and_left_out() -> None:
    """A row of NaN spoils no sum."""
    first, second = logits(200, 1, 0), logits(200, 1, 0)
    second[7] = np.nan
    found = agreement(first, second)
    assert found.not_finite == 1
    assert found.concordance().value == pytest.approx(1.0)
    assert np.isfinite(found.gaps).all()


def test_one_same_answer_for_all_rows_agrees() -> None:
    """Where both say one number there is no spread to divide by."""
    same = np.full((200, 1), -3.0)
    assert agreement(same, same).concordance().value == 1.0
