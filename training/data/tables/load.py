"""A user's own table as a data set: columns' kinds, target and folds are inferred from the file."""

from collections import Counter
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.features.tabular.formats import Marks
from training.data.dataset import Dataset, Standard, strata_of
from training.data.folds import FEWEST_FOLDS, FOLDS, folds_of_table
from training.data.tables.columns import MOST_CATEGORIES, read_column
from training.data.tables.files.table import Table
from training.data.tables.quantities import described, is_quantity, read_quantity
from training.data.tables.reading import read_table
from training.data.tables.roles import Roles
from training.data.tables.spelling import Spelling
from training.data.tables.suspects import index_columns, telling_columns
from training.data.tables.targets import Targets, read_targets
from training.errors import DataError

#: Options that name columns, and their field of ``Reading``.
_NAMING = {"--ignore": "ignore", "--category": "category", "--number": "number"}
_MORE_KINDS = {"boolean": "truth values", "date": "dates"}
_GOLDEN_ROWS, _LONGEST_UNIT = 48, 40
#: Options that tables of classes do not have.
_LATER = ("task", "unit")
#: Most linear pieces of a column of numbers, and of all columns together.
PIECES, PIECES_OF_ALL = 16, 1024
#: Most categories of a column that stand for themselves, and of all columns together.
_CATEGORIES, _CATEGORIES_OF_ALL = 1024, 4096


class Reading(Roles):
    """How to read a table: the target, its positive class, columns to ignore or to make categories.

    ``task`` is None where the target's values tell. ``unit`` is a quantity's.
    """

    target: str
    task: Literal["classification", "regression"] | None = None
    unit: str | None = None
    positive: str | None = None
    ignore: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    rare: str | None = None

    @property
    def spelling(self) -> Spelling:
        """How the values are written."""
        marks = Marks(self.missing)
        return Spelling(marks, self.decimal, self.thousands, self.number, self.day_first)


