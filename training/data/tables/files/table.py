"""A table as its file has it: columns of cells, and the names that columns may have."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.features.tabular.cells import as_float
from models.features.tabular.schema import LONGEST, is_name
from training.errors import DataError


@dataclass(frozen=True, slots=True)
class Table:
    """Cells by column, all of one length: text, or the values of typed files; None where empty.

    ``lines`` are the rows' numbers in the file, of lines or of what ``place`` names. ``categorical``
    names the columns that the file declares to be categories. ``notices`` say how it was read.
    """

    name: str
    sha256: str
    columns: dict[str, list[object]]
    lines: list[int]
    place: str = "line"
    categorical: frozenset[str] = frozenset()
    notices: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.lines)

    def where(self, row: int, column: str) -> str:
        """What an error calls a cell."""
        return f"{self.name}, {self.place} {self.lines[row]}, column {column}"


def table_of_rows(
    name: str,
    digest: str,
    header: list[str],
    rows: Sequence[Sequence[object]],
    lines: list[int],
    place: str,
    notices: list[str],
) -> Table:
    """A table of rows below a header, with their ``lines``; raises ``DataError`` for a misfit."""
    width = max(map(_filled, rows), default=0)
    while len(header) > width and rows and not header[-1].strip():
        header.pop()
    if width == len(header) + 1 and all(len(row) == width for row in rows):
        header = ["", *header]  # R's write.table names no column of row names
    for row, line in zip(rows, lines, strict=True):
        if not len(row) >= len(header) >= _filled(row):
            raise DataError(f"{name}, {place} {line}: {_misfit(row, header)}")
    if any(len(row) > len(header) for row in rows):  # spreadsheets end rows with empty cells
        rows = [row[: len(header)] for row in rows]
    columns: list[list[object]] = [list(cells) for cells in zip(*rows, strict=True)]
    columns = columns or [[] for _ in header]
    empty = [at for at, cell in enumerate(header) if not cell.strip() and _is_empty(columns[at])]
    kept = [at for at in range(len(header)) if at not in empty]
    if empty and rows:
        notices.append(f"left out {len(empty)} columns without a name or a value")
    else:
        kept = list(range(len(header)))
    names = column_names(name, [header[at] for at in kept], [columns[at] for at in kept])
    named = dict(zip(names, (columns[at] for at in kept), strict=True))
    return Table(name, digest, named, lines, place, notices=notices)


def _filled(row: Sequence[object]) -> int:
    """The cells of a row up to the last that is not empty."""
    return next((at for at in range(len(row), 0, -1) if not _is_empty(row[at - 1 : at])), 0)


def _misfit(row: Sequence[object], header: Sequence[str]) -> str:
    """What is wrong with a row of another width than the header's, and what to do."""
    said = f"it has {len(row)} cells, the first line names {len(header)}"
    if str(row[0]).lstrip().startswith(("#", "%")):
        return f"{said}; it begins as comments do: take it out"
    if len(header) == 1:
        return (
            f"{said}, {header[0].strip()[:40]!r}; the first line should name the columns: take out what"
            " stands before their names"
        )
    return said


def header_cell(cell: object) -> str:
    """The name in a workbook's cell, of a whole number without a fraction."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def column_names(name: str, header: list[str], columns: Sequence[list[object]]) -> list[str]:
    """The columns' names in Unicode's composed form; raises ``DataError`` where one cannot be used."""
    names = [composed(each) for each in header]
    for place, each in enumerate(names, start=1):
        if not each and place == 1 and columns and is_running(columns[0]):
            continue  # the index that pandas writes, which is left out
        if not each:
            raise DataError(
                f"{name}, line 1: column {place} has no name; name it, or take out the lines before"
                " the one that names the columns"
            )
        if not is_name(each):
            raise DataError(
                f"{name}, line 1: column {place} is named {each[:40]!r}, and a name has 1 to {LONGEST}"
                " characters; rename it"
            )
        if names.index(each) + 1 < place:
            raise DataError(f"{name}, line 1: column {each!r} is there twice; rename one")
    return names


def composed(name: str) -> str:
    """A name in Unicode's composed form, without white space around it."""
    return unicodedata.normalize("NFC", name.strip())


def is_running(values: Sequence[object]) -> bool:
    """Whether a column numbers or names its rows: whole numbers that are all different, or R's names."""
    try:
        numbers = [float(str(value)) for value in values]
    except ValueError:
        return len(set(map(str, values))) == len(values)
    return len(set(numbers)) == len(numbers) and all(number == int(number) for number in numbers)


def _is_empty(values: Sequence[object]) -> bool:
    return all(value is None or not str(value).strip() for value in values)


def is_number(cell: str) -> bool:
    """Whether a cell is a number; ``nan`` is one."""
    return as_float(cell) is not None
