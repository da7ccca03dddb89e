"""Boosted trees of all targets, which stand beside the networks of an ensemble.

Gradient boosting by Newton steps (J. H. Friedman, Ann. Stat. 29 (2001) 1189; T. Chen, C. Guestrin, KDD
2016, eq. 5): every tree is grown on the gradients of the log-loss of all targets at once, which are 0
where nothing was measured, so that rare targets borrow the splits of others. Splits are drawn at random
and the best is taken (P. Geurts, D. Ernst, L. Wehenkel, Mach. Learn. 63 (2006) 3), in ranks of the
features, so that no scaling matters. As for the networks, one set of trees is grown without each fold.

Trees compare raw features, which a graph is given, with thresholds that lie between them: which leaf a
row falls into does not depend on rounding.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.tree import ExtraTreeRegressor

from models.bundle.manifest import Member
from models.cores import cores
from training.networks.ensemble import Ensemble
from training.networks.preprocessing import Squash

Array32 = NDArray[np.float32]
Array64 = NDArray[np.float64]


#: Added to the seed of trees that show what the seed does; no fold has so high a number.
_OTHER_SEED = 1_000_003


@dataclass(frozen=True, slots=True)
class TreeRecipe:
    """The hyperparameters of the trees without one fold.

    Each tree sees the share ``rows`` of the rows and ``columns`` of the features, and draws a split of
    the share ``tried`` of these in each node. A leaf holds ``leaf`` rows or more, and its step is the
    sum of gradients over the sum of curvatures plus ``ridge``, times ``rate``. ``weight`` is the factor
    of the trees' logits beside a network's.
    """

    number: int = 320
    depth: int = 7
    rate: float = 0.125
    rows: float = 0.7
    columns: int = 600
    tried: float = 0.3
    leaf: int = 4
    ridge: float = 2.0
    weight: float = 1.25


@dataclass(frozen=True, slots=True)
class Trees:
    """All nodes of all trees, as arrays of one row per node.

    A row of features goes from node i to ``child[i]``, or to the node after it if feature ``feature[i]``
    is above ``threshold[i]``. A leaf is its own child, its threshold is infinite, and it adds
    ``value[i]``, shape ``(T,)``, to the logits. ``roots`` ``(folds, trees)`` are the trees' first nodes,
    row by row those grown without the fold in ``folds``; ``depth`` is the most splits above a leaf.
    """

    feature: NDArray[np.int64]
    threshold: Array32
    child: NDArray[np.int64]
    value: Array32
    roots: NDArray[np.int64]
    depth: int
    folds: tuple[int, ...]

    def logits(self, rows: Array32) -> Array32:
        """The sum ``(n, folds, T)`` of the trees without each fold, of imputed raw rows ``(n, F)``."""
        parts = [self._logits(rows[first : first + 256]) for first in range(0, len(rows), 256)]
        return np.concatenate([np.empty((0, *self._shape()), np.float32), *parts])

    def places(self, members: Sequence[Member]) -> list[int]:
        """Which of the folds' logits belongs to each member: that of the fold it never saw."""
        return [self.folds.index(member.fold) for member in members]

    def _shape(self) -> tuple[int, int]:
        return len(self.roots), self.value.shape[1]

    def _logits(self, rows: Array32) -> Array32:
        node = np.broadcast_to(self.roots.reshape(-1), (len(rows), self.roots.size))
        for _ in range(self.depth):
            above = np.take_along_axis(rows, self.feature[node], axis=1) > self.threshold[node]
            node = self.child[node] + above
        summed: Array32 = self.value[node].reshape(len(rows), *self.roots.shape, -1).sum(axis=2)
        return summed


def fit_trees(
    rows: Array32,
    labels: Array32,
    folds: NDArray[np.integer],
    recipe: TreeRecipe,
    seed: int,
    processes: int | None = None,
    without: Sequence[int] | None = None,
) -> Trees:
    """Grow trees without each fold, of imputed raw rows ``(n, F)`` and labels ``(n, T)``.

    A label is NaN where nothing was measured. ``processes`` as in ``ensemble.fit_ensemble``; ``without``
    names the folds, all of them by default. Values are rounded to float16, as they are published.
    """
    ranks = np.stack([rankdata(column) / len(rows) for column in rows.T]).astype(np.float32)
    numbers = np.unique(folds).tolist() if without is None else list(without)
    jobs: list[tuple[Any, ...]] = [
        (ranks, rows, labels, folds != fold, recipe, seed + fold) for fold in numbers
    ]
    workers = min(len(jobs), processes or cores())
    if workers == 1:
        grown = [_fit_fold(*job) for job in jobs]
    else:  # spawned, as in ``ensemble``
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            grown = list(pool.map(_fit_fold, *zip(*jobs, strict=True)))
    trees = replace(_joined(grown, axis=0), folds=tuple(numbers))
    weighted = (recipe.weight * trees.value).astype(np.float16).astype(np.float32)
    return replace(trees, value=weighted)


def seed_variance(
    trees: Trees,
    rows: Array32,
    labels: Array32,
    folds: NDArray[np.integer],
    recipe: TreeRecipe,
    seed: int,
) -> Array64:
    """The variance ``(T,)`` that the seed alone makes in a fold's logits of rows that were learned.

    By other trees without the first fold; the other arguments are those that ``trees`` were fitted with.
    """
    fold = trees.folds[0]
    again = fit_trees(rows, labels, folds, recipe, seed + _OTHER_SEED, processes=1, without=(fold,))
    first = replace(trees, roots=trees.roots[:1], folds=trees.folds[:1])
    learned = rows[folds != fold]
    apart = (again.logits(learned) - first.logits(learned))[:, 0].astype(np.float64)
    return np.asarray(np.square(apart).mean(axis=0) / 2)


