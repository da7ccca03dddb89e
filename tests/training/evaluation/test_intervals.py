"""Intervals of what a refit would say, from members whose rows and seeds are known to differ."""

import numpy as np
import pytest

from training.evaluation.intervals import spreads

FOLDS, ROWS = 5, 4000


def ensemble(
    rng: np.random.Generator,
    rounds: int,
    *,
    data: float,
    seed: float,
    recipe: float = 0.0,
    trees: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Member logits ``(n, M, 2)`` and a refit's mean, of jackknife-like folds and unlike recipes.

    ``data`` is the variance of the whole by its rows, ``seed`` that of a network by chance, and
    ``trees`` that of the trees which all rounds of a fold share.
    """
    parts = rng.standard_normal((ROWS, FOLDS, 2)) * np.sqrt(data * FOLDS)
    without = parts.sum(axis=1, keepdims=True) - parts  # a fold's members learn the other parts
    of_fold = without / (FOLDS - 1)
    apart = np.sqrt(recipe) * rng.standard_normal((ROWS, rounds, 1, 2))
    own = np.sqrt(seed) * rng.standard_normal((ROWS, rounds, FOLDS, 2))
    beside, others = np.sqrt(trees) * rng.standard_normal((2, ROWS, FOLDS, 2))
    members = of_fold[:, None] + apart + own + beside[:, None]
    # A refit's rows are others, its recipes the same.
    again = rng.standard_normal((ROWS, FOLDS, 2)) * np.sqrt(data * FOLDS)
    moved = (again.sum(axis=1) / FOLDS) + np.sqrt(seed / (FOLDS * rounds)) * rng.standard_normal(
        (ROWS, 2)
    )
    moved += others.mean(axis=1)
    refit = moved + parts.mean(axis=1) + apart.mean(axis=1)[:, 0]
    return members.reshape(ROWS, rounds * FOLDS, 2), refit


@pytest.mark.parametrize(
    ("rounds", "served", "data", "seed", "recipe", "trees"),
    [
        (3, 1, 0.1, 0.3, 0.0, 0.0),
        (3, 3, 0.1, 0.3, 0.0, 0.0),
        (2, 2, 0.4, 0.05, 0.0, 0.0),
        (5, 5, 0.05, 0.2, 0.5, 0.0),
        (2, 2, 0.05, 0.15, 0.0, 0.1),
        (3, 3, 0.05, 0.15, 0.3, 0.4),
    ],
)
def test_nine_of_ten_refits_are_within(
    rounds: int, served: int, data: float, seed: float, recipe: float, trees: float
) -> None:
    """Whether rows or seeds make the difference, of networks or trees, however unlike recipes are."""
    rng = np.random.default_rng(rounds)
    folds = rng.integers(0, FOLDS, ROWS)
    logits, _ = ensemble(rng, rounds, data=data, seed=seed, recipe=recipe, trees=trees)
    numbers = np.tile(np.arange(FOLDS), rounds)
    found = spreads(logits, numbers, folds, served, np.full(2, trees) if trees else None)
    assert found is not None
    logits, refit = ensemble(rng, served, data=data, seed=seed, recipe=recipe, trees=trees)
    for target, own in enumerate(found):
        variance = logits[:, :, target].var(axis=1, ddof=1)
        assert own.typical == pytest.approx(np.sqrt(variance.mean()), rel=0.08)
        half = own.factor * np.sqrt((variance + own.typical**2) / 2)
        moved = np.abs(refit[:, target] - logits[:, :, target].mean(axis=1))
        assert 0.86 <= (moved <= half).mean() <= 0.94


def test_trees_whose_seeds_are_not_measured_make_intervals_too_wide() -> None:
    """Members of a fold share them, so that they look like the fold's rows."""
    rng = np.random.default_rng(0)
    logits, _ = ensemble(rng, 2, data=0.05, seed=0.15, trees=0.1)
    of = logits, np.tile(np.arange(FOLDS), 2), rng.integers(0, FOLDS, ROWS), 2
    taken_for_rows, apart = spreads(*of), spreads(*of, np.full(2, 0.1))
    assert taken_for_rows is not None
    assert apart is not None
    for wide, right in zip(taken_for_rows, apart, strict=True):
        assert wide.typical == pytest.approx(right.typical, rel=0.01)
        assert wide.factor > 1.3 * right.factor


def test_one_round_cannot_tell_rows_from_seeds() -> None:
    """There is no interval then, nor of two folds."""
    logits = np.random.default_rng(0).standard_normal((100, 5, 1))
    folds = np.arange(100) % 5
    assert spreads(logits, np.arange(5), folds, 1) is None
    assert spreads(logits[:, :4], np.array([0, 1, 0, 1]), folds % 2, 1) is None


def test_members_that_agree_have_a_narrow_interval() -> None:
    """Not one of no width, and no number that JSON lacks."""
    found = spreads(np.ones((100, 10, 1)), np.tile(np.arange(5), 2), np.arange(100) % 5, 2)
    assert found is not None
    assert 0 < found[0].factor < 100
    assert 0 <= found[0].typical < 1e-3
