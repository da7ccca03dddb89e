"""A user's own table file, CSV or Parquet, as columns of cells; errors name the line.

CSV is UTF-8, separated by commas, with the columns' names in its first line (RFC 4180); any line ends.
"""

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import DataError

_MOST_COLUMNS = 4096


@dataclass(frozen=True, slots=True)
class Table:
    """Cells by column, all of one length: text from CSV, values from Parquet, None where empty.

    ``lines`` are the rows' numbers in the file, of lines or of what ``place`` names.
    """

    name: str
    sha256: str
    columns: dict[str, list[object]]
    lines: list[int]
    place: str = "line"

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.lines)

    def where(self, row: int, column: str) -> str:
        """What an error calls a cell."""
        return f"{self.name}, {self.place} {self.lines[row]}, column {column}"


def read_table(path: Path, names: tuple[str, ...] | None = None) -> Table:
    """Read a file, as Parquet or CSV by its suffix; raises ``DataError`` if it is not such a table.

    ``names`` are the columns of a CSV file without a header, whose first line holds as many numbers.
    """
    if not path.is_file():
        raise DataError(f"{path} is no file")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path, digest)
    return _csv(path, content, digest, names)


def _csv(path: Path, content: bytes, digest: str, names: tuple[str, ...] | None) -> Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path.name}, line {line}: the text is not UTF-8; save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    start = 1
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path.name}, line {start}: it is not CSV: {error}") from error
    if not rows:
        raise DataError(f"{path.name} is empty; its first line should name the columns")
    if all(map(_is_number, rows[0])):
        if names is None or len(rows[0]) != len(names):
            raise DataError(
                f"{path.name}, line 1: all of its cells are numbers; the first line should name the"
                " columns"
            )
        header = list(names)
    else:
        header = [name.strip() for name in rows.pop(0)]
        lines.pop(0)
    _check_header(path, header)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise DataError(
                f"{path.name}, line {line}: it has {len(row)} cells, the first line names {len(header)}"
            )
    columns: list[list[object]] = [list(cells) for cells in zip(*rows, strict=True)]
    columns = columns or [[] for _ in header]
    return Table(path.name, digest, dict(zip(header, columns, strict=True)), lines)


def _check_header(path: Path, header: list[str]) -> None:
    if len(header) > _MOST_COLUMNS:
        raise DataError(f"{path.name} has {len(header):,} columns; the most is {_MOST_COLUMNS:,}")
    for place, name in enumerate(header, start=1):
        if not name:
            raise DataError(f"{path.name}, line 1: column {place} has no name")
        if header.index(name) + 1 < place:
            raise DataError(f"{path.name}, line 1: column {name!r} is there twice; rename one")
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise DataError(
            f"{path.name}, line 1: it seems to be separated by something else than commas; save it with"
            " commas"
        )


def _parquet(path: Path, digest: str) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(
            f"{path.name}: Parquet needs pyarrow, which is not installed:"
            " pip install 'snn-serving[parquet]'"
        ) from error
    try:
        table: Any = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} is not Parquet: {str(error).splitlines()[0]}") from error
    _check_header(path, table.column_names)
    types: Any = pa.types
    kinds = ("integer", "floating", "boolean", "null", "string", "large_string")
    readable = [getattr(types, f"is_{kind}") for kind in kinds]
    columns: dict[str, list[object]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type.value_type if types.is_dictionary(column.type) else column.type
        if types.is_decimal(kind):
            columns[name] = column.cast(pa.float64()).to_pylist()
        elif any(is_kind(kind) for is_kind in readable):
            columns[name] = column.to_pylist()
        else:
            # Kept, so that --ignore can name it: only columns that are used must be readable.
            columns[name] = [Unreadable(str(kind))] * len(column)
    return Table(path.name, digest, columns, list(range(1, len(table) + 1)), "row")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell of a Parquet kind that is neither a number, a text nor a boolean."""

    kind: str


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
