"""Tables of records, read and written in pieces: CSV, NDJSON, SDF and Parquet.

Knows neither HTTP nor models: ``api.bulk`` streams requests through it, ``score`` files. Reading
has two halves, so that one process can cut a file into pieces and many can understand them:

* a *source* takes raw records from an open file, in order, and says where it stands;
* a *parser* turns them into records and what is carried along. It is small and can be pickled.

A row that cannot be read is a fault in its own place. Only what makes the rest unreadable, such
as a quote that is never closed, raises ``MalformedInput``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from service.errors import InvalidRequest
from service.tables.base import OutputLayout, ParsedRows, Parser, Raw, RecordSchema, Source, Writer
from service.tables.csv import CsvWriter, open_csv
from service.tables.ndjson import JsonWriter, NdjsonWriter, open_ndjson
from service.tables.sdf import open_sdf

__all__ = [
    "JsonWriter",
    "OutputLayout",
    "ParsedRows",
    "Parser",
    "Raw",
    "RecordSchema",
    "Source",
    "Writer",
    "kind_of",
    "open_source",
    "writer",
]

Opened = tuple[Source, Parser]

_OPENERS: dict[str, Callable[[BinaryIO, RecordSchema], Opened]] = {
    "csv": open_csv,
    "ndjson": open_ndjson,
    "sdf": open_sdf,
}

_WRITERS: dict[str, type[Writer]] = {"csv": CsvWriter, "ndjson": NdjsonWriter, "json": JsonWriter}

#: What a file's name says of its content.
SUFFIXES = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def kind_of(path: Path) -> str:
    """The kind of a file by its name; raises ``InvalidRequest`` for one that is none of ours."""
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise InvalidRequest(
            f"{path.name}: the name should end in one of {', '.join(SUFFIXES)}, which says what is in it"
        )
    return kind


def open_source(kind: str, file: BinaryIO, form: RecordSchema) -> Opened:
    """Open a seekable binary file of one kind; raises ``InvalidRequest`` or ``MalformedInput``."""
    if kind == "parquet":
        from service.tables.parquet import open_parquet  # pyarrow is an extra

        return open_parquet(file, form)
    return _OPENERS[kind](file, form)


def writer(kind: str, layout: OutputLayout) -> Writer:
    """What writes results of this layout: ``csv``, ``ndjson``, ``json``, or ``parquet``.

    Raises ``InvalidRequest`` for another kind, and where two columns would have the same name.
    """
    if kind in ("csv", "parquet"):
        layout.check()
    if kind == "parquet":
        from service.tables.parquet import ArrowWriter  # pyarrow is an extra

        return ArrowWriter(layout)
    if kind not in _WRITERS:
        raise InvalidRequest(f"results cannot be written as {kind}; choose csv, ndjson or parquet")
    return _WRITERS[kind](layout)
