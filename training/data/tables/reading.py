"""A user's own table file as columns of cells; errors name the line.

By the ending of the name: Parquet, workbooks (.xlsx), ARFF, NDJSON, a JSON list of objects, or text
whose cells are parted by commas, tabs, semicolons or bars, with the columns' names in its first line;
each of them as it is, or packed by gzip or alone in a zip archive.
"""

import hashlib
import io
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO

from models.errors import UnreadableFile
from models.features.files import arff, unpacking, workbook
from training.data.tables.delimited import decoded, lines_of, rows_of_text, without_separator_line
from training.data.tables.typed import Unreadable, from_json, from_parquet
from training.errors import DataError

__all__ = ["Table", "Unreadable", "read_table"]

_MOST_COLUMNS = 4096
#: Bytes that a packed file may unpack to.
_MOST_BYTES = 8 << 30
_PARQUET, _WORKBOOK, _JSON = (".parquet", ".pq"), (".xlsx", ".xlsm"), (".ndjson", ".jsonl", ".json")
_TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
_TABLES = frozenset((*_PARQUET, *_WORKBOOK, *_JSON, *_TEXT, ".arff"))
_NOT_READ = {".xls": "an old workbook", ".ods": "an OpenDocument sheet", ".feather": "a Feather file"}
_NOT_READ |= {
    ".7z": "an archive",
    ".rar": "an archive",
    ".bz2": "packed by bzip2",
    ".xz": "packed by xz",
}

#: Names the columns of a table whose first line is a row; None where it is a header.
Headerless = Callable[[Sequence[str]], list[str] | None]


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


def read_table(path: Path, headerless: Headerless | None = None) -> Table:
    """Read a file by its suffix; raises ``DataError`` if it is no table.

    ``headerless`` names the columns where the first line of a text is a row.
    """
    if not path.is_file():
        raise DataError(f"{path} is no file")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        try:
            name, content = _unpacked(path.name, file)
            table = _read(path.name, PurePath(name).suffix.lower(), content, digest, headerless)
        except UnreadableFile as fault:
            raise DataError(f"{path.name}: {fault}") from fault
    if len(table.columns) > _MOST_COLUMNS:
        raise DataError(f"{path.name} has {len(table.columns):,} columns; the most is {_MOST_COLUMNS:,}")
    return table


def _unpacked(name: str, file: BinaryIO) -> tuple[str, bytes]:
    suffix = PurePath(name).suffix.lower()
    if suffix == unpacking.GZIP:
        return unpacking.inner_name(name), b"".join(unpacking.gunzipped(file, _MOST_BYTES))
    if suffix == unpacking.ZIP:
        member = unpacking.member_of(file, _TABLES)
        return member, b"".join(unpacking.unzipped(file, member, _MOST_BYTES))
    return name, file.read()


def _read(name: str, suffix: str, content: bytes, digest: str, headerless: Headerless | None) -> Table:
    if suffix in _NOT_READ:
        raise UnreadableFile(f"it is {_NOT_READ[suffix]}, which is not read; save it as CSV or Parquet")
    if suffix in _PARQUET:
        columns, categorical = from_parquet(content)
        names = _names(name, list(columns), [])
        length = len(next(iter(columns.values()), []))
        renamed = dict(zip(names, columns.values(), strict=True))
        numbers = list(range(1, length + 1))
        return Table(name, digest, renamed, numbers, "row", frozenset(map(_composed, categorical)))
    if suffix in _WORKBOOK:
        rows = list(workbook.rows_of(io.BytesIO(content), _MOST_BYTES))
        header, *rest = rows
        width = max(map(len, rows))
        named = ["" if cell is None else str(cell) for cell in header] + [""] * (width - len(header))
        full: list[Sequence[object]] = [row + [None] * (width - len(row)) for row in rest]
        return _of_rows(name, digest, named, full, list(range(2, len(rows) + 1)), "row", [])
    if suffix in _JSON:
        columns, lines = from_json(content, lines=suffix != ".json")
        names = _names(name, list(columns), [])
        return Table(name, digest, dict(zip(names, columns.values(), strict=True)), lines)
    notices: list[str] = []
    text = decoded(content, notices)
    if suffix == ".arff":
        return _arff(name, digest, text)
    text, delimiter = without_separator_line(text)
    cells, lines = rows_of_text(name, text, tabs=suffix in (".tsv", ".tab"), delimiter=delimiter)
    given = headerless(cells[0]) if headerless else None
    if given is not None:
        return _candidates(name, digest, text, given, headerless)
    if all(map(is_number, cells[0])):
        raise DataError(
            f"{name}, line {lines[0]}: all of its cells are numbers; the first line should name the"
            " columns"
        )
    return _of_rows(name, digest, list(cells[0]), cells[1:], lines[1:], "line", notices)


