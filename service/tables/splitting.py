"""Cuts a file of text into raw records without ever holding more than one of them and a block."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import BinaryIO

from service.errors import MalformedInput
from service.tables.base import MAX_RECORD_BYTES, Raw

_BLOCK = 256 * 1024

#: A record of CSV (RFC 4180) in which no quoted field is left open; a quote inside an unquoted field
#: is an ordinary character. Possessive, so that no text makes the search go back.
_FIELD = rb'(?:"(?:[^"]|"")*+"[^,\r\n]*+|[^",\r\n][^,\r\n]*+|)'
_CLOSED = re.compile(_FIELD + rb"(?:," + _FIELD + rb")*+[\r\n]*+")

_BLANK = (b"\n", b"\r\n", b"\r")

#: Raw records and the position after each.
Cut = Iterator[tuple[bytes, int]]


def lines(file: BinaryIO, position: int) -> Cut:
    r"""Lines with their ends, which are ``\n``, ``\r\n`` or ``\r``, from a position on.

    A line longer than a record may be is cut to one byte more than that, and its end; its length
    still counts.
    """
    file.seek(position)
    rest, cut = b"", 0
    while block := file.read(_BLOCK):
        found = (rest + block).splitlines(keepends=True)
        # A \r at the end of a block may have its \n in the next.
        rest = b"" if found[-1].endswith(b"\n") else found.pop()
        for line in found:
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
    """The lines that are not blank."""
    for line, end in lines(file, position):
        if line.strip(b" \t\r\n"):
            yield line, end


def csv_records(file: BinaryIO, position: int) -> Cut:
    """Records of CSV: lines, joined where a quoted field goes over their end.

    Raises ``MalformedInput`` for a quoted field that has no end, or none within a record's length.
    """
    held: list[bytes] = []
    size = 0
    for line, end in lines(file, position):
        if not held and b'"' not in line:
            yield line, end
            continue
        # A line that begins within a quoted field is like one whose first field is quoted.
        still_open = not _CLOSED.fullmatch(b'"' + line if held else line)
        held.append(line)
        size += len(line)
        if size > MAX_RECORD_BYTES and (still_open or len(held) > 1):
            raise MalformedInput(
                f"a row with a quoted field is longer than {MAX_RECORD_BYTES} bytes;"
                " perhaps a quote is not closed"
            )
        if not still_open:
            yield b"".join(held), end
            held, size = [], 0
    if held:
        raise MalformedInput("a quoted field has no closing quote")


def csv_rows(file: BinaryIO, position: int) -> Cut:
    """Records of CSV that are not blank lines."""
    return ((record, end) for record, end in csv_records(file, position) if record not in _BLANK)


def sdf_records(file: BinaryIO, position: int) -> Cut:
    """Records of an SD file, each without its line of four dollars.

    One that is too long is cut, as its parser will see.
    """
    held: list[bytes] = []
    size = 0
    end = position
    for line, end in lines(file, position):
        if line.startswith(b"$$$$"):
            yield b"".join(held), end
            held, size = [], 0
        elif size <= MAX_RECORD_BYTES:
            held.append(line)
            size += len(line)
    if any(line.strip() for line in held):
        yield b"".join(held), end


class RecordSplitter:
    """A ``Source`` of raw records that one of the functions above cuts."""

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        cut: Callable[[BinaryIO, int], Cut],
        columns: tuple[str, ...] = (),
        names_of: Callable[[bytes], Iterable[str]] | None = None,
    ) -> None:
        """``columns`` are the first ones; ``names_of`` finds those that a record has beside them."""
        self._file, self._start, self._cut = file, start, cut
        self._columns, self._names_of = columns, names_of
        self.schema = b""
        self.size = file.seek(0, 2)
        self.seek(start)

    def seek(self, position: int) -> None:
        """Go on from a position that this file's source has been at."""
        self.position = position
        self._taken = 0
        self._records = self._cut(self._file, position)
        self._failure: MalformedInput | None = None

    def take(self, count: int) -> Raw:
        """The next records, at most so many; none at the end. Raises ``MalformedInput``."""
        if self._failure is not None:
            raise self._failure
        raw: Raw = []
        try:
            for record, end in islice(self._records, count):
                raw.append(record)
                self.position = end
        except MalformedInput as error:
            place = self._taken + len(raw) + 1
            self._failure = MalformedInput(f"record {place}: {error}; nothing after it was read")
            if not raw:
                raise self._failure from None
        else:
            if len(raw) < count:
                self.position = self.size  # beyond blank lines at the end, too
        self._taken += len(raw)
        return raw

    def columns(self) -> tuple[str, ...]:
        """The names of all that the rows bring, as they come first; may read the whole file."""
        if self._names_of is None:
            return self._columns
        position, names = self.position, dict.fromkeys(self._columns)
        self.seek(self._start)
        while raw := self.take(256):
            for record in raw:
                names.update(dict.fromkeys(self._names_of(record)))
        self.seek(position)
        return tuple(names)
