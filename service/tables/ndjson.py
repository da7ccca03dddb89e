"""JSON with one value per line, in and out; and one JSON document out.

Input: an object with ``smiles``, or with a model's features by name, spelled in any case; its other
fields are copied to the results. A line may also be a bare record, a string or a list of numbers. Blank
lines are skipped.

Output: the fields of the input, then what ``POST /predict`` answers for one record.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from service.errors import InvalidRequest
from service.tables.base import MAX_RECORD_BYTES, Carried, ParsedRows, Raw, Writer
from service.tables.layout import OutputLayout, Result
from service.tables.schema import RecordSchema
from service.tables.splitting import RecordSplitter, full_lines

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(enc_hook=str).encode
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class NdjsonParser:
    """Parses lines; ``schema`` tells what a record is."""

    schema: RecordSchema

    def parse(self, raw: Raw) -> ParsedRows:
        """Parse lines, in order."""
        piece = ParsedRows()
        for line in raw:
            value, fault = _value(line)
            if fault:
                piece.refuse({}, fault)
            else:
                add_value(piece, value, self.schema)
        return piece


def add_value(piece: ParsedRows, value: object, schema: RecordSchema) -> None:
    """Append one record of JSON with the fields that it carries; a fault for no ``smiles``."""
    names = schema.names
    if not isinstance(value, dict):
        is_text = names is None and isinstance(value, str)
        piece.add({"smiles": value} if is_text else {}, value)
    elif names is not None:
        piece.add(value, schema.values_of(value))
    else:
        try:
            name = schema.field_of(value)
        except InvalidRequest as error:
            piece.refuse(value, str(error))
            return
        if name is None:
            piece.refuse(value, f"the object has no field {schema.smiles_column or 'smiles'!r}")
        else:
            piece.add(value, value[name])


def open_ndjson(file: BinaryIO, schema: RecordSchema) -> tuple[RecordSplitter, NdjsonParser]:
    """Return the source of the lines and their parser; a byte order mark at the start is skipped."""
    file.seek(0)
    start = 3 if file.read(3) == _MARK else 0
    return RecordSplitter(file, start, full_lines, names_of=_names), NdjsonParser(schema)


def _names(line: bytes) -> Iterable[str]:
    """Return the names of a line's fields."""
    value, _ = _value(line)
    if isinstance(value, dict):
        return value
    return ("smiles",) if isinstance(value, str) else ()


def _value(line: bytes) -> tuple[object, str]:
    """Return a line's value, and what is wrong with the line, or an empty text."""
    if len(line) > MAX_RECORD_BYTES:
        return None, f"the line is longer than {MAX_RECORD_BYTES} bytes"
    try:
        return _decode(line), ""
    except UnicodeDecodeError as error:
        return None, f"the line is not UTF-8 (byte {error.start + 1})"
    except RecursionError:
        return None, "the line's JSON is nested too deeply"
    except msgspec.DecodeError as error:
        return _lenient(line, error)


def _lenient(line: bytes, error: msgspec.DecodeError) -> tuple[object, str]:
    """Read a line with NaN or a number beyond a float, whose error the featurizer explains better."""
    try:
        value = json.loads(line)
        _encode(value)  # raises for half of a surrogate pair, which no answer could repeat
    except (ValueError, RecursionError, OverflowError):
        return None, f"the line is not JSON: {error}"
    return value, ""


class NdjsonWriter(Writer):
    """Writes results as one object per line."""

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Return some lines."""
        del first
        return b"".join(_encode(row) + b"\n" for row in _merged(carried, results, self.layout))


class JsonWriter(Writer):
    """Writes results as one document, in the form of ``POST /predict`` for any model."""

    def head(self) -> bytes:
        """Return the document up to its first result."""
        about = _encode(
            {"model": self.layout.model, "version": self.layout.version}
            | ({"warnings": self.warnings} if self.warnings else {})
        )
        if self.layout.thresholds is not None:
            about = about[:-1] + b',"thresholds":' + _encode(self.layout.thresholds) + b"}"
        return about[:-1] + b',"results":['

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Return some results, with a comma before them if they are not the first."""
        text = b",".join(_encode(row) for row in _merged(carried, results, self.layout))
        return text if first or not text else b"," + text

    def tail(self, problem: str = "") -> bytes:
        """Return the end of the document, with the problem, if any, as its field ``error``."""
        return b"]" + (b',"error":' + _encode(problem) if problem else b"") + b"}"


#: Fields of a result, except ``smiles``, which is the same in the input and in the result.
_RESERVED = frozenset(
    ("status", "message", "parent", "removed", "repaired", "probability", "call", "p_value")
)


def _merged(
    carried: Sequence[Carried], results: Sequence[Result], layout: OutputLayout
) -> Iterator[dict[str, object]]:
    """Yield each row's fields and its result as one object; an error if both have a field."""
    reserved = _RESERVED | layout.fields
    for row, result in zip(carried, results, strict=True):
        conflicts = reserved.intersection(row)
        if not conflicts:
            yield row | result
        elif layout.result_columns != "refuse" or conflicts <= layout.features:
            kept = layout.renamed(row, reserved)
            yield {shown: row[name] for name, shown in kept.items()} | result
        else:
            rest = {name: value for name, value in row.items() if name not in conflicts}
            fault = f"field {min(conflicts)!r} has the name of a result's; rename or drop it"
            yield rest | {"status": "error", "message": fault}
