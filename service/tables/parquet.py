"""Parquet in and out, by pyarrow: the extra ``parquet``.

A raw piece is one record batch in Arrow's IPC format. Results are appended to a stream of such
batches, which can be truncated at the end of any batch. A finished stream is converted to Parquet,
since a Parquet file cannot be appended to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from service.errors import InvalidRequest, MalformedInput
from service.tables.base import Carried, ParsedRows, Raw, Writer
from service.tables.layout import OutputLayout, Result
from service.tables.schema import Reader, RecordSchema, readers

try:
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.parquet as pq
except ImportError as error:  # pragma: no cover - tested in a process of its own
    raise InvalidRequest(
        "Parquet needs pyarrow, which is not installed: pip install 'snn-serving[parquet]'"
    ) from error


@dataclass(frozen=True, slots=True)
class ParquetParser:
    """Parses record batches; ``places`` are the names of the columns that the model reads."""

    places: tuple[str, ...]
    readers: tuple[Reader, ...] = ()

    def parse(self, raw: Raw) -> ParsedRows:
        """Parse the rows of record batches, in order."""
        piece = ParsedRows()
        for block in raw:
            table = pa.ipc.open_stream(block).read_all()
            rows = _exact(table).to_pylist()
            columns = [_values(table.column(name)) for name in self.places]
            for row, values in zip(rows, zip(*columns, strict=True), strict=True):
                if not self.readers:
                    piece.add(row, values[0])
                else:
                    pairs = zip(self.readers, values, strict=True)
                    piece.add(row, [read(v) if isinstance(v, str) else v for read, v in pairs])
        return piece


def _exact(table: Any) -> Any:
    """A table whose times Python can hold: of nanoseconds only microseconds are left."""
    fields = [
        field.with_type(pa.timestamp("us", field.type.tz)) if _is_fine(field.type) else field
        for field in table.schema
    ]
    schema = pa.schema(fields)
    return table if schema == table.schema else table.cast(schema, safe=False)


def _is_fine(kind: Any) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.unit == "ns"


def _values(column: Any) -> list[object]:
    """A column's values as JSON would have them: decimals as numbers, dates as text in ISO's form."""
    types, kind = pa.types, column.type
    if types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if types.is_decimal(kind) or types.is_floating(kind):
        column = column.cast(pa.float64())
    elif types.is_date(kind):
        column = column.cast(pa.string())
    elif types.is_timestamp(kind):
        times = column.cast(pa.timestamp("us", kind.tz), safe=False).to_pylist()
        return [None if at is None else at.isoformat() for at in times]
    values: list[object] = column.to_pylist()
    return values


class ParquetSource:
    """Takes record batches; positions are row numbers. A batch never spans two row groups."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises ``MalformedInput`` for a file that is not Parquet."""
        try:
            self._file: Any = pq.ParquetFile(file)
        except (pa.ArrowException, OSError) as error:
            raise MalformedInput(f"the file is not Parquet: {_brief(error)}") from error
        self._names = tuple(self._file.schema_arrow.names)
        self.schema = bytes(self._file.schema_arrow.remove_metadata().serialize())
        self.size: int = self._file.metadata.num_rows
        self.seek(0)

    def seek(self, position: int) -> None:
        """Continue at a row."""
        self.position = position
        self._batches: Iterator[Any] | None = None

    def take(self, count: int) -> Raw:
        """Return the next batch, of at most ``count`` rows; an empty list at the end.

        Raises ``MalformedInput`` where the file cannot be read on.
        """
        if self._batches is None:
            self._batches = self._read(count)
        try:
            batch = next(self._batches, None)
        except (pa.ArrowException, OSError) as error:
            raise MalformedInput(f"after row {self.position}: {_brief(error)}") from error
        if batch is None:
            return []
        self.position += batch.num_rows
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        return [sink.getvalue().to_pybytes()]

    def columns(self) -> tuple[str, ...]:
        """Return the names of the schema."""
        return self._names

    def _read(self, count: int) -> Iterator[Any]:
        start = 0
        for group in range(self._file.num_row_groups):
            end = start + self._file.metadata.row_group(group).num_rows
            if end > self.position:
                row = start
                for batch in self._file.iter_batches(batch_size=count, row_groups=[group]):
                    row += batch.num_rows
                    if row > self.position and batch.num_rows:
                        yield batch
            start = end


