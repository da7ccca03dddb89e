"""The header of a text table: what stands before it, what parts and quotes its cells, its columns."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import BinaryIO

from models.errors import UnreadableFile
from models.features.files.separator import BLANK, separator_of
from models.features.files.text_head import is_comment, names_in_comment, quote_of
from models.features.tabular.candidate_tables import positional
from service.errors import InvalidRequest, MalformedInput
from service.tables.base import MAX_RECORD_BYTES
from service.tables.schema import RecordSchema, unique
from service.tables.splitting import Cut, csv_records, decoded, lines

_MARK = b"\xef\xbb\xbf"
_MAX_COLUMNS = 4096
#: What parts cells, in the order in which it is tried; a name may follow a SMILES after a blank.
_SIGNS: tuple[str, ...] = (",", "\t", ";", "|")
_DELIMITERS = (*_SIGNS, BLANK)
#: Rows that tell whether each has a name before its cells, which the header does not count.
_PEEKED = 100
#: Lines of comments before a table.
_MOST_COMMENTS = 10_000


@dataclass(frozen=True)
class Dialect:
    """What parts the cells of a table, and what is around those that hold it."""

    delimiter: str = ","
    quote: str = '"'

    @cached_property
    def _after_blanks(self) -> re.Pattern[str]:
        """Quotes that blanks stand before."""
        return re.compile(rf"(?:^|{re.escape(self.delimiter)}) +{re.escape(self.quote)}")

    def fields(self, row: bytes) -> tuple[list[str], str]:
        """A row's fields, and what is wrong with the row, or an empty text."""
        if len(row) > MAX_RECORD_BYTES:
            return [], f"the row is longer than {MAX_RECORD_BYTES} bytes"
        text = decoded(row)
        if self.delimiter == BLANK:
            text = text.strip().replace("\t", BLANK)
        elif self.quote not in text:
            return text.rstrip("\r\n").split(self.delimiter), ""
        try:
            return next(
                csv.reader(
                    [text],
                    strict=True,
                    delimiter=self.delimiter,
                    quotechar=self.quote,
                    skipinitialspace=self.delimiter == BLANK or bool(self._after_blanks.search(text)),
                ),
                [],
            ), ""
        except csv.Error as error:
            return [], f"the row is not CSV: {error}"


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a header: the last comment, the lines after it, and where these begin."""

    comment: str | None
    following: tuple[str, ...]
    after: int
    delimiters: tuple[str, ...]


#: How a table is read, its columns, and the places of the model's among them.
Columns = tuple[Dialect, tuple[str, ...], tuple[int, ...]]


def read_head(file: BinaryIO, schema: RecordSchema) -> Head:
    """Read a mark, ``sep=;`` and comments before a header; raises ``MalformedInput``."""
    file.seek(0)
    position = len(_MARK) if file.read(len(_MARK)) == _MARK else 0
    delimiters, comment, following = _SIGNS if schema.is_smiles else _DELIMITERS, None, list[str]()
    for number, (line, end) in enumerate(lines(file, position)):
        text = decoded(line)
        named = separator_of(text) if comment is None else None
        if not following and number < _MOST_COMMENTS and (not text.strip() or named or is_comment(text)):
            delimiters = (named,) if named else delimiters
            comment = text if is_comment(text) else comment
            position = end
            continue
        following.append(text)
        if len(following) > 1:
            break
    return Head(comment, tuple(following), position, delimiters)


def by_comment(head: Head, schema: RecordSchema) -> Columns | None:
    """The columns that the last comment names, if the model's are among them; None otherwise."""
    comment = head.comment or ""
    for delimiter in head.delimiters:
        dialect = Dialect(delimiter)
        plain = names_in_comment(comment, head.following, lambda text: dialect.fields(text.encode())[0])  # noqa: B023
        # A name may begin with the mark itself, as #SMILES does.
        named = [comment] if schema.is_smiles else [] if plain is None else [plain, comment.strip()]
        for names in named:
            try:
                return columns_of(names.encode(), schema, (delimiter,))
            except (InvalidRequest, MalformedInput):
                continue
    return None


def first_record(file: BinaryIO, position: int) -> tuple[bytes, int, int]:
    """The first record from a position on that is not blank, its beginning and its end."""
    for record, end in csv_records(file, position):
        if record.strip():
            return record, position, end
        position = end
    return b"", position, position


def columns_of(header: bytes, schema: RecordSchema, delimiters: Sequence[str]) -> Columns:
    """The dialect that shows the model's columns, all columns, and the places of the model's.

    Raises what the first delimiter raises if none does.
    """
    refusal: InvalidRequest | MalformedInput | None = None
    text = decoded(header)
    for delimiter in delimiters:
        dialect = Dialect(delimiter, quote_of(text.split(delimiter)))
        fields, fault = dialect.fields(header)
        names = [name.strip() for name in fields]
        try:
            if fault:
                raise MalformedInput(f"the header: {fault}")
            if len(names) > _MAX_COLUMNS:
                raise InvalidRequest(f"the table has {len(names)} columns; the most is {_MAX_COLUMNS}")
            return dialect, unique(names), schema.places(names)
        except (InvalidRequest, MalformedInput) as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def candidates_by(header: bytes, schema: RecordSchema, delimiters: Sequence[str]) -> Columns | None:
    """The columns of pulsar candidates without a header, by their first line; None for a header.

    Raises ``InvalidRequest`` for numbers with decimal commas, and for others that are no candidate.
    """
    for delimiter in delimiters:
        dialect = Dialect(delimiter)
        try:
            names = positional(dialect.fields(header)[0])
        except UnreadableFile as fault:
            raise InvalidRequest(str(fault)) from fault
        if names is not None:
            return dialect, unique(names), schema.places(names)
    return None


def have_row_names(rows: Cut, dialect: Dialect, width: int) -> bool:
    """Whether each of the first rows has a name before its cells, as R's write.table writes them."""
    try:
        peeked = [fields for fields, fault in _fields_of(rows, dialect) if not fault]
    except MalformedInput:  # said where the rows are read
        return False
    names = [fields[0] for fields in peeked if len(fields) == width + 1 and fields[-1].strip()]
    return bool(peeked) and len(names) == len(peeked) == len(set(names))


def _fields_of(rows: Cut, dialect: Dialect) -> Iterator[tuple[list[str], str]]:
    return (dialect.fields(row) for row, _ in islice(rows, _PEEKED) if row.strip())
