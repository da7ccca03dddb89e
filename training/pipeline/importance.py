"""How much a table's columns matter: the loss of a figure when a column's values are shuffled.

Permutation importance (L. Breiman, Mach. Learn. 45 (2001) 5) out-of-fold: a row is judged by the members
that never saw it, and values are exchanged among the rows of its fold. What one of several alike columns
tells is told by the others, too, so that each of them may seem to matter little.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.features import Featurizer, create
from training.data import Dataset
from training.evaluation.metrics import mean_auc
from training.evaluation.quantities import Line, r_squared
from training.networks.ensemble import Ensemble

#: The most rows that are judged for all columns together, and the fewest and most for one of them: a few
#: hundredths of what training takes.
_ROWS_OF_ALL, _FEWEST, _MOST = 50_000, 200, 4_000


def importance(
    dataset: Dataset,
    featurizer: Featurizer,
    ensemble: Ensemble,
    rows: NDArray[np.float32],
    lines: Sequence[Line] = (),
) -> dict[str, JsonValue]:
    """The figure and, by column, its loss and the standard deviation of that over the folds.

    ``rows`` are squashed features ``(n, F)``; ``lines`` calibrate the values of quantities. The figure
    is the mean AUC, of classes the accuracy, of quantities R². The columns that matter most come first.
    """
    columns = _features_of(dataset, featurizer)
    folds = np.unique(dataset.folds)
    most = int(np.clip(_ROWS_OF_ALL // len(columns), _FEWEST, _MOST)) // len(folds)
    losses = np.zeros((len(columns), len(folds)))
    rng = np.random.default_rng(0)
    for at, fold in enumerate(folds):
        own = np.flatnonzero(dataset.folds == fold)
        own = np.sort(rng.permutation(own)[:most])
        places = [place for place, member in enumerate(ensemble.members) if member.fold == fold]
        members = Ensemble(
            tuple(ensemble.members[place] for place in places),
            tuple(ensemble.networks[place] for place in places),
        )
        labels, given = dataset.labels[own], rows[own]
        whole = _figure(dataset, labels, members.member_logits(given), lines)
        order = rng.permutation(len(own))
        for number, features in enumerate(columns.values()):
            kept = given[:, features]
            given[:, features] = kept[order]
            losses[number, at] = whole - _figure(dataset, labels, members.member_logits(given), lines)
            given[:, features] = kept
    mean, spread = np.nanmean(losses, axis=1), np.nanstd(losses, axis=1, ddof=1)
    names = list(columns)
    ranked: list[JsonValue] = [
        [names[place], float(mean[place]), float(spread[place])] for place in np.argsort(-mean).tolist()
    ]
    return {"figure": _name(dataset), "columns": ranked}


def _features_of(dataset: Dataset, featurizer: Featurizer) -> dict[str, Sequence[int]]:
    """By column: the places of the features that are made of it."""
    place_of = {name: place for place, name in enumerate(featurizer.names)}
    entries = dataset.parameters["columns"]
    assert isinstance(entries, list)
    return {
        entry["name"]: [
            place_of[name] for name in create(dataset.featurizer, {"columns": [entry]}).names
        ]
        for entry in entries
    }


def _name(dataset: Dataset) -> str:
    if dataset.standard is not None:
        return "R²"
    return "accuracy" if dataset.exclusive else "mean AUC"


def _figure(
    dataset: Dataset,
    labels: NDArray[np.float32],
    outputs: NDArray[np.float32],
    lines: Sequence[Line],
) -> float:
    """The figure of members' outputs ``(n, M, O)``."""
    mean = outputs.mean(axis=1)
    if dataset.standard is not None:
        values = [line(mean[:, target]) for target, line in enumerate(lines)]
        return r_squared(labels, np.stack(values, axis=1))
    if dataset.exclusive:
        return float(np.mean(mean.argmax(axis=1) == labels.argmax(axis=1)))
    return mean_auc(labels, mean)
