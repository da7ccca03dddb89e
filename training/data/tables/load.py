"""Any table as a data set: its columns' kinds, its target and its folds are read off the file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.data.dataset import Dataset
from training.data.folds import FOLDS, folds_of_records
from training.data.tables.columns import read_column
from training.data.tables.reading import read_table
from training.data.tables.targets import read_targets
from training.errors import DataError

_GOLDEN_ROWS = 48
#: Pieces that a column of numbers is cut into, and all of them together: a wide table's are fewer.
_PIECES, _PIECES_OF_ALL = 16, 1024


class Reading(BaseModel):
    """How a table is to be read: the target, its positive class, columns left out or made categories."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    target: str
    positive: str | None = None
    ignore: tuple[str, ...] = ()
    category: tuple[str, ...] = ()


def load(name: str, path: Path, reading: Reading) -> Dataset:
    """Read a table; raises ``DataError`` that names file, line and column.

    Records are lists in the columns' order; rows without a value of the target are left out, and
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
    pieces = min(_PIECES, _PIECES_OF_ALL // len(used))
    columns = [read_column(table, c, is_category=c in reading.category, pieces=pieces) for c in used]
    records = tuple(
        zip(*([column.values[row] for row in targets.rows] for column in columns), strict=True)
    )
    folds = folds_of_records(records)
    _check_folds(table.name, folds, targets.labels, targets.names)
    numbers = sum(column.entry["kind"] == "number" for column in columns)
    summary: dict[str, object] = {
        "rows": len(records),
        "rows without a target, left out": len(table) - len(records),
        "different rows": len(set(records)),
        "columns of numbers": numbers,
        "columns of categories": len(columns) - numbers,
        "columns with missing values": sum(column.entry["optional"] is True for column in columns),
        "target": reading.target,
        "rows by class": ", ".join(f"{name} {rows:,}" for name, rows in targets.counts.items()),
    }
    return Dataset(
        name=name,
        featurizer="tables-1",
        records=records,
        labels=targets.labels,
        targets=targets.names,
        folds=folds,
        in_leaderboard=None,
        sources={table.name: table.sha256},
        summary=summary,
        exclusive=len(targets.names) > 1,
        parameters={"columns": [column.entry for column in columns]},
        golden=_constructed([column.constructed for column in columns]),
        table={**reading.model_dump(mode="json"), "file": table.name, "rows": len(table)},
    )


def _check_folds(
    name: str, folds: NDArray[np.int8], labels: NDArray[np.float32], targets: Sequence[str]
) -> None:
    """Every fold needs rows, and where the target is one of both kinds, to be judged by."""
    for fold in range(FOLDS):
        held_out = labels[folds == fold]
        if not len(held_out):
            raise DataError(f"{name}: fold {fold} has no row, for too many rows are the same")
        if len(targets) == 1 and np.ptp(held_out) == 0:
            raise DataError(
                f"{name}: the rows of fold {fold} are all of one class; more rows are needed"
            )
    for column, target in enumerate(targets):
        found = np.unique(folds[labels[:, column] == 1])
        if len(found) < 3:
            raise DataError(
                f"{name}: the rows of class {target!r} are all in {len(found)} of {FOLDS} folds"
            )


def _constructed(columns: list[list[object]]) -> tuple[object, ...]:
    """Made-up records that span the columns' ranges, each column's values mixed by itself."""
    rng = np.random.default_rng(0)
    rows = max(_GOLDEN_ROWS, *map(len, columns))
    mixed = []
    for values in columns:
        places = rng.permutation(np.arange(rows) % len(values))
        mixed.append([values[place] for place in places])
    return tuple(list(record) for record in zip(*mixed, strict=True))
