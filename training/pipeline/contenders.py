"""Choose among recipes by a round of each: some rows need long training, others it overfits.

The choice is one of a few, made once for all folds from the members that never saw a row: what it
flatters the figures by is far below their spread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.data import Dataset
from training.networks.ensemble import Ensemble, Watch, fit_ensemble
from training.networks.training_loop import Progress, Recipe
from training.recipes.official import ModelRecipe

#: Gives the score of a round's members on rows that they never saw; more is better.
Judge = Callable[[Ensemble], float]


@dataclass(frozen=True, slots=True)
class Rounds:
    """All networks trained, by the recipe that was taken; ``scores`` are the contenders'."""

    recipe: ModelRecipe
    ensemble: Ensemble
    scores: tuple[float, ...]


def train_rounds(
    dataset: Dataset,
    recipe: ModelRecipe,
    rows: NDArray[np.float32],
    names: Sequence[str],
    rounds: int,
    seed: int,
    watch: Watch,
    judge: Judge,
    processes: int | None,
) -> Rounds:
    """Train ``rounds`` networks without each fold on squashed rows ``(n, F)`` called ``names``.

    With contenders, each trains the first round; the best trains the others. Raises ``TrainingError`` if
    a network diverges.
    """
    folds = len(np.unique(dataset.folds))

    def trained(networks: Sequence[Recipe], first: int, last: int, shown_from: int) -> Ensemble:
        def shown(member: int, progress: Progress) -> None:
            watch(shown_from + member, progress)

        return fit_ensemble(
            rows,
            dataset.labels,
            dataset.folds,
            [replace(network, exclusive=dataset.exclusive) for network in networks],
            names=names,
            rounds=last - first,
            seed=seed + first * folds,
            watch=shown,
            replicates=dataset.replicates,
            weights=dataset.weights,
            processes=processes,
        )

    if not recipe.contenders:
        return Rounds(recipe, trained(recipe.networks, 0, rounds, 0), ())
    firsts = [
        trained([contender], 0, 1, number * folds) for number, contender in enumerate(recipe.contenders)
    ]
    scores = [judge(first) for first in firsts]
    best = int(np.argmax(scores))
    taken = replace(recipe, networks=(recipe.contenders[best],), contenders=())
    ensemble = firsts[best]
    if rounds > 1:
        others = trained(taken.networks, 1, rounds, len(firsts) * folds)
        ensemble = Ensemble(ensemble.members + others.members, ensemble.networks + others.networks)
    return Rounds(taken, ensemble, tuple(scores))