def open_parquet(file: BinaryIO, schema: RecordSchema) -> tuple[ParquetSource, ParquetParser]:
    """Read the schema; return the source of the batches and their parser.

    Raises ``InvalidRequest`` if a column that the model needs is missing, and ``MalformedInput`` for
    a file that is not Parquet.
    """
    source = ParquetSource(file)
    columns = source.columns()
    return source, ParquetParser(
        tuple(columns[place] for place in schema.places(columns)), readers(schema)
    )


#: The columns of details that are no text.
_DETAILS = {"similarity": pa.float64(), "in_domain": pa.bool_()}


class ArrowWriter(Writer):
    """Writes results as a stream of Arrow record batches.

    Columns that come from Parquet keep their types; all others are text.
    """

    def __init__(self, layout: OutputLayout) -> None:
        super().__init__(layout)
        types = pa.ipc.read_schema(pa.py_buffer(layout.schema)) if layout.schema else pa.schema([])
        self._types = {field.name: _plain(field.type) for field in types}
        columns = [
            *((shown, self._types.get(name, pa.string())) for name, shown in layout.kept.items()),
            *((name, _DETAILS.get(name, pa.string())) for name in layout.details),
            *((name, pa.float64()) for name in layout.numbers),
            *((name, pa.string() if layout.exclusive else pa.bool_()) for name in layout.calls),
            *((name, pa.string()) for name in layout.levels),
            *((name, pa.float64()) for name in layout.intervals),
            ("p_value", pa.float64()),
            *((name, pa.bool_()) for name in layout.marks),
            ("error", pa.string()),
        ]
        self._schema = pa.schema(columns)

    def head(self) -> bytes:
        """Return the schema as an IPC message."""
        return bytes(self._schema.serialize())

    def rows(self, carried: Sequence[Carried], results: Sequence[Result], *, first: bool) -> bytes:
        """Return one record batch as an IPC message."""
        del first
        columns: list[list[object]] = [
            [row.get(name) if name in self._types else _text(row.get(name)) for row in carried]
            for name in self.layout.kept
        ]
        added = zip(*map(self.layout.cells, results), strict=True)
        arrays = [
            pa.array(values, field.type)
            for values, field in zip([*columns, *map(list, added)], self._schema, strict=True)
        ]
        return bytes(pa.record_batch(arrays, schema=self._schema).serialize())


def to_parquet(stream: Path, target: Path) -> None:
    """Convert a finished stream of batches to Parquet, in row groups of some 65,536 rows."""
    with (
        pa.OSFile(str(stream)) as file,
        pa.ipc.open_stream(file) as batches,
        pq.ParquetWriter(target, batches.schema) as writer,
    ):
        group: list[Any] = []
        for batch in batches:
            group.append(batch)
            if sum(part.num_rows for part in group) >= 65_536:
                writer.write_table(pa.Table.from_batches(group))
                group.clear()
        if group:
            writer.write_table(pa.Table.from_batches(group))


def to_ranked_parquet(stream: Path, target: Path, column: str) -> None:
    """Convert a finished stream to Parquet, the highest of a column first; all of it is in memory."""
    with pa.OSFile(str(stream)) as file, pa.ipc.open_stream(file) as batches:
        table = batches.read_all()
    places = pa.compute.sort_indices(table, [(column, "descending")])  # null is last
    pq.write_table(table.take(places), target, row_group_size=65_536)


def _plain(kind: Any) -> Any:
    """Return the type of its values for a dictionary, which each batch has of its own."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def _brief(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]
