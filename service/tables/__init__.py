"""Tables of records, read and written in pieces: CSV, ARFF, NDJSON, lists of SMILES, SDF and Parquet.

This wing knows neither HTTP nor models. ``api.routes.tables`` reads request bodies with it, and
``scoring`` reads files. Reading has two steps, so that one process can split a file and many can
parse the pieces:

* a *source* takes raw records from an open file, in order, and knows its position in the file;
* a *parser* turns raw records into records for the model and the other columns. It can be pickled.

A row that cannot be read is reported as an error of that row. Only an error that makes the rest of
the file unreadable, such as a quote that is never closed, raises ``MalformedInput``.
"""

from collections.abc import Callable
from typing import BinaryIO

from service.errors import InvalidRequest
from service.tables.arff import open_arff
from service.tables.base import ParsedRows, Parser, Raw, Source, Writer
from service.tables.csv import CsvWriter, TsvWriter, open_csv
from service.tables.files import (
    NAMES,
    OUTPUT_SUFFIXES,
    Packing,
    check_text,
    kind_of,
    kind_of_name,
    open_file,
    output_kind_of,
    packing_of,
    unpack,
)
from service.tables.layout import OutputLayout, ResultColumns
from service.tables.ndjson import JsonWriter, NdjsonWriter, open_ndjson
from service.tables.schema import RecordSchema
from service.tables.sdf import open_sdf
from service.tables.smi import open_smi

__all__ = [
    "NAMES",
    "OUTPUT_SUFFIXES",
    "JsonWriter",
    "OutputLayout",
    "Packing",
    "ParsedRows",
    "Parser",
    "Raw",
    "RecordSchema",
    "ResultColumns",
    "Source",
    "Writer",
    "kind_of",
    "kind_of_name",
    "open_file",
    "open_source",
    "output_kind_of",
    "packing_of",
    "unpack",
    "writer",
]

Opened = tuple[Source, Parser]

_OPENERS: dict[str, Callable[[BinaryIO, RecordSchema], Opened]] = {
    "arff": open_arff,
    "csv": open_csv,
    "tsv": open_csv,
    "ndjson": open_ndjson,
    "sdf": open_sdf,
    "smi": open_smi,
}

_WRITERS: dict[str, type[Writer]] = {
    "csv": CsvWriter,
    "tsv": TsvWriter,
    "ndjson": NdjsonWriter,
    "json": JsonWriter,
}


def open_source(kind: str, file: BinaryIO, schema: RecordSchema) -> Opened:
    """Return the source and the parser of a seekable binary file.

    Raises ``InvalidRequest`` if the table lacks a column that the model needs, and
    ``MalformedInput`` if the file is not of this kind.
    """
    if kind == "parquet":
        from service.tables.parquet import open_parquet  # pyarrow is an extra

        return open_parquet(file, schema)
    check_text(file)
    return _OPENERS[kind](file, schema)


def writer(kind: str, layout: OutputLayout) -> Writer:
    """Return a writer of results: ``csv``, ``tsv``, ``ndjson``, ``json``, or ``parquet``.

    Raises ``InvalidRequest`` for any other kind, and if two columns would have the same name.
    """
    if kind in ("csv", "tsv", "parquet"):
        layout.check()
    if kind == "parquet":
        from service.tables.parquet import ArrowWriter  # pyarrow is an extra

        return ArrowWriter(layout)
    if kind not in _WRITERS:
        raise InvalidRequest(f"results cannot be written as {kind}; choose csv, tsv, ndjson or parquet")
    return _WRITERS[kind](layout)
