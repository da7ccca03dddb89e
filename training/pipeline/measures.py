"""What is measured of a trained ensemble on its own rows: activations, and how its members differ."""

import numpy as np
from numpy.typing import NDArray

from models.bundle.targets import Spread
from models.health.combining import asked_rows, combined
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import Reference
from training.evaluation.intervals import spreads
from training.networks.ensemble import Ensemble
from training.networks.preprocessing import Squash
from training.networks.trees import Trees, with_trees

Array32 = NDArray[np.float32]


def reference_of(
    ensemble: Ensemble, rows: Array32, logits: Array32, folds: NDArray[np.integer]
) -> Reference:
    """Fit the reference for squashed rows ``(n, F)`` to those that each member never saw.

    ``logits`` ``(n, members, T)`` are the members' for these rows, as they are served.
    """
    numbers = range(len(ensemble.members))
    held_out = [np.flatnonzero(folds == member.fold) for member in ensemble.members]
    members = [
        MemberRows(ensemble.member_taps(rows[own], number), own)
        for number, own in zip(numbers, held_out, strict=True)
    ]
    asked = rows[asked_rows(len(rows))]
    taps = np.stack([ensemble.member_taps(asked, number) for number in numbers], axis=1)
    return combined(fit_reference(members, rows, logits), members, rows, taps)


def spreads_of(
    rounds: Ensemble,
    trees: Trees | None,
    served: int,
    squash: Squash,
    raw: Array32,
    folds: NDArray[np.integer],
    tree_seeds: NDArray[np.float64] | None,
) -> tuple[Spread, ...] | None:
    """How far a refit would move each target's logit, by the networks of all rounds on some raw rows.

    The first ``served`` rounds are the ensemble, beside ``trees`` if there are any, whose seeds make
    the variance ``tree_seeds``. None where that cannot be told (``spreads``).
    """
    some = asked_rows(len(raw))
    numbers = np.array([member.fold for member in rounds.members])
    logits = with_trees(rounds, trees, squash, raw[some])
    return spreads(logits, numbers, folds[some], served, tree_seeds)
