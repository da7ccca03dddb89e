"""CSV (RFC 4180) in and out.

Read: UTF-8 with or without a byte order mark, any line ends, a header in the first line. A model of
molecules needs the column ``smiles``, any other its features' names; where they stand is free, and
all columns are carried to the results. A blank line is no row, except in a table of one column.

Written: the carried cells as they came. Text that a spreadsheet would take for a formula is not
altered, since a SMILES or a number may begin like one and whoever sent it gets it back alone; what
this service adds never begins so.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from service.errors import InvalidRequest, MalformedInput
from service.tables.base import (
    MAX_RECORD_BYTES,
    Carried,
    OutputLayout,
    ParsedRows,
    Raw,
    Reader,
    RecordSchema,
    Result,
    readers,
)
from service.tables.splitting import RecordSplitter, csv_records

_MARK = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_COLUMNS = 4096
#: Rows written by one call, in which no other thread has a turn.
_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class CsvParser:
    """Understands rows under one header; ``places`` are the columns of the model's record.

    ``readers`` say how the cell of each is read; none where it is a SMILES.
    """

    columns: tuple[str, ...]
    places: tuple[int, ...]
    readers: tuple[Reader, ...] = ()

    def parse(self, raw: Raw) -> ParsedRows:
        """Read rows, each in its place."""
        piece = ParsedRows()
        for row in raw:
            if len(self.columns) > 1 and not row.strip(b"\r\n"):
                continue
            fields, fault = _fields(row)
            carried: Carried = dict(zip(self.columns, fields, strict=False))
            if not fault and len(fields) != len(self.columns):
                fault = f"the row has {len(fields)} fields, the header has {len(self.columns)}"
            if fault:
                piece.refuse(carried, fault)
            elif not self.readers:
                piece.add(carried, fields[self.places[0]])
            else:
                cells = zip(self.readers, self.places, strict=True)
                piece.add(carried, [read(fields[place]) for read, place in cells])
        return piece


def open_csv(file: BinaryIO, form: RecordSchema) -> tuple[RecordSplitter, CsvParser]:
    """Read the header; raises ``InvalidRequest`` for columns that are not the model's."""
    file.seek(0)
    head = file.read(3)
    if head.startswith(_UTF16):
        raise MalformedInput("the text is UTF-16; save it as UTF-8")
    start = 3 if head == _MARK else 0
    try:
        header, end = next(csv_records(file, start), (b"", 0))
    except MalformedInput as error:
        raise MalformedInput(f"the header: {error}") from None
    if not header.strip():
        raise InvalidRequest("there is no header; the first line names the columns")
    fields, fault = _fields(header)
    if fault:
        raise MalformedInput(f"the header: {fault}")
    columns = tuple(name.strip() for name in fields)
    return RecordSplitter(file, end, csv_records, lambda _: columns), _parser(columns, form)


def _parser(columns: tuple[str, ...], form: RecordSchema) -> CsvParser:
    if len(columns) > _MAX_COLUMNS:
        raise InvalidRequest(f"the table has {len(columns)} columns; the most is {_MAX_COLUMNS}")
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise InvalidRequest(f"column {_shown(twice)} is there twice; which is meant cannot be known")
    if form.names is None:
        found = [place for place, name in enumerate(columns) if name.lower() == "smiles"]
        if len(found) > 1:
            raise InvalidRequest("more than one column is named 'smiles', in one spelling or another")
        if not found:
            raise InvalidRequest(_missing(columns, ["smiles"], "molecules"))
        return CsvParser(columns, tuple(found))
    missing = [name for name in form.names if name not in columns]
    if missing:
        raise InvalidRequest(_missing(columns, missing, "records"))
    return CsvParser(columns, tuple(map(columns.index, form.names)), readers(form))


def _missing(columns: Sequence[str], missing: list[str], what: str) -> str:
    there = ", ".join(_shown(name) for name in columns[:12])
    text = f"the model's {what} need the column {', '.join(missing)}; the header has {there}"
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|"):
        text += ", which seems to be separated by something else than commas"
    return text


def _shown(name: str) -> str:
    """A client's own word, short enough to repeat."""
    return repr(name if len(name) <= 40 else name[:40] + "…")


def _fields(row: bytes) -> tuple[list[str], str]:
    """A row's fields, and what is wrong with it, if anything."""
    if len(row) > MAX_RECORD_BYTES:
        return [], f"the row is longer than {MAX_RECORD_BYTES} bytes"
    fault = ""
    try:
        text = row.decode()
    except UnicodeDecodeError as error:
        text = row.decode(errors="replace")
        fault = f"the row is not UTF-8 (byte {error.start + 1})"
    if '"' not in text:
        return text.rstrip("\r\n").split(","), fault
    try:
        return next(csv.reader([text], strict=True)), fault
    except csv.Error as error:
        return [], fault or f"the row is not CSV: {error}"


class CsvWriter:
    """Writes results as CSV."""

    def __init__(self, layout: OutputLayout) -> None:
        """Raises ``InvalidRequest`` where columns would have the same name."""
        layout.check()
        self.layout = layout

    def head(self) -> bytes:
        """The header."""
        return _lines([[*self.layout.columns, *self.layout.added]])

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Some rows."""
        del first
        columns, cells = self.layout.columns, self.layout.cells
        return _lines(
            [
                [*map(_cell, map(row.get, columns)), *map(_cell, cells(result))]
                for row, result in zip(carried, results, strict=True)
            ]
        )

    def tail(self, problem: str = "") -> bytes:
        """Nothing, or a last row with the problem under ``error``."""
        if not problem:
            return b""
        return self.rows([{}], [{"status": "error", "message": problem}], first=False)


def _cell(value: object) -> object:
    """A value as text: what has no form in CSV of its own is written as JSON."""
    if value is None or type(value) is str or type(value) is float:
        return value
    return msgspec.json.encode(value, enc_hook=str).decode()


def _lines(rows: list[list[object]]) -> bytes:
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\r\n").writerows
    for start in range(0, len(rows), _TOGETHER):
        write(rows[start : start + _TOGETHER])
    return text.getvalue().encode(errors="replace")