def _of_rows(
    name: str,
    digest: str,
    header: list[str],
    rows: Sequence[Sequence[object]],
    lines: list[int],
    place: str,
    notices: list[str],
) -> Table:
    if rows and len(rows[0]) == len(header) + 1 and all(len(row) == len(rows[0]) for row in rows):
        header = ["", *header]  # R's write.table names no column of row names
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise DataError(
                f"{name}, {place} {line}: it has {len(row)} cells, the first line names {len(header)}"
            )
    columns: list[list[object]] = [list(cells) for cells in zip(*rows, strict=True)]
    columns = columns or [[] for _ in header]
    empty = [at for at, cell in enumerate(header) if not cell.strip() and _is_empty(columns[at])]
    kept = [at for at in range(len(header)) if at not in empty]
    if empty and rows:
        notices.append(f"left out {len(empty)} columns without a name or a value")
    else:
        kept = list(range(len(header)))
    names = _names(name, [header[at] for at in kept], [columns[at] for at in kept])
    named = dict(zip(names, (columns[at] for at in kept), strict=True))
    return Table(name, digest, named, lines, place, notices=notices)


def _arff(name: str, digest: str, text: str) -> Table:
    lines = lines_of(text)
    attributes, start = arff.read_header(lines)
    return _commented(name, digest, [each.name for each in attributes], lines, start)


def _candidates(
    name: str, digest: str, text: str, names: list[str], headerless: Headerless | None
) -> Table:
    lines = lines_of(text)
    first = next(line for line in lines if not arff.is_blank(line))
    names = (headerless(arff.row(first)[0]) if headerless else None) or names
    return _commented(name, digest, names, lines, 0)


def _commented(name: str, digest: str, names: list[str], lines: list[str], start: int) -> Table:
    """A table of rows as ARFF has them; the comments at their ends are a column, if there are any."""
    rows: list[list[object]] = []
    numbers: list[int] = []
    comments: list[object] = []
    for number, line in enumerate(lines[start:], start=start + 1):
        if arff.is_blank(line):
            continue
        try:
            cells, comment = arff.row(line)
        except UnreadableFile as fault:
            raise DataError(f"{name}, line {number}: {fault}") from fault
        if len(cells) != len(names):
            raise DataError(
                f"{name}, line {number}: it has {len(cells)} cells, there are {len(names)} columns"
            )
        rows.append(list(cells))
        numbers.append(number)
        comments.append(comment or None)
    columns = [list(cells) for cells in zip(*rows, strict=True)] or [[] for _ in names]
    named = dict(zip(_names(name, names, columns), columns, strict=True))
    if any(comments) and arff.CANDIDATE not in named:
        named[arff.CANDIDATE] = comments
    return Table(name, digest, named, numbers)


def _names(name: str, header: list[str], columns: Sequence[list[object]]) -> list[str]:
    """The columns' names in Unicode's composed form; raises ``DataError`` where one cannot be used."""
    names = [_composed(each) for each in header]
    for place, each in enumerate(names, start=1):
        if not each and place == 1 and columns and is_running(columns[0]):
            continue  # the index that pandas writes, which is left out
        if not each:
            raise DataError(f"{name}, line 1: column {place} has no name")
        if names.index(each) + 1 < place:
            raise DataError(f"{name}, line 1: column {each!r} is there twice; rename one")
    return names


def _composed(name: str) -> str:
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
    """Whether a cell is written as Python writes a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