def _fit_fold(
    ranks: Array32,
    rows: Array32,
    labels: Array32,
    learn: NDArray[np.bool_],
    recipe: TreeRecipe,
    seed: int,
) -> Trees:
    """Grow one set of trees on the rows that are to be learned; ``ranks`` are of shape ``(F, n)``."""
    generator = np.random.default_rng(seed)
    seen = np.ascontiguousarray(ranks[:, learn])
    measured = ~np.isnan(labels[learn])
    y = np.where(measured, labels[learn], 0.0).astype(np.float64)
    rate = np.clip(y.sum(axis=0) / np.maximum(measured.sum(axis=0), 1), 1e-3, 1 - 1e-3)
    logits = np.tile(np.log(rate / (1 - rate)), (len(y), 1))
    # Targets count alike in the choice of a split, however few of their entries are positive.
    scale = 1 / np.sqrt(np.maximum((measured * rate * (1 - rate)).mean(axis=0), 1e-12))
    columns = min(recipe.columns, len(ranks))
    grown = []
    for _ in range(recipe.number):
        p = expit(logits)
        gradient, curvature = (y - p) * measured, p * (1 - p) * measured
        drawn = generator.choice(len(y), max(int(recipe.rows * len(y)), 1), replace=False)
        kept = generator.choice(len(ranks), columns, replace=False)
        own = seen[kept]
        tree = ExtraTreeRegressor(
            max_depth=recipe.depth,
            max_features=recipe.tried,
            min_samples_leaf=recipe.leaf,
            random_state=int(generator.integers(2**31)),
        )
        tree.fit(own[:, drawn].T, (gradient * scale)[drawn], check_input=False)
        leaf = tree.tree_.apply(own.T)
        value = _steps(leaf[drawn], gradient[drawn], curvature[drawn], tree.tree_.node_count, recipe)
        logits += value[leaf]
        grown.append(_as_nodes(tree.tree_, kept, ranks, rows, value))
    return _joined(grown, axis=1)


def _steps(
    leaf: NDArray[np.integer], gradient: Array64, curvature: Array64, nodes: int, recipe: TreeRecipe
) -> Array64:
    """The step ``(nodes, T)`` of each node that is a leaf of some row, 0 of others."""
    sums = [
        np.stack([np.bincount(leaf, part, nodes) for part in values.T], axis=1)
        for values in (gradient, curvature)
    ]
    return np.asarray(recipe.rate * sums[0] / (sums[1] + recipe.ridge))


def _as_nodes(
    tree: Any, kept: NDArray[np.integer], ranks: Array32, rows: Array32, value: Array64
) -> Trees:
    """One of scikit-learn's trees, its features being ``kept``, with neighbours for siblings.

    A threshold between two ranks becomes one between the two values ``rows`` ``(n, F)`` that have them.
    """
    inner = np.flatnonzero(tree.children_left >= 0)
    place = np.zeros(tree.node_count, dtype=np.int64)
    place[tree.children_left[inner]] = 1 + 2 * np.arange(len(inner))
    place[tree.children_right[inner]] = 2 + 2 * np.arange(len(inner))
    feature = np.zeros(tree.node_count, dtype=np.int64)
    threshold = np.full(tree.node_count, np.inf, dtype=np.float32)
    child = np.arange(tree.node_count)
    moved = np.empty(value.shape, dtype=np.float32)
    moved[place] = value
    for node in inner:
        own = kept[tree.feature[node]]
        below = ranks[own] <= tree.threshold[node]
        low, high = rows[below, own].max(), rows[~below, own].min()
        middle = np.float32(low / 2 + high / 2)
        feature[place[node]] = own
        threshold[place[node]] = middle if low <= middle < high else low
        child[place[node]] = place[tree.children_left[node]]
    moved[place[inner]] = 0.0
    return Trees(feature, threshold, child, moved, np.zeros((1, 1), np.int64), int(tree.max_depth), (0,))


def _joined(parts: Sequence[Trees], *, axis: int) -> Trees:
    """Trees as one table of nodes: folds below each other (axis 0), or one fold's trees (axis 1)."""
    starts = np.cumsum([0, *(len(part.child) for part in parts[:-1])])
    roots = [part.roots + start for part, start in zip(parts, starts, strict=True)]
    return Trees(
        np.concatenate([part.feature for part in parts]),
        np.concatenate([part.threshold for part in parts]),
        np.concatenate([part.child + start for part, start in zip(parts, starts, strict=True)]),
        np.concatenate([part.value for part in parts]),
        np.concatenate(roots, axis=axis),
        max(part.depth for part in parts),
        parts[0].folds,
    )


def with_trees(ensemble: Ensemble, trees: Trees | None, squash: Squash, raw: Array32) -> Array32:
    """Logits ``(n, members, T)`` of raw rows ``(n, F)``: a network's and those of its fold's trees."""
    logits = ensemble.member_logits(squash.transform(raw))
    if trees is None:
        return logits
    return logits + trees.logits(squash.imputed(raw))[:, trees.places(ensemble.members)]
