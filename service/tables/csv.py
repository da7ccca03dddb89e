"""CSV (RFC 4180) and TSV in and out.

Input: UTF-8 with or without a byte order mark, a row that is no UTF-8 as Windows-1252 (Latin-1); any
line ends; a header in the first line that is neither blank nor a comment; cells parted by commas, tabs,
semicolons, bars or (of numbers and texts) blanks, whichever shows the columns that the model needs, or
the one that a line ``sep=;`` before the header names. Columns may be in any order, and all are copied to
the results, those without a name of their own with a number. A blank line is not a row, except in a
table of one column, where it is an empty cell.

Output: the cells of the input unchanged. Text that a spreadsheet would take for a formula is not
escaped: a SMILES or a number may begin like one, and only the sender of the text gets it back. The
columns that this service adds never begin like a formula. TSV differs from CSV in its tab alone.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

import msgspec

from models.features.files.arff import is_header
from service.errors import InvalidRequest, MalformedInput
from service.tables.arff import ArffParser, open_arff, open_candidates
from service.tables.base import Carried, ParsedRows, Raw, Writer
from service.tables.csv_header import (
    Dialect,
    by_comment,
    candidates_by,
    columns_of,
    first_record,
    have_row_names,
    read_head,
)
from service.tables.layout import Result
from service.tables.schema import Reader, RecordSchema, readers, unique
from service.tables.splitting import RecordSplitter, csv_records

_JSON = re.compile(rb'\s*(?:\{\s*"|\[\s*[\[{"])')
#: The fourth line of a molfile, in the beginning of a file.
_MOLFILE, _HEAD_BYTES = re.compile(rb"^.{33,34} V[23]000\s*$", re.M), 1024
#: Rows written by one call, during which no other thread runs.
_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class CsvParser:
    """Parses rows below one header; ``places`` are the indices of the columns that the model reads.

    ``readers`` has the function that reads the cell of each; it is empty if the record is a SMILES.
    """

    columns: tuple[str, ...]
    places: tuple[int, ...]
    readers: tuple[Reader, ...] = ()
    dialect: Dialect = field(default_factory=Dialect)

    def parse(self, raw: Raw) -> ParsedRows:
        """Parse rows, in order; empty cells beyond the header's, as spreadsheets write, are left out."""
        piece = ParsedRows()
        width = len(self.columns)
        for row in raw:
            fields, fault = self.dialect.fields(row)
            while len(fields) > width and not fields[-1].strip():
                fields.pop()
            carried: Carried = dict(zip(self.columns, fields, strict=False))
            if not fault and len(fields) != width:
                fault = f"the row has {len(fields)} fields, the header has {width}"
            if fault:
                piece.refuse(carried, fault)
            elif not self.readers:
                piece.add(carried, fields[self.places[0]])
            else:
                cells = zip(self.readers, self.places, strict=True)
                piece.add(carried, [read(fields[place]) for read, place in cells])
        return piece


def open_csv(
    file: BinaryIO, schema: RecordSchema
) -> tuple[RecordSplitter, CsvParser] | tuple[RecordSplitter, ArffParser]:
    """Read the header; return the source of the rows below it, and their parser.

    Pulsar candidates may come without a header. A text that begins as ARFF is read as that.

    Raises ``InvalidRequest`` if there is no header or it lacks a column that the model needs, and
    ``MalformedInput`` if the header is not CSV in UTF-8.
    """
    try:
        head = read_head(file, schema)
        if head.following and is_header(head.following[0]):
            return open_arff(file, schema)
        found = None if head.comment is None else by_comment(head, schema)
        header, start, end = (b"", 0, head.after) if found else first_record(file, head.after)
    except MalformedInput as error:
        raise MalformedInput(f"the header: {error}") from None
    if found is None:
        if not header:
            raise InvalidRequest("there is no header; the first line names the columns")
        _check_format(file, header)
        if schema.is_candidate and (opened := open_candidates(file, start, header, schema)) is not None:
            return opened
        found = candidates_by(header, schema, head.delimiters) if schema.is_candidate else None
        if found is not None:
            end = start  # the first line is a row
        else:
            found = columns_of(header, schema, head.delimiters)
    dialect, columns, places = found
    cut = partial(
        csv_records,
        keep_blank=len(columns) == 1,
        delimiter=dialect.delimiter.encode(),
        quote=dialect.quote.encode(),
    )
    if not schema.is_smiles and have_row_names(cut(file, end), dialect, len(columns)):
        columns, places = unique(["", *columns]), tuple(place + 1 for place in places)
    parser = CsvParser(columns, places, readers(schema), dialect)
    return RecordSplitter(file, end, cut, columns), parser


def _check_format(file: BinaryIO, header: bytes) -> None:
    """Raise ``InvalidRequest`` for what is no table, and would be one with an odd header."""
    if _JSON.match(header):
        raise InvalidRequest("this seems to be JSON, not a table; send it as application/json")
    file.seek(0)
    if _MOLFILE.search(file.read(_HEAD_BYTES)):
        raise InvalidRequest(
            "this seems to be an SD file, not a table; send it as chemical/x-mdl-sdfile, or end its name"
            " in .sdf"
        )


class CsvWriter(Writer):
    """Writes results as CSV."""

    delimiter = ","

    def head(self) -> bytes:
        """Return the header."""
        return self._lines([[*self.layout.kept.values(), *self.layout.added]])

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Return some rows."""
        del first
        columns, cells = tuple(self.layout.kept), self.layout.cells
        return self._lines(
            [
                [*map(_cell, map(row.get, columns)), *map(_cell, cells(result))]
                for row, result in zip(carried, results, strict=True)
            ]
        )

    def _lines(self, rows: list[list[object]]) -> bytes:
        text = io.StringIO()
        write = csv.writer(text, delimiter=self.delimiter, lineterminator="\r\n").writerows
        for start in range(0, len(rows), _TOGETHER):
            write(rows[start : start + _TOGETHER])
        return text.getvalue().encode(errors="replace")


class TsvWriter(CsvWriter):
    """Writes results as TSV."""

    delimiter = "\t"


def _cell(value: object) -> object:
    """Return a value that csv can write; what CSV has no notation for is written as JSON.

    Of what JSON has no notation for either, such as dates and decimals, only the text is written.
    """
    if value is None or type(value) is str or type(value) is float:
        return value
    written = msgspec.json.encode(value, enc_hook=str)
    return msgspec.json.decode(written) if written.startswith(b'"') else written.decode()
