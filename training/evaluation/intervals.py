"""How far a refit of the whole ensemble would move an answer, from the members' logits.

A refit has other seeds and resampled rows. Members of unlike folds differ by the rows that they
learned: fold means that each leave out one of K folds are a jackknife (Quenouille 1956), whose variance
of the whole is (K - 1)^2 / K times the variance between them. Members of one fold differ by their seeds,
which counts once for the M members of the ensemble and once for those of the refit. Rounds of unlike
recipes differ for good, which no refit changes: the analysis of variance by folds and rounds leaves that
out. For a row it takes the folds alone whose members learned it: one that did not differs by that, too.

The trees of a fold are the same in all its members, so that the analysis takes their seeds for rows,
eight times too much with five folds: what the seeds do is measured by other trees and counted by itself.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from models.bundle.targets import Spread

Array = NDArray[np.floating]

#: The part of refits that an interval holds.
COVERAGE = 0.9


def spreads(
    member_logits: Array,
    member_folds: NDArray[np.integer],
    folds: NDArray[np.integer],
    served: int,
    tree_seeds: Array | None = None,
) -> tuple[Spread, ...] | None:
    """Return each target's spread, from logits ``(n, M, T)`` of all rounds, the ``served`` ones first.

    ``member_folds`` ``(M,)`` are those that members were trained without, round by round, ``folds``
    ``(n,)`` the rows'. ``tree_seeds`` ``(T,)`` is the variance by their seeds of the trees that the
    members of a fold share, if they do. None if there is one round, which cannot tell rows from seeds,
    or fewer than three folds.
    """
    numbers = np.unique(member_folds)
    count, rounds = len(numbers), len(member_folds) // len(numbers)
    if rounds < 2 or count < 3:
        return None
    order = np.argsort(member_folds, kind="stable").reshape(count, rounds)
    by_fold = np.asarray(member_logits, dtype=np.float64)[:, order]
    own = folds[:, None] == numbers
    known = by_fold[~own].reshape(len(folds), count - 1, rounds, -1)
    new = by_fold[own]
    # A two-way layout: folds and rounds.
    fold_means, round_means = known.mean(axis=2), known.mean(axis=1)
    rest = known - fold_means[:, :, None] - round_means[:, None] + known.mean(axis=(1, 2))[:, None, None]
    seed = np.square(rest).sum(axis=(1, 2)).mean(axis=0) / ((count - 2) * (rounds - 1))
    shared = 0.0 * seed if tree_seeds is None else np.asarray(tree_seeds, dtype=np.float64)
    apart = fold_means.var(axis=1, ddof=1).mean(axis=0) - seed / rounds - shared
    # The share of rows in it is, of few folds, a matter of chance: all targets are taken together.
    data = max(float(apart.sum() / max(seed.sum(), 1e-12)), 0.0) * seed
    recipe = 0.0 * seed
    if served > 1:
        between = round_means[:, :served].var(axis=1, ddof=1).mean(axis=0)
        recipe = np.maximum(between - seed / (count - 1), 0.0)
    # What the served members' variance about their mean is, and what a refit's about it.
    members = count * served
    within = members - 1
    shown = seed + (served * (count - 1) * (data + shared) + count * (served - 1) * recipe) / within
    refit = (count - 1) ** 2 / count * data + 2 * (seed / members + shared / count)
    learned = np.maximum(known.var(axis=2, ddof=1).mean(), 1e-12)
    unseen = np.clip(new.var(axis=1, ddof=1).mean() / learned, 1.0, 2.0)
    shown = np.maximum(shown, 1e-12)
    factors = norm.ppf((1 + COVERAGE) / 2) * np.sqrt(refit / shown)
    return tuple(
        Spread(factor=max(float(factor), 1e-6), typical=float(typical))
        for factor, typical in zip(factors, np.sqrt(unseen * shown), strict=True)
    )
