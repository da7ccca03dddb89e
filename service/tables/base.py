"""Types and rules that the readers and writers of every kind share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from service.tables.layout import OutputLayout, Result

#: Bytes of the longest record, of any kind: far above what a model takes, far below what fills memory.
MAX_RECORD_BYTES = 128 * 1024

#: Raw records: the bytes of each, or one block of a format with blocks of its own.
Raw = list[bytes]
Carried = dict[str, object]


@dataclass(slots=True)
class ParsedRows:
    """Some rows of a table, in order.

    ``carried`` has the columns of every row. ``records`` has the record of each row that could be
    read. ``faults`` has, by row index, the reason why a row could not be read.
    """

    carried: list[Carried] = field(default_factory=list)
    records: list[object] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)

    def add(self, carried: Carried, record: object) -> None:
        """Append a row that could be read."""
        self.carried.append(carried)
        self.records.append(record)

    def refuse(self, carried: Carried, fault: str) -> None:
        """Append a row that could not be read."""
        self.faults[len(self.carried)] = fault
        self.carried.append(carried)

    def in_place(self, results: Sequence[Result]) -> list[Result]:
        """Return one result per row: those of ``records``, given in order, and an error per fault."""
        if not self.faults:
            return list(results)
        remaining = iter(results)
        return [
            {"status": "error", "message": self.faults[row]} if row in self.faults else next(remaining)
            for row in range(len(self.carried))
        ]


class Source(Protocol):
    """Takes raw records from an open file, in order."""

    #: Where the next record begins, in bytes or in rows.
    position: int
    #: The position after the last record.
    size: int
    #: The types of the columns as a serialized Arrow schema; empty if the file has no types.
    schema: bytes

    def seek(self, position: int) -> None:
        """Continue at a position that a source of this file has had."""

    def take(self, count: int) -> Raw:
        """Return the next records, at most ``count``; an empty list at the end.

        Raises ``MalformedInput`` where the file cannot be read on, after all records before that.
        """

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns, in order; may read the whole file."""


class Parser(Protocol):
    """Parses raw records; can be pickled."""

    def parse(self, raw: Raw) -> ParsedRows:
        """Parse records, in order."""


class Writer:
    """Writes results: ``head``, then ``rows`` any number of times, then ``tail``."""

    def __init__(self, layout: OutputLayout) -> None:
        """Write the columns of ``layout``."""
        self.layout = layout
        #: What is odd about the records together, for a document that has a place for it.
        self.warnings: Sequence[object] = ()

    def head(self) -> bytes:
        """Return what precedes the first row."""
        return b""

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Return some rows; ``first`` says that they are the first of the table."""
        raise NotImplementedError

    def tail(self, problem: str = "") -> bytes:
        """Return what follows the last row; ``problem`` says why the table ends early, if it does."""
        if not problem:
            return b""
        return self.rows([{}], [{"status": "error", "message": problem}], first=False)
