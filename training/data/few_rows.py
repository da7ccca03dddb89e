"""A few labelled rows for a version that exists: its own columns, and its own targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from models.features.tabular.candidate_tables import (
    ACCEPTED_NAMES,
    CLASS,
    class_of,
    positional,
    renamed,
    table_warnings,
)
from models.features.tabular.categories import as_category
from models.features.tabular.cells import category, number
from models.features.tabular.pulsar import NAMES as CANDIDATE_NAMES
from training.data.tables.columns import is_missing
from training.data.tables.files.table import Table, is_number
from training.data.tables.reading import read_table
from training.errors import DataError

#: Words for the two classes of a target that is not named by one of them.
_YES = frozenset(("1", "true", "yes", "y", "t", "positive", "active", "pulsar"))
_NO = frozenset(("0", "-1", "false", "no", "n", "f", "negative", "inactive", "noise", "rfi"))
#: Names of a column of classes, tried where none is given.
_CLASSES = ("class", "target_class", "target", "label")


@dataclass(frozen=True, slots=True)
class FewRows:
    """Records by column name, labels ``(n, T)`` (NaN: not measured), and the file with its sha256.

    ``notices`` say what is odd about the rows together.
    """

    records: list[dict[str, object]]
    labels: NDArray[np.float32]
    lines: list[int]
    name: str
    sha256: str
    notices: tuple[str, ...] = ()


def read_few(
    path: Path,
    fields: tuple[str, ...],
    readers: Mapping[str, Callable[[str], object]],
    targets: tuple[str, ...],
    *,
    exclusive: bool,
    column: str | None,
) -> FewRows:
    """Read labelled rows of the columns ``fields``, whose cells ``readers`` read.

    Names may be spelled in any case, and those of pulsar candidates in any way that is known; these
    may come without a header. ``column`` holds the class; if None, it is looked for. Several targets
    that are no classes have a column each, of 0, 1 or nothing. Raises ``DataError`` naming file,
    line and column.
    """
    are_candidates = fields == CANDIDATE_NAMES
    given = read_table(
        path, positional if are_candidates else partial(_without_header, (*fields, CLASS))
    )
    names = _spelled(list(given.columns), (*fields, *targets), are_candidates=are_candidates)
    table = replace(given, columns=dict(zip(names, given.columns.values(), strict=True)))
    if column is not None and column in given.columns:
        column = names[list(given.columns).index(column)]
    for name in fields:
        if name not in table.columns:
            raise DataError(
                f"{table.name} has no column {name!r}, which the model reads; it has"
                f" {', '.join(repr(each[:40]) for each in list(given.columns)[:12])}"
                + (f"; {ACCEPTED_NAMES}" if are_candidates else "")
            )
    if len(targets) > 1 and not exclusive:
        labels = np.stack([_measured(table, target) for target in targets], axis=1)
    else:
        chosen = column or _class_column(table, fields, targets)
        if chosen not in table.columns:
            raise DataError(f"{table.name} has no column {chosen!r} to hold the class")
        labels = _classes(table, chosen, targets, are_candidates=are_candidates)
    used = np.flatnonzero(~np.isnan(labels).all(axis=1))
    values = {name: _values(table.columns[name], readers[name]) for name in fields}
    records = [{name: values[name][row] for name in fields} for row in used]
    lines = [table.lines[row] for row in used]
    notices = tuple(f"warning: {each.message}" for each in table_warnings(fields, records))
    return FewRows(records, labels[used], lines, table.name, table.sha256, notices)


def _spelled(columns: list[str], names: Sequence[str], *, are_candidates: bool) -> list[str]:
    """The columns, those of the model by its own names; a name that is taken stays."""
    found = renamed(columns) if are_candidates else list(columns)
    plain = {normalize("NFC", name).casefold(): name for name in names}
    for place, column in enumerate(found):
        name = plain.get(normalize("NFC", column).casefold(), column)
        if name not in found:
            found[place] = name
    return found


def _without_header(names: tuple[str, ...], first: Sequence[str]) -> list[str] | None:
    """Return the columns of a file whose first line holds as many numbers."""
    return list(names) if len(first) == len(names) and all(map(is_number, first)) else None


def _class_column(table: Table, fields: tuple[str, ...], targets: tuple[str, ...]) -> str:
    names = [name for name in (*targets, *_CLASSES) if name in table.columns and name not in fields]
    if not names:
        raise DataError(
            f"{table.name} has no column of classes; --target says which it is, of"
            f" {', '.join(name for name in table.columns if name not in fields) or 'none left'}"
        )
    return names[0]


def _values(cells: list[object], reader: Callable[[str], object]) -> list[object]:
    parsed = [reader(cell) if isinstance(cell, str) else cell for cell in cells]
    return [None if is_missing(value) else value for value in parsed]


def _classes(
    table: Table, column: str, targets: tuple[str, ...], *, are_candidates: bool
) -> NDArray[np.float32]:
    cells = table.columns[column]
    words = [category(cell) if isinstance(cell, str) else as_category(cell) for cell in cells]
    labels = np.full((len(words), len(targets)), np.nan, dtype=np.float32)
    # The name of a single target may be one of its classes: then all other words are the other class.
    named = len(targets) == 1 and targets[0] in words and targets[0] != column
    for row, word in enumerate(words):
        if word is None:
            continue
        if len(targets) > 1:
            if word not in targets:
                raise DataError(f"{table.where(row, column)}: {word!r} is none of the model's classes")
            labels[row] = [word == target for target in targets]
            continue
        known = class_of(word) if are_candidates else None
        known = _word(word, targets[0], named=named) if known is None else known
        if known is None:
            raise DataError(
                f"{table.where(row, column)}: {word!r} is neither yes nor no; write 1 for"
                f" {targets[0]} and 0 for all else"
            )
        labels[row, 0] = known
    return labels


def _word(word: str, target: str, *, named: bool) -> float | None:
    if named:
        return float(word == target)
    plain = word.lower()
    return 1.0 if plain in _YES else 0.0 if plain in _NO else None


def _measured(table: Table, target: str) -> NDArray[np.float32]:
    if target not in table.columns:
        return np.full(len(table), np.nan, dtype=np.float32)
    values = _values(table.columns[target], number)
    labels = np.full(len(values), np.nan, dtype=np.float32)
    for row, value in enumerate(values):
        if value is None:
            continue
        if value not in (0, 1):
            raise DataError(f"{table.where(row, target)}: {value!r} is neither 0 nor 1 nor empty")
        labels[row] = float(value == 1)
    return labels


def base_rates(
    figures: Mapping[str, Mapping[str, float]], targets: tuple[str, ...]
) -> NDArray[np.float64]:
    """The share of positive rows of each target in training ``(T,)``, from a manifest's metrics."""
    return np.array([figures[name]["positive"] / figures[name]["measured"] for name in targets])
