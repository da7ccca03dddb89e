"""ARFF in, and rows of pulsar candidates without a header, which are written alike.

A comment at the end of a row, as PulsarFeatureLab writes the candidate's name, is the column
``candidate``.
"""

from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from models.errors import UnreadableFile
from models.features.files import arff
from models.features.tabular.candidate_tables import positional
from service.errors import InvalidRequest, MalformedInput
from service.tables.base import MAX_RECORD_BYTES, Carried, ParsedRows, Raw
from service.tables.schema import Reader, RecordSchema, readers, unique
from service.tables.splitting import Cut, RecordSplitter, decoded, lines

#: Rows that tell whether there are comments.
_PEEKED = 100
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ArffParser:
    """Parses rows of ``width`` cells; ``columns`` has one more name if their comments are a column."""

    columns: tuple[str, ...]
    width: int
    places: tuple[int, ...]
    readers: tuple[Reader, ...] = ()

    def parse(self, raw: Raw) -> ParsedRows:
        """Parse rows, in order."""
        piece = ParsedRows()
        for line in raw:
            cells, comment, fault = _cells(line)
            carried: Carried = dict(zip(self.columns, cells[: self.width], strict=False))
            if len(self.columns) > self.width:
                carried[self.columns[-1]] = comment
            if not fault and len(cells) != self.width:
                fault = f"the row has {len(cells)} values, there are {self.width} columns"
            if fault:
                piece.refuse(carried, fault)
            elif not self.readers:
                piece.add(carried, cells[self.places[0]])
            else:
                pairs = zip(self.readers, self.places, strict=True)
                piece.add(carried, [read(cells[place]) for read, place in pairs])
        return piece


def _cells(line: bytes) -> tuple[list[str], str, str]:
    """A row's cells, its comment, and what is wrong with it."""
    if len(line) > MAX_RECORD_BYTES:
        return [], "", f"the row is longer than {MAX_RECORD_BYTES} bytes"
    try:
        return *arff.row(decoded(line)), ""
    except UnreadableFile as fault:
        return [], "", str(fault)


def open_arff(file: BinaryIO, schema: RecordSchema) -> tuple[RecordSplitter, ArffParser]:
    """Read the header; return the source of the rows and their parser.

    Raises ``InvalidRequest`` if it lacks a column that the model needs, and ``MalformedInput`` if it is
    no header of ARFF.
    """
    file.seek(0)
    start = len(_MARK) if file.read(len(_MARK)) == _MARK else 0
    header = arff.Header()
    try:
        for line, end in lines(file, start):
            if header.take(decoded(line)):
                return open_rows(file, end, [each.name.strip() for each in header.attributes], schema)
    except UnreadableFile as fault:
        raise MalformedInput(f"the file: {fault}") from fault
    raise MalformedInput("the file has no @data line, as ARFF needs")


def open_candidates(
    file: BinaryIO, start: int, line: bytes, schema: RecordSchema
) -> tuple[RecordSplitter, ArffParser] | None:
    """Return the source and the parser of candidates without a header, by their first line.

    None if the line is a header. Raises ``InvalidRequest`` if it counts the columns, or if a row's
    number or class is before the candidate.
    """
    if len(line) > MAX_RECORD_BYTES:
        return None
    try:
        cells = arff.row(decoded(line))[0]
    except UnreadableFile:
        return None
    try:
        names = positional(cells)
    except UnreadableFile as fault:
        raise InvalidRequest(str(fault)) from fault
    return None if names is None else open_rows(file, start, names, schema)


def open_rows(
    file: BinaryIO, start: int, names: list[str], schema: RecordSchema
) -> tuple[RecordSplitter, ArffParser]:
    """Return the source of rows from ``start`` on and their parser; raises ``InvalidRequest``."""
    if len(set(names)) < len(names):
        raise InvalidRequest("two attributes of the file have one name; rename one")
    places = schema.places(names)
    commented = any(_cells(row)[1] for row, _ in islice(_rows(file, start), _PEEKED))
    columns = unique([*names, arff.CANDIDATE] if commented else names)
    parser = ArffParser(columns, len(names), places, readers(schema))
    return RecordSplitter(file, start, _rows, columns), parser


def _rows(file: BinaryIO, position: int) -> Cut:
    """Yield the lines that are neither blank nor comments."""
    for line, end in lines(file, position):
        if line.strip() and not line.lstrip().startswith(b"%"):
            yield line, end
