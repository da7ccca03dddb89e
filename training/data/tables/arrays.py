"""Rows in memory as the data set that a file of them would be."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features.tabular.categories import as_category
from training.data.dataset import Dataset, Standard, strata_of
from training.data.folds import FOLDS, folds_of_groups, folds_of_table
from training.data.tables.columns import MOST_CATEGORIES, is_missing, read_column
from training.data.tables.files.table import Table
from training.data.tables.load import PIECES, PIECES_OF_ALL, constructed
from training.data.tables.spelling import Spelling
from training.errors import DataError

#: What a manifest calls folds of so few rows that their order decides.
_IN_TURN = "rows of a class dealt to the folds in turn, in their order"


@dataclass(frozen=True, slots=True)
class Answers:
    """What is to be learned of the rows: labels ``(n, T)`` of named targets.

    ``codes`` ``(n,)`` are the numbers of classes, of a quantity zeros; ``order`` ``(n,)`` is how rows
    are dealt to folds where few are distinct. ``told`` is for the card, ``content`` for the data's hash.
    """

    labels: NDArray[np.float32]
    targets: tuple[str, ...]
    codes: NDArray[np.integer]
    order: NDArray[Any]
    told: dict[str, object]
    content: list[Any]
    standard: Standard | None = None

    @classmethod
    def of_classes(cls, codes: NDArray[np.integer], classes: tuple[str, ...]) -> "Answers":
        """Of two classes the second is the target."""
        if len(classes) > 2:
            labels, targets = np.eye(len(classes), dtype=np.float32)[codes], classes
        else:
            labels, targets = (codes == 1).astype(np.float32)[:, None], classes[1:]
        told: dict[str, object] = {"classes": ", ".join(classes)}
        return cls(labels, targets, codes, codes, told, codes.tolist())

    @classmethod
    def of_values(cls, values: NDArray[np.float64], name: str) -> "Answers":
        """A quantity; raises ``DataError`` if its values are one, or too far apart."""
        try:
            standard = Standard.of(values)
        except OverflowError:
            raise DataError(f"{name}: its values are all one, or beyond double precision") from None
        codes = np.zeros(len(values), dtype=np.intp)
        labels = standard.labels(values)
        return cls(labels, (name,), codes, values, {}, values.tolist(), standard)


def dataset_of_arrays(
    rows: NDArray[Any],
    answers: Answers,
    names: tuple[str, ...],
    categorical: Sequence[str | int],
    *,
    weights: NDArray[np.floating] | None = None,
    groups: NDArray[Any] | None = None,
) -> Dataset:
    """Rows ``(n, F)`` of numbers and texts, NaN or None where missing, and what they are to tell.

    Raises ``DataError`` if a column cannot be read, and ``TypeError`` for a cell that is neither number
    nor text.
    """
    unknown = [each for each in categorical if each not in names and each not in range(len(names))]
    if unknown:
        raise ValueError(f"categorical_features: there is no column {unknown[0]!r}")
    cells = {name: _cells(rows[:, at]) for at, name in enumerate(names)}
    table = Table("X", "", cells, list(range(len(rows))), "row")
    pieces = min(PIECES, PIECES_OF_ALL // len(names))
    columns = [
        read_column(
            table,
            name,
            is_category=name in categorical or at in categorical,
            pieces=pieces,
            most=MOST_CATEGORIES,
            spelling=Spelling(),
        )
        for at, name in enumerate(names)
    ]
    records = tuple(zip(*(column.values for column in columns), strict=True))
    labels = answers.labels
    strata = strata_of(labels, answers.standard)
    folds, rule = (
        folds_of_groups(groups) if groups is not None else folds_of_table(names, records, strata)
    )
    if not _usable(folds, answers.codes):
        folds, rule = _in_turn(answers.order), _IN_TURN
    content = repr((records, answers.content, None if weights is None else weights.tolist()))
    return Dataset(
        name="fitted",
        featurizer="tables-3",
        records=records,
        labels=labels,
        targets=answers.targets,
        folds=folds,
        sources={"X, y": hashlib.sha256(content.encode()).hexdigest()},
        summary={"rows": len(records), "columns": len(names), **answers.told},
        exclusive=len(answers.targets) > 1,
        standard=answers.standard,
        parameters={"columns": [column.entry for column in columns]},
        golden=constructed([column.constructed for column in columns]),
        table={"target": "y", "file": "X, y", "rows": len(records)},
        fold_rule=rule,
        weights=None if weights is None else weights.astype(np.float32),
    )


def records_of(rows: NDArray[Any], dataset: Dataset) -> list[list[object]]:
    """Rows ``(n, F)`` as records of a data set's columns; raises ``TypeError`` as above."""
    entries: Any = dataset.parameters["columns"]
    columns = []
    for at, entry in enumerate(entries):
        cells = _cells(rows[:, at])
        missing = map(is_missing, cells)
        if entry["kind"] == "category":
            cells = [as_category(cell) for cell in cells]
        columns.append([None if no else cell for no, cell in zip(missing, cells, strict=True)])
    return [list(record) for record in zip(*columns, strict=True)]


def _cells(column: NDArray[Any]) -> list[object]:
    if column.dtype.kind == "M":  # nanoseconds would become integers
        column = column.astype("datetime64[us]")
    elif column.dtype.kind == "m":
        column = column / np.timedelta64(1, "s")
    values = [_plain(value) for value in column.tolist()]
    for value in values:
        if value is not None and not isinstance(value, (str, bool, int, float)):
            raise TypeError(f"argument must be a string or a number, not {type(value).__name__}")
    return [float(value) if isinstance(value, bool) else value for value in values]


def _plain(value: object) -> object:
    """A cell of a data frame as one of a file.

    pandas' own missing values are None, dates and periods ISO's text, durations seconds, intervals text.
    """
    kind = type(value).__name__
    if kind in ("NAType", "NaTType"):
        return None
    if kind == "Period":
        value = value.start_time  # type: ignore[attr-defined]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if kind == "Interval" else value


def _usable(folds: NDArray[np.integer], codes: NDArray[np.integer]) -> bool:
    """Whether no fold is empty, and every class has rows outside every fold, and in two of them."""
    if len(np.unique(folds)) < FOLDS:
        return False
    return all(len(np.unique(folds[codes == code])) >= 2 for code in np.unique(codes))


def _in_turn(values: NDArray[Any]) -> NDArray[np.int8]:
    folds = np.empty(len(values), dtype=np.int8)
    folds[np.argsort(values, kind="stable")] = np.arange(len(values)) % FOLDS
    return folds
