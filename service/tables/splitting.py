"""Splits a text file into raw records; no more than one record and a block are in memory."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import BinaryIO

from service.errors import MalformedInput
from service.tables.base import MAX_RECORD_BYTES, Raw

_BLOCK = 256 * 1024


@cache
def _closed(delimiter: bytes, quote: bytes) -> re.Pattern[bytes]:
    """Match a record of CSV (RFC 4180) in which every quoted field is closed.

    A quote inside an unquoted field is an ordinary character; blanks may stand before a quoted one. The
    quantifiers are possessive, so that no text makes the search backtrack.
    """
    delimiter = re.escape(delimiter)
    plain = rb"[^%b\r\n]*+" % delimiter
    quoted = rb"\ *+%b(?:[^%b]|%b%b)*+%b%b" % (quote, quote, quote, quote, quote, plain)
    field = rb"(?:%b|(?!\ *+%b)[^%b\r\n]%b|)" % (quoted, quote, delimiter, plain)
    return re.compile(field + rb"(?:%b" % delimiter + field + rb")*+[\r\n]*+")


_BLANK = (b"\n", b"\r\n", b"\r")

#: Raw records, each with the position after it.
Cut = Iterator[tuple[bytes, int]]


def lines(file: BinaryIO, position: int) -> Cut:
    r"""Yield the lines from ``position`` on, with their ends: ``\n``, ``\r\n`` or ``\r``.

    A line that is longer than a record may be is truncated to one byte more than that, and its end.
    The positions are those of the file all the same.
    """
    file.seek(position)
    rest, cut = b"", 0
    while block := file.read(_BLOCK):
        complete = (rest + block).splitlines(keepends=True)
        # A \r at the end of a block may have its \n in the next.
        rest = b"" if complete[-1].endswith(b"\n") else complete.pop()
        for line in complete:
            position += len(line) + cut
            cut = 0
            yield _shortened(line), position
        if len(rest) > MAX_RECORD_BYTES + 2:
            kept = _shortened(rest)
            cut += len(rest) - len(kept)
            rest = kept
    if rest:
        yield _shortened(rest), position + len(rest) + cut


def _shortened(line: bytes) -> bytes:
    if len(line) <= MAX_RECORD_BYTES + 2:
        return line
    end = b"\r" if line.endswith(b"\r") else b"\n" if line.endswith(b"\n") else b""
    return line[: MAX_RECORD_BYTES + 1] + end


def full_lines(file: BinaryIO, position: int) -> Cut:
    """Yield the lines that are not blank."""
    for line, end in lines(file, position):
        if line.strip(b" \t\r\n"):
            yield line, end


def csv_records(
    file: BinaryIO,
    position: int,
    *,
    keep_blank: bool = True,
    delimiter: bytes = b",",
    quote: bytes = b'"',
) -> Cut:
    """Yield records of CSV (RFC 4180): lines, joined where a quoted field spans several.

    Blank lines are records too, unless ``keep_blank`` is false.
    Raises ``MalformedInput`` if a quoted field is not closed, or not within a record's length.
    """
    parts: list[bytes] = []
    size = 0
    for line, end in lines(file, position):
        if not parts and quote not in line:
            if keep_blank or line not in _BLANK:
                yield line, end
            continue
        # A line that begins within a quoted field is like one whose first field is quoted.
        still_open = not _closed(delimiter, quote).fullmatch(quote + line if parts else line)
        parts.append(line)
        size += len(line)
        if size > MAX_RECORD_BYTES and (still_open or len(parts) > 1):
            raise MalformedInput(
                f"a row with a quoted field is longer than {MAX_RECORD_BYTES} bytes;"
                " perhaps a quote is not closed"
            )
        if not still_open:
            yield b"".join(parts), end
            parts, size = [], 0
    if parts:
        raise MalformedInput("a quoted field has no closing quote")


def sdf_records(file: BinaryIO, position: int) -> Cut:
    """Yield records of an SD file, each without its line of four dollars.

    A record that is too long is truncated to a length that its parser refuses.
    """
    parts: list[bytes] = []
    size = 0
    end = position
    for line, end in lines(file, position):
        if line.startswith(b"$$$$"):
            yield b"".join(parts), end
            parts, size = [], 0
        elif size <= MAX_RECORD_BYTES:
            parts.append(line)
            size += len(line)
    if any(line.strip() for line in parts):
        yield b"".join(parts), end


def decoded(row: bytes) -> str:
    """Decode as UTF-8, or else as Windows-1252, or as Latin-1, which decodes every byte."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return row.decode(encoding)
        except UnicodeDecodeError:
            continue
    return row.decode("latin-1")


class RecordSplitter:
    """A ``Source`` of raw records; one of the functions above splits the file."""

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        cut: Callable[[BinaryIO, int], Cut],
        columns: tuple[str, ...] = (),
        names_of: Callable[[bytes], Iterable[str]] | None = None,
    ) -> None:
        """``columns`` are known beforehand; ``names_of`` returns the names that one record has."""
        self._file, self._start, self._cut = file, start, cut
        self._columns, self._names_of = columns, names_of
        self.schema = b""
        self.size = file.seek(0, 2)
        self.seek(start)

    def seek(self, position: int) -> None:
        """Continue at a position that a source of this file has had."""
        self.position = position
        self._taken = 0
        self._records = self._cut(self._file, position)
        self._failure: MalformedInput | None = None

    def take(self, count: int) -> Raw:
        """Return the next records, at most ``count``; an empty list at the end.

        Raises ``MalformedInput`` where the file cannot be split on, after all records before that.
        """
        if self._failure is not None:
            raise self._failure
        raw: Raw = []
        try:
            for record, end in islice(self._records, count):
                raw.append(record)
                self.position = end
        except MalformedInput as error:
            number = self._taken + len(raw) + 1
            self._failure = MalformedInput(f"record {number}: {error}; nothing after it was read")
            if not raw:
                raise self._failure from None
        else:
            if len(raw) < count:
                self.position = self.size  # past blank lines at the end
        self._taken += len(raw)
        return raw

    def columns(self) -> tuple[str, ...]:
        """Return all names in the order of their first occurrence; may read the whole file."""
        if self._names_of is None:
            return self._columns
        position, names = self.position, dict.fromkeys(self._columns)
        self.seek(self._start)
        while raw := self.take(256):
            for record in raw:
                names.update(dict.fromkeys(self._names_of(record)))
        self.seek(position)
        return tuple(names)
