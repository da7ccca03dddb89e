"""A user's own table file as columns of cells; errors name the line.

By the ending of the name: Parquet, workbooks (.xlsx), ARFF, NDJSON, a JSON list of objects, or text
whose cells are parted by commas, tabs, semicolons, bars or blanks, with the columns' names in its first
line that is no comment; each of them as it is, or packed by gzip or alone in a zip archive.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import BinaryIO

from models.errors import UnreadableFile
from models.features.files import unpacking, workbook
from models.features.files.arff import is_header
from models.features.files.content import check_text
from training.data.tables.files.commented import Headerless, table_of_arff, table_of_candidates
from training.data.tables.files.delimited import (
    decoded,
    first_line,
    rows_of_text,
    without_comments,
    without_separator_line,
)
from training.data.tables.files.table import (
    Table,
    column_names,
    composed,
    header_cell,
    is_number,
    table_of_rows,
)
from training.data.tables.files.typed import from_json, from_parquet
from training.errors import DataError

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
        names = column_names(name, list(columns), [])
        length = len(next(iter(columns.values()), []))
        renamed = dict(zip(names, columns.values(), strict=True))
        numbers = list(range(1, length + 1))
        return Table(name, digest, renamed, numbers, "row", frozenset(map(composed, categorical)))
    if suffix in _WORKBOOK:
        rows = list(workbook.rows_of(io.BytesIO(content), _MOST_BYTES))
        header, *rest = rows
        width = max(map(len, rows))
        named = [*map(header_cell, header), *[""] * (width - len(header))]
        full: list[Sequence[object]] = [row + [None] * (width - len(row)) for row in rest]
        return table_of_rows(name, digest, named, full, list(range(2, len(rows) + 1)), "row", [])
    if suffix in _JSON:
        columns, lines = from_json(content)
        names = column_names(name, list(columns), [])
        return Table(name, digest, dict(zip(names, columns.values(), strict=True)), lines)
    check_text(content)
    notices: list[str] = []
    text = decoded(content, notices)
    if suffix == ".arff" or is_header(first_line(without_comments(text, []))):
        return table_of_arff(name, digest, text, headerless)
    tabs = suffix in (".tsv", ".tab")
    text, delimiter = without_separator_line(text)
    text = without_comments(text, notices, tabs=tabs)
    cells, lines = rows_of_text(name, text, tabs=tabs, delimiter=delimiter)
    if headerless is not None:
        found = table_of_candidates(name, digest, text, headerless)
        if found is not None:
            return found
        given = headerless(cells[0])
        if given is not None:
            return table_of_rows(name, digest, given, cells, lines, "line", notices)
        headerless(first_line(text).split(";"))  # raises for numbers with decimal commas
    if all(map(is_number, cells[0])):
        raise DataError(
            f"{name}, line {lines[0]}: all of its cells are numbers; the first line should name the"
            " columns"
        )
    return table_of_rows(name, digest, list(cells[0]), cells[1:], lines[1:], "line", notices)