def load(name: str, path: Path, reading: Reading) -> Dataset:
    """Read a table; raises ``DataError`` naming file, line and column.

    Records are tuples in the columns' order. Rows without a value of the target are left out and
    counted.
    """
    table = read_table(path)
    reading = _composed(reading)
    spelling = reading.spelling
    targets, recognised = _targets(table, reading)
    if targets.standard is not None:  # the next table is read alike, whatever its values
        reading = reading.model_copy(update={"task": "regression"})
    for option, names in _NAMING.items():
        unknown = [column for column in getattr(reading, names) if column not in table.columns]
        if unknown:
            raise DataError(f"{option} {unknown[0]}: {table.name} has no such column")
    reading.check(table, reading.target)
    unused = (reading.target, *reading.ignore, *reading.columns)
    indices = index_columns(table, (*unused, *reading.category, *reading.number))
    used = [c for c in table.columns if c not in (*unused, *indices)]
    if not used:
        raise DataError(f"{table.name} has no column to learn from beside {reading.target}")
    pieces = min(PIECES, PIECES_OF_ALL // len(used))
    most = max(MOST_CATEGORIES, min(_CATEGORIES, _CATEGORIES_OF_ALL // len(used)))
    columns = [
        read_column(
            table, c, is_category=c in reading.category, pieces=pieces, most=most, spelling=spelling
        )
        for c in used
    ]
    records = tuple(
        zip(*([column.values[row] for row in targets.rows] for column in columns), strict=True)
    )
    if len(set(records)) == 1:
        raise DataError(f"{table.name}: all rows are the same, so that nothing can be learned from them")
    said = reading.folds(table, targets.rows)
    strata = strata_of(targets.labels, targets.standard)
    folds, fold_rule = said or folds_of_table(used, records, strata)
    number = len(np.unique(folds)) if reading.fold is not None else FOLDS
    _check_folds(table.name, folds, number, targets)
    constant = [
        name
        for name, values in zip(used, zip(*records, strict=True), strict=True)
        if len(set(values)) == 1
    ]
    kinds = Counter(column.entry["kind"] for column in columns)
    left_out = len(table) - len(records) - targets.rare
    notices = [
        *table.notices,
        *recognised,
        *(f"left out column {name!r}, which numbers the rows" for name in indices),
        *targets.notices,
        *(column.notice for column in columns if column.notice),
        *(f"column {name} has one value, which tells nothing" for name in constant),
        *([f"left out {left_out:,} rows without a value of {reading.target}"] if left_out else []),
        *([f"left out {targets.rare:,} rows of rare classes"] if targets.rare else []),
        *telling_columns(used, records, targets.labels, folds, quantity=targets.standard is not None),
    ]
    summary: dict[str, object] = {
        "rows": len(records),
        "rows without a target, left out": left_out,
        **({"rows of rare classes, left out": targets.rare} if targets.rare else {}),
        "different rows": len(set(records)),
        "columns of numbers": kinds["number"],
        "columns of categories": kinds["category"],
        **{f"columns of {word}": kinds[kind] for kind, word in _MORE_KINDS.items() if kinds[kind]},
        "columns with missing values": sum(column.entry["optional"] is True for column in columns),
        "columns of one value, which tell nothing": ", ".join(constant) or "none",
        "target": reading.target,
        **described(targets),
    }
    return Dataset(
        name=name,
        featurizer="tables-3",
        records=records,
        labels=targets.labels,
        targets=targets.names,
        folds=folds,
        sources={table.name: table.sha256},
        summary=summary,
        exclusive=len(targets.names) > 1,
        standard=targets.standard,
        parameters={"columns": [column.entry for column in columns]}
        | ({"missing": list(reading.missing)} if reading.missing else {}),
        golden=constructed([column.constructed for column in columns]),
        table={**_as_read(reading), "file": table.name, "rows": len(table)},
        fold_rule=fold_rule,
        weights=reading.weights(table, targets.rows),
        notices=tuple(notices),
    )


def _targets(table: Table, reading: Reading) -> tuple[Targets, list[str]]:
    """The target as classes or as a quantity, and a sentence where its values told which."""
    column = reading.target
    if column not in table.columns:
        others = ", ".join(list(table.columns)[:20]) + (", …" if len(table.columns) > 20 else "")
        raise DataError(f"{table.name} has no column {column!r} to be the target; it has {others}")
    spelling = reading.spelling
    of_classes = [name for name in ("positive", "rare") if getattr(reading, name) is not None]
    unit = reading.unit
    if unit is not None and not (unit.strip() and unit.isprintable() and len(unit) <= _LONGEST_UNIT):
        raise DataError(
            f"--unit {unit[:40]!r} is no unit: 1 to {_LONGEST_UNIT} printed characters, as in mm; leave"
            " it out where a quantity has none"
        )
    told = reading.task is None and is_quantity(table, column, spelling)
    if told and of_classes:
        told = False
        try:
            return read_targets(table, column, reading.positive, spelling.marks, reading.rare), []
        except DataError as error:
            raise DataError(
                f"{error}; without --{of_classes[0]}, which is for classes, it is learned as a quantity"
                " (--task regression)"
            ) from error
    if reading.task != "regression" and not told:
        if reading.unit is not None:
            raise DataError(
                f"--unit {reading.unit}: column {column} is learned as classes, which have none"
            )
        return read_targets(table, column, reading.positive, spelling.marks, reading.rare), []
    if of_classes:
        raise DataError(
            f"--{of_classes[0]} is for classes, and --task regression learns a quantity; leave one of"
            " them out"
        )
    rows, values = read_quantity(table, column, spelling)
    numbers = np.array(values, dtype=np.float64)
    try:
        standard = Standard.of(numbers, reading.unit)
    except OverflowError:
        raise DataError(
            f"{table.name}, column {column}: its values are too far apart for double precision, or their"
            " differences too small; give it in another unit"
        ) from None
    notice = (
        f"column {column} is learned as a quantity (--task regression): {len(set(values)):,} different"
        " numbers"
    )
    labels = standard.labels(numbers)
    return Targets(rows, labels, (column,), {}, standard), [notice] if told else []


def _as_read(reading: Reading) -> dict[str, JsonValue]:
    """The reading as JSON; what is said of quantities alone is left out of others."""
    document = reading.model_dump(mode="json")
    return {name: value for name, value in document.items() if value is not None or name not in _LATER}


def _composed(reading: Reading) -> Reading:
    """The options with column names in the form in which the table's are."""
    names = {
        option: tuple(normalize("NFC", name) for name in getattr(reading, option))
        for option in _NAMING.values()
    }
    return reading.model_copy(update={**names, "target": normalize("NFC", reading.target)})


def _check_folds(name: str, folds: NDArray[np.int8], number: int, targets: Targets) -> None:
    """Every class needs several folds that hold both it and others, to be learned and calibrated."""
    for column, target in enumerate(targets.names if targets.standard is None else ()):
        positive = targets.labels[:, column] == 1
        both = set(folds[positive].tolist()) & set(folds[~positive].tolist())
        if len(both) < FEWEST_FOLDS:
            raise DataError(
                f"{name}: rows of class {target!r} stand beside others in {len(both)} of"
                f" {number} folds only; more rows are needed"
            )
    empty = [fold for fold in range(number) if not (folds == fold).any()]
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
