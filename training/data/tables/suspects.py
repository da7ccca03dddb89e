"""Columns that tell the target too well, or that number the rows: what a table's reader says of them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from training.data.tables.files.table import Table, is_running

#: Names that pandas, R and their like give to a column that numbers the rows.
_INDEX = re.compile(
    r"|unnamed: ?\d+(\.\d+)?|index|level_0|__index_level_\d+__|row[ _.]?names?|\.\.\.1|x\.?1?"
    r"|row[ _.]?(id|num|number)?",
    re.IGNORECASE,
)
_ID = re.compile(r"(.*[_ .-])?(id|uuid|guid|key|number|nr|no)|id.*|index.*", re.IGNORECASE)
#: The AUC, of one column alone on rows that were held out, from which a warning is given: of columns
#: that number the rows, and of any.
_RUNNING_AUC, _ANY_AUC = 0.75, 0.995
#: The same of R², which a tree of so few leaves hardly brings above .99.
_RUNNING_R2, _ANY_R2 = 0.5, 0.98
_MOST_ROWS, _MOST_COLUMNS, _LEAVES, _SMALLEST_LEAF = 4000, 512, 16, 5


def index_columns(table: Table, kept: Sequence[str]) -> list[str]:
    """The columns that number the rows, by name and values; those in ``kept`` are not among them."""
    return [
        name
        for name, values in table.columns.items()
        if name not in kept and len(values) and _INDEX.fullmatch(name) and _is_index(name, values)
    ]


def _is_index(name: str, values: Sequence[object]) -> bool:
    """Whether values number the rows: from 0 or 1 without gaps, where a name tells little."""
    if not is_running(values):
        return False
    if name == "" or name.lower().startswith(("unnamed", "__index", "row", "level")):
        return True
    try:
        numbers = sorted(float(str(value)) for value in values)
    except ValueError:
        return False
    return numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1


def telling_columns(
    names: Sequence[str],
    records: Sequence[Sequence[object]],
    labels: NDArray[np.floating],
    folds: NDArray[np.int8],
    *,
    quantity: bool = False,
) -> list[str]:
    """Warnings of columns of which each alone tells the target, with a figure of held-out rows.

    It is the AUC of classes, and R² of a ``quantity``.
    """
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.permutation(len(records))[:_MOST_ROWS])
    said, classes = [], labels[chosen].argmax(axis=1) if labels.shape[1] > 1 else labels[chosen, 0]
    tell = _r_squared if quantity else _auc
    least = (_RUNNING_R2, _ANY_R2) if quantity else (_RUNNING_AUC, _ANY_AUC)
    if len(np.unique(folds[chosen])) < 2:  # nothing is held out
        return []
    for place, name in list(enumerate(names))[:_MOST_COLUMNS]:
        values = [records[row][place] for row in chosen]
        known = [value for value in values if value is not None]
        running = bool(_ID.fullmatch(name)) and is_running(known)
        figure = tell(_numbers(values), classes, folds[chosen])
        if figure >= least[0 if running else 1]:
            shown = "R²" if quantity else "AUC"
            what = "numbers the rows and" if running else "alone"
            said.append(
                f"warning: column {name} {what} tells the target ({shown} {figure:.3f} on held-out"
                f" rows); leave it out by --ignore {name} if it is not known beforehand of rows that are"
                " to be predicted"
            )
    return said


def _numbers(values: Sequence[object]) -> NDArray[np.float64]:
    """Values as numbers: categories by their order of occurrence, a missing one below all."""
    codes: dict[object, float] = {}
    found = [
        float(value)
        if isinstance(value, (int, float))
        else np.nan
        if value is None
        else codes.setdefault(value, float(len(codes)))
        for value in values
    ]
    return np.array(found, dtype=np.float64)[:, np.newaxis]


def _auc(column: NDArray[np.float64], classes: NDArray[np.floating], folds: NDArray[np.int8]) -> float:
    """The mean AUC of the classes, each against the rest, of a small tree on rows of other folds."""
    kinds = np.unique(classes)
    scores = np.zeros((len(classes), len(kinds)))
    for held, tree in _trees(DecisionTreeClassifier, column, classes, folds):
        columns = np.searchsorted(kinds, tree.classes_)
        scores[np.ix_(held, columns)] = tree.predict_proba(column[held])
    each = [roc_auc_score(classes == kind, scores[:, at]) for at, kind in enumerate(kinds)]
    return float(np.mean(each)) if len(kinds) > 1 else 0.0


def _r_squared(
    column: NDArray[np.float64], values: NDArray[np.floating], folds: NDArray[np.int8]
) -> float:
    """The part of the values' variance that a small tree explains on rows of other folds."""
    found = np.zeros(len(values))
    for held, tree in _trees(DecisionTreeRegressor, column, values, folds):
        found[held] = tree.predict(column[held])
    variance = float(np.var(values))
    return 1 - float(np.mean(np.square(values - found))) / variance if variance else 0.0


def _trees(
    kind: type[Any],
    column: NDArray[np.float64],
    target: NDArray[np.floating],
    folds: NDArray[np.int8],
) -> Iterator[tuple[NDArray[np.bool_], Any]]:
    """Yield the rows of each fold, and a small tree of the rows of the others."""
    for fold in np.unique(folds):
        held = folds == fold
        tree = kind(max_leaf_nodes=_LEAVES, min_samples_leaf=_SMALLEST_LEAF, random_state=0)
        yield held, tree.fit(column[~held], target[~held])
