"""JSON, one value per line, in and out; and one JSON document out.

Read: an object has ``smiles``, or a model's features by name, and its other fields are carried to
the results; a line may also be a bare record, a string or a list of numbers. Blank lines are no rows.

Written: what ``POST /predict`` answers for one record, after the fields that were carried.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from service.tables.base import (
    MAX_RECORD_BYTES,
    Carried,
    OutputLayout,
    ParsedRows,
    Raw,
    RecordSchema,
    Result,
)
from service.tables.splitting import RecordSplitter, full_lines

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(enc_hook=str).encode
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class NdjsonParser:
    """Understands lines of one form."""

    form: RecordSchema

    def parse(self, raw: Raw) -> ParsedRows:
        """Read lines, each in its place."""
        piece = ParsedRows()
        for line in raw:
            value, fault = _value(line)
            if fault:
                piece.refuse({}, fault)
            else:
                add_value(piece, value, self.form)
        return piece


def add_value(piece: ParsedRows, value: object, form: RecordSchema) -> None:
    """Append one record of JSON with the fields that it carries; a fault for no ``smiles``."""
    names = form.names
    if not isinstance(value, dict):
        is_text = names is None and isinstance(value, str)
        piece.add({"smiles": value} if is_text else {}, value)
    elif names is not None:
        piece.add(value, {name: value[name] for name in names if name in value})
    elif "smiles" in value:
        piece.add(value, value["smiles"])
    else:
        piece.refuse(value, "the object has no field 'smiles'")


def open_ndjson(file: BinaryIO, form: RecordSchema) -> tuple[RecordSplitter, NdjsonParser]:
    """Look for a byte order mark, which is not read."""
    file.seek(0)
    start = 3 if file.read(3) == _MARK else 0
    return RecordSplitter(file, start, full_lines, _columns), NdjsonParser(form)


def _columns(source: RecordSplitter) -> tuple[str, ...]:
    """Read everything from the start on for the names of all fields, in the order of their coming."""
    position = source.position
    source.seek(source.start)
    found: dict[str, None] = {}
    while raw := source.take(1024):
        for line in raw:
            value, _ = _value(line)
            if isinstance(value, dict):
                found.update(dict.fromkeys(value))
            elif isinstance(value, str):
                found["smiles"] = None
    source.seek(position)
    return tuple(found)


def _value(line: bytes) -> tuple[object, str]:
    """A line's value, and what is wrong with it, if anything."""
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
    """Read NaN and numbers beyond a float, for which the featurizer has a better word."""
    try:
        value = json.loads(line)
        _encode(value)  # no half of a surrogate pair, which no answer could repeat
    except (ValueError, RecursionError, OverflowError):
        return None, f"the line is not JSON: {error}"
    return value, ""


class NdjsonWriter:
    """Writes results as one object per line."""

    def __init__(self, layout: OutputLayout) -> None:
        self.layout = layout

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Some lines."""
        del first
        return b"".join(
            _encode(_merged(row, result)) + b"\n" for row, result in zip(carried, results, strict=True)
        )

    def tail(self, problem: str = "") -> bytes:
        """Nothing, or a last line with the problem."""
        return _encode({"status": "error", "message": problem}) + b"\n" if problem else b""


class JsonWriter:
    """Writes results as one document, in the form of ``POST /predict`` for any model."""

    def __init__(self, layout: OutputLayout) -> None:
        self.layout = layout

    def head(self) -> bytes:
        """The document up to its first result."""
        about = _encode({"model": self.layout.model, "version": self.layout.version})
        return about[:-1] + b',"results":['

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Some results."""
        pairs = zip(carried, results, strict=True)
        text = b",".join(_encode(_merged(row, result)) for row, result in pairs)
        return text if first or not text else b"," + text

    def tail(self, problem: str = "") -> bytes:
        """The document's end, with the problem as its field ``error``."""
        return b"]" + (b',"error":' + _encode(problem) if problem else b"") + b"}"


#: Fields of a result; ``smiles`` is not among them, since both say the same.
_RESERVED = frozenset(
    ("status", "message", "parent", "removed", "repaired", "probability", "call", "p_value")
)


def _merged(carried: Carried, result: Result) -> dict[str, object]:
    """A row's own fields and its result."""
    taken = _RESERVED.intersection(carried)
    if not taken:
        return carried | result
    rest = {name: value for name, value in carried.items() if name not in taken}
    fault = f"field {min(taken)!r} has the name of a result's; rename or drop it"
    return rest | {"status": "error", "message": fault}
