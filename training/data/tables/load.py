"""A user's own table as a data set: columns' kinds, target and folds are inferred from the file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.data.dataset import Dataset
from training.data.folds import FEWEST_FOLDS, FOLDS, folds_of_table
from training.data.tables.columns import read_column
from training.data.tables.reading import read_table
from training.data.tables.targets import read_targets
from training.errors import DataError

_GOLDEN_ROWS = 48
#: Most linear pieces of a column of numbers, and of all columns together.
PIECES, PIECES_OF_ALL = 16, 1024


class Reading(BaseModel):
    """How to read a table: the target, its positive class, columns to ignore or to make categories."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    target: str
    positive: str | None = None
    ignore: tuple[str, ...] = ()
    category: tuple[str, ...] = ()


def load(name: str, path: Path, reading: Reading) -> Dataset:
    """Read a table; raises ``DataError`` naming file, line and column.

    Records are tuples in the columns' order. Rows without a value of the target are left out and
    counted.
    """
    table = read_table(path)
    targets = read_targets(table, reading.target, reading.positive)
    for option, names in (("--ignore", reading.ignore), ("--category", reading.category)):
        unknown = [column for column in names if column not in table.columns]
        if unknown:
            raise DataError(f"{option} {unknown[0]}: {table.name} has no such column")
    used = [c for c in table.columns if c != reading.target and c not in reading.ignore]
    if not used:
        raise DataError(f"{table.name} has no column to learn from beside {reading.target}")
    pieces = min(PIECES, PIECES_OF_ALL // len(used))
    columns = [read_column(table, c, is_category=c in reading.category, pieces=pieces) for c in used]
    records = tuple(
        zip(*([column.values[row] for row in targets.rows] for column in columns), strict=True)
    )
    if len(set(records)) == 1:
        raise DataError(f"{table.name}: all rows are the same, so that nothing can be learned from them")
    folds, fold_rule = folds_of_table(used, records, targets.labels)
    _check_folds(table.name, folds, targets.labels, targets.names)
    constant = [
        name
        for name, values in zip(used, zip(*records, strict=True), strict=True)
        if len(set(values)) == 1
    ]
    numbers = sum(column.entry["kind"] == "number" for column in columns)
    summary: dict[str, object] = {
        "rows": len(records),
        "rows without a target, left out": len(table) - len(records),
        "different rows": len(set(records)),
        "columns of numbers": numbers,
        "columns of categories": len(columns) - numbers,
        "columns with missing values": sum(column.entry["optional"] is True for column in columns),
        "columns of one value, which tell nothing": ", ".join(constant) or "none",
        "target": reading.target,
        "rows by class": ", ".join(f"{name} {rows:,}" for name, rows in targets.counts.items()),
    }
    return Dataset(
        name=name,
        featurizer="tables-2",
        records=records,
        labels=targets.labels,
        targets=targets.names,
        folds=folds,
        sources={table.name: table.sha256},
        summary=summary,
        exclusive=len(targets.names) > 1,
        parameters={"columns": [column.entry for column in columns]},
        golden=constructed([column.constructed for column in columns]),
        table={**reading.model_dump(mode="json"), "file": table.name, "rows": len(table)},
        fold_rule=fold_rule,
    )


def _check_folds(
    name: str, folds: NDArray[np.int8], labels: NDArray[np.float32], targets: Sequence[str]
) -> None:
    """Every class needs several folds that hold both it and others, to be learned and calibrated."""
    for column, target in enumerate(targets):
        positive = labels[:, column] == 1
        both = set(folds[positive].tolist()) & set(folds[~positive].tolist())
        if len(both) < FEWEST_FOLDS:
            raise DataError(
                f"{name}: rows of class {target!r} stand beside others in {len(both)} of {FOLDS} folds"
                " only; more rows are needed"
            )
    empty = [fold for fold in range(FOLDS) if not (folds == fold).any()]
    if empty:
        raise DataError(f"{name}: fold {empty[0]} has no row; more rows are needed")


def constructed(columns: list[list[object]]) -> tuple[object, ...]:
    """Golden records over the columns' ranges, each column's values shuffled independently."""
    rng = np.random.default_rng(0)
    rows = max(_GOLDEN_ROWS, *map(len, columns))
    shuffled = [
        [values[place] for place in rng.permutation(np.arange(rows) % len(values))] for values in columns
    ]
    return tuple(list(record) for record in zip(*shuffled, strict=True))
