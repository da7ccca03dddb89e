"""JSON, one value per line, in and out; and one JSON document out.

Read: an object has ``smiles``, or a model's features by name, and its other fields are carried to
the results; a line may also be a bare record, a string or a list of numbers. Blank lines are no rows.

Written: what ``POST /predict`` answers for one record, after the fields that were carried.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from service.tables.base import (
    MAX_RECORD_BYTES,
    Carried,
    ParsedRows,
    Raw,
    RecordSchema,
    Result,
    Writer,
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
        names = self.form.names
        for line in raw:
            value, fault = _value(line)
            if fault:
                piece.refuse({}, fault)
            elif not isinstance(value, dict):
                is_text = names is None and isinstance(value, str)
                piece.add({"smiles": value} if is_text else {}, value)
            elif names is not None:
                piece.add(value, {name: value[name] for name in names if name in value})
            elif "smiles" in value:
                piece.add(value, value["smiles"])
            else:
                piece.refuse(value, "the object has no field 'smiles'")
        return piece


def open_ndjson(file: BinaryIO, form: RecordSchema) -> tuple[RecordSplitter, NdjsonParser]:
    """Look for a byte order mark, which is not read."""
    file.seek(0)
    start = 3 if file.read(3) == _MARK else 0
    return RecordSplitter(file, start, full_lines, names_of=_names), NdjsonParser(form)


def _names(line: bytes) -> Iterable[str]:
    """The names of a line's fields."""
    value, _ = _value(line)
    if isinstance(value, dict):
        return value
    return ("smiles",) if isinstance(value, str) else ()


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


class NdjsonWriter(Writer):
    """Writes results as one object per line."""

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Some lines."""
        del first
        pairs = zip(carried, results, strict=True)
        return b"".join(_encode(_merged(row, result)) + b"\n" for row, result in pairs)


class JsonWriter(Writer):
    """Writes results as one document, in the form of ``POST /predict`` for any model."""

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
