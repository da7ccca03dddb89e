"""Tables whose cells have types: Parquet and JSON."""

import io
import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from models.errors import UnreadableFile

_MOST_COLUMNS = 4096


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell of a kind that is neither a number, a text, a boolean nor a date."""

    kind: str


def from_parquet(content: bytes) -> tuple[dict[str, list[object]], set[str]]:
    """The columns, dates in ISO's form, and those that are categories; raises ``UnreadableFile``."""
    try:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UnreadableFile(
            "Parquet needs pyarrow, which is not installed: pip install 'snn-serving[parquet]'"
        ) from error
    try:
        table: Any = pq.read_table(io.BytesIO(content))
        declared = _declared(pq.read_metadata(io.BytesIO(content)).metadata or {})
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(f"it is not Parquet: {str(error).splitlines()[0]}") from error
    if len(set(table.column_names)) < len(table.column_names):
        raise UnreadableFile("two of its columns have one name; rename one")
    types = pa.types
    kinds = ("integer", "floating", "boolean", "null", "string", "large_string", "string_view")
    readable = [getattr(types, f"is_{kind}") for kind in kinds]
    columns: dict[str, list[object]] = {}
    categorical = {name for name in table.column_names if name in declared}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind, values = column.type, column
        if types.is_dictionary(kind):
            categorical.add(name)
            kind = kind.value_type
            values = column.cast(kind)
        if types.is_decimal(kind):
            columns[name] = values.cast(pa.float64()).to_pylist()
        elif types.is_date(kind):
            columns[name] = values.cast(pa.string()).to_pylist()
        elif types.is_timestamp(kind):
            # Microseconds are what Python's own dates hold.
            plain = pc.cast(values, pa.timestamp("us", kind.tz), safe=False)
            columns[name] = [None if at is None else at.isoformat() for at in plain.to_pylist()]
        elif types.is_floating(kind):
            columns[name] = values.cast(pa.float64()).to_pylist()
        elif any(is_kind(kind) for is_kind in readable):
            columns[name] = values.to_pylist()
        else:
            # Kept, so that --ignore can name it: only columns that are used must be readable.
            columns[name] = [Unreadable(str(kind))] * len(column)
    return columns, categorical


def _declared(metadata: dict[bytes, bytes]) -> set[str]:
    """The columns that pandas or Arrow says were categories, of which numbers are stored as numbers."""
    import pyarrow as pa

    declared = _categoricals(metadata)
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(metadata.get(b"ARROW:schema", b""))))
    except (ValueError, pa.ArrowException, EOFError):  # another program's, or none
        return declared
    return declared | {field.name for field in schema if pa.types.is_dictionary(field.type)}


def _categoricals(metadata: dict[bytes, bytes]) -> set[str]:
    try:
        told: Any = json.loads(metadata.get(b"pandas", b"{}"))
        columns = told.get("columns", [])
        return {each["field_name"] for each in columns if each["pandas_type"] == "categorical"}
    except (ValueError, AttributeError, KeyError, TypeError):  # not pandas' own
        return set()


def from_json(content: bytes) -> tuple[dict[str, list[object]], list[int]]:
    """The columns of objects, one per line or in one list, and their numbers.

    Raises ``UnreadableFile``.
    """
    records: list[dict[str, object]] = []
    numbers: list[int] = []
    try:
        text = content.decode("utf-8-sig")
        if text.lstrip().startswith("["):
            records = json.loads(text)
            numbers = list(range(1, len(records) + 1))
        else:
            for number, line in enumerate(text.split("\n"), start=1):
                if line.strip():
                    records.append(json.loads(line))
                    numbers.append(number)
    except (ValueError, RecursionError) as error:
        where = f"line {numbers[-1] + 1}: " if numbers else ""
        raise UnreadableFile(f"{where}it is not JSON: {error}") from error
    if len(records) == 1 or not all(isinstance(record, dict) for record in records):
        raise UnreadableFile(
            "its records are no objects with the columns' names, as pandas writes them by"
            " to_json(orient='records')"
        )
    names = dict.fromkeys(name for record in records for name in record)
    if not records or len(names) > _MOST_COLUMNS:
        raise UnreadableFile(f"it has {len(names):,} columns; there are 1 to {_MOST_COLUMNS:,}")
    return {name: [_plain(record.get(name)) for record in records] for name in names}, numbers


def _plain(value: object) -> object:
    if isinstance(value, (dict, list)):
        return Unreadable("a list" if isinstance(value, list) else "an object")
    return value
