"""The boosted trees beside the networks."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra train is not installed")

from tests.support.executor import ThisProcess
from training.evaluation.metrics import mean_auc
from training.networks import trees as trees_module
from training.networks.trees import TreeRecipe, Trees, fit_trees, seed_variance

SMALL = TreeRecipe(number=40, depth=3, columns=6, tried=1.0)


def made_up(rows: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels of two targets, and folds.

    One target is a product of signs, the other is rare and half of it unmeasured.
    """
    rng = np.random.default_rng(3)
    values = np.round(rng.standard_normal((rows, 6)), 1).astype(np.float32)
    labels = np.stack([values[:, 0] * values[:, 1] > 0, values[:, 2] > 1], axis=1).astype(np.float32)
    labels[rng.random(rows) < 0.5, 1] = np.nan
    return values, labels, np.arange(rows) % 3


def grow(rows: np.ndarray, labels: np.ndarray, folds: np.ndarray, recipe: TreeRecipe = SMALL) -> Trees:
    """Grow trees in this process."""
    return fit_trees(rows, labels, folds, recipe, seed=0, processes=1)


def own(trees: Trees, rows: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Each row's logits by the trees that never saw it."""
    return np.asarray(trees.logits(rows)[np.arange(len(rows)), folds])


def test_trees_learn_what_no_single_feature_tells() -> None:
    """Rows that were not learned are ranked by a product of signs, and by a rare target."""
    rows, labels, folds = made_up()
    assert mean_auc(labels, own(grow(rows, labels, folds), rows, folds)) > 0.9


def test_a_fold_is_not_seen_by_its_trees() -> None:
    """Other labels in a fold change the other folds' trees, and not its own."""
    rows, labels, folds = made_up()
    changed = np.where(folds[:, None] == 1, 1 - labels, labels)
    before, after = (grow(rows, given, folds).logits(rows) for given in (labels, changed))
    np.testing.assert_array_equal(before[:, 1], after[:, 1])
    assert (before[:, 0] != after[:, 0]).any()


def test_the_scale_of_a_feature_does_not_matter() -> None:
    """A feature and its exponential split the rows alike, and thresholds lie between their values."""
    rows, labels, folds = made_up()
    stretched = np.exp(3 * rows).astype(np.float32)
    plain, other = grow(rows, labels, folds), grow(stretched, labels, folds)
    np.testing.assert_array_equal(plain.logits(rows), other.logits(stretched))
    inner = plain.threshold < np.inf
    assert inner.any()
    for feature, threshold in zip(plain.feature[inner], plain.threshold[inner], strict=True):
        assert rows[:, feature].min() <= threshold < rows[:, feature].max()


def test_a_row_ends_in_one_leaf_of_every_tree() -> None:
    """The table of nodes is closed: children lie in their own tree, leaves lead to themselves."""
    rows, labels, folds = made_up()
    trees = grow(rows, labels, folds)
    starts = trees.roots.reshape(-1)
    tree_of = np.searchsorted(starts, np.arange(len(trees.child)), side="right")
    inner = trees.threshold < np.inf
    for step in (0, 1):
        np.testing.assert_array_equal(tree_of[trees.child[inner] + step], tree_of[inner])
    np.testing.assert_array_equal(trees.child[~inner], np.flatnonzero(~inner))
    assert (trees.value[inner] == 0).all()
    deeper = replace(trees, depth=trees.depth + 3)
    np.testing.assert_array_equal(deeper.logits(rows), trees.logits(rows))


def test_processes_grow_the_same_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trees of a fold depend on the seed, not on the process that grows them."""
    rows, labels, folds = made_up()
    started: list[int] = []

    class Recorder(ThisProcess):
        def __init__(self, workers: int, *arguments: object) -> None:
            started.append(workers)
            super().__init__(workers, *arguments)

    monkeypatch.setattr(trees_module, "ProcessPoolExecutor", Recorder)
    several = fit_trees(rows, labels, folds, SMALL, seed=0, processes=2)
    assert started == [2]
    np.testing.assert_array_equal(several.logits(rows), grow(rows, labels, folds).logits(rows))


def test_what_the_seed_does_is_measured_by_other_trees() -> None:
    """About as much as the logits of several sets without that fold vary, by target."""
    rows, labels, folds = made_up()
    found = seed_variance(grow(rows, labels, folds), rows, labels, folds, SMALL, seed=0)
    others = [fit_trees(rows, labels, folds, SMALL, seed, 1, without=(0,)) for seed in range(10, 16)]
    learned = np.stack([each.logits(rows[folds != 0])[:, 0] for each in others])
    np.testing.assert_allclose(found, learned.var(axis=0, ddof=1).mean(axis=0), rtol=0.3)
    assert [each.folds for each in others] == [(0,)] * 6
