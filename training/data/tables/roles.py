"""Columns that say how a row counts and with which rows it is left out; none of them is learned from."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.features.tabular.cells import number
from models.features.tabular.dates import ISO, as_date
from models.features.tabular.formats import MISSING
from training.data.folds import FOLDS, folds_of_groups
from training.data.tables.files.table import Table
from training.data.tables.spelling import date_form
from training.errors import DataError

_MOST_FOLDS = 20
_OPTIONS = ("group", "time", "fold", "weight")


class Roles(BaseModel):
    """Names of the columns of groups, times, given folds and weights; at most one of the first three."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    group: str | None = None
    time: str | None = None
    fold: str | None = None
    weight: str | None = None
    day_first: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are named."""
        return tuple(name for name in map(self.__getattribute__, _OPTIONS) if name is not None)

    def check(self, table: Table, target: str) -> None:
        """Raise ``DataError`` if a column is missing, named twice, or folds are said in two ways."""
        for option in _OPTIONS:
            name = getattr(self, option)
            if name is not None and name not in table.columns:
                raise DataError(f"--{option} {name}: {table.name} has no such column")
        if len({*self.columns, target}) <= len(self.columns):
            raise DataError("--group, --time, --fold, --weight and --target name different columns")
        if sum(name is not None for name in (self.group, self.time, self.fold)) > 1:
            raise DataError("--group, --time and --fold each say what the folds are; give one of them")

    def folds(self, table: Table, rows: Sequence[int]) -> tuple[NDArray[np.int8], str] | None:
        """Folds ``(n,)`` of the rows and the rule that they follow; None if no column says them.

        Rows of a group share a fold. Times are cut into five periods of equally many rows: a row is
        judged by networks that learned other periods, earlier and later ones. Raises ``DataError``.
        """
        if self.group is not None:
            folds, rule = folds_of_groups(np.array(_texts(table, self.group, rows), dtype=object))
            return folds, f"{rule}, column {self.group}"
        if self.time is not None:
            times = _times(table, self.time, rows, day_first=self.day_first)
            ranked = np.sort(times)
            starts = [ranked[len(ranked) * part // FOLDS] for part in range(1, FOLDS)]
            if len(np.unique(starts)) < len(starts):
                raise DataError(
                    f"{table.name}, column {self.time}: too few times differ for five periods"
                )
            shown = ", ".join(map(_shown, starts))
            return (
                np.searchsorted(np.array(starts), times, side="right").astype(np.int8),
                f"periods of column {self.time}, which begin at {shown}",
            )
        if self.fold is not None:
            given = _texts(table, self.fold, rows)
            names = sorted(set(given))
            if not 3 <= len(names) <= _MOST_FOLDS:
                raise DataError(
                    f"{table.name}, column {self.fold}: it has {len(names)} folds; 3 to {_MOST_FOLDS}"
                    " can be used"
                )
            place = {name: at for at, name in enumerate(names)}
            return np.array(
                [place[name] for name in given], dtype=np.int8
            ), f"given by column {self.fold}"
        return None

    def weights(self, table: Table, rows: Sequence[int]) -> NDArray[np.float32] | None:
        """The rows' weights ``(n,)``; raises ``DataError`` for one that is not a number from 0 on."""
        if self.weight is None:
            return None
        read = _weight_of(table, self.weight)
        weights = np.array([read(row) for row in rows], dtype=np.float32)
        if not weights.any():
            raise DataError(f"{table.name}, column {self.weight}: all weights are 0")
        return weights


def _shown(time: object) -> str:
    return f"{time:.12g}" if isinstance(time, float) else str(time)


def _weight_of(table: Table, column: str) -> Callable[[int], float]:
    def read(row: int) -> float:
        cell = table.columns[column][row]
        value = number(cell) if isinstance(cell, str) else cell
        if isinstance(value, (int, float)) and 0 <= value < float(np.finfo(np.float32).max):
            return float(value)
        raise DataError(f"{table.where(row, column)}: a weight is a number from 0 on, not {cell!r}")

    return read


def _texts(table: Table, column: str, rows: Sequence[int]) -> list[str]:
    cells = table.columns[column]
    for row in rows:
        if cells[row] is None or str(cells[row]).strip() in MISSING:
            raise DataError(f"{table.where(row, column)}: it is empty, and every row needs a value")
    return [str(cells[row]) for row in rows]


def _times(table: Table, column: str, rows: Sequence[int], *, day_first: bool) -> NDArray[Any]:
    """Times as numbers, or as dates in ISO's form without an offset, which sort by their text.

    Raises ``DataError`` for others, and for dates of which nothing tells what is the month.
    """
    texts = _texts(table, column, rows)
    numbers = [number(text) for text in texts]
    if all(isinstance(value, float) for value in numbers):
        return np.array(numbers, dtype=np.float64)
    form, unclear = date_form(texts, day_first=day_first) or (ISO, False)
    if unclear:
        raise DataError(
            f"{table.name}, column {column}: no date tells whether the day or the month is first,"
            f" such as {texts[0][:40]!r}; say --day-first, or write dates as 2024-12-31"
        )
    times = [as_date(text, form) for text in texts]
    for row, (text, at) in enumerate(zip(texts, times, strict=True)):
        if at is None:
            raise DataError(
                f"{table.where(rows[row], column)}: {text[:40]!r} is neither a number nor a date, as"
                " other times are; write it as 2024-12-31, or number the periods"
            )
    return np.array([at.isoformat() for at in times if at is not None])
