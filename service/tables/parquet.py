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
from service.tables.base import (
    Carried,
    OutputLayout,
    ParsedRows,
    Raw,
    Result,
    Writer,
)
from service.tables.schema import Reader, RecordSchema, readers

try:
    import pyarrow as pa
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
            for row in pa.ipc.open_stream(block).read_all().to_pylist():
                values = [row[name] for name in self.places]
                if not self.readers:
                    piece.add(row, values[0])
                else:
                    pairs = zip(self.readers, values, strict=True)
                    piece.add(row, [read(v) if isinstance(v, str) else v for read, v in pairs])
        return piece


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
            *((f"probability_{target}", pa.float64()) for target in layout.targets),
            *((name, pa.string() if layout.exclusive else pa.bool_()) for name in layout.calls),
            ("p_value", pa.float64()),
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


def _plain(kind: Any) -> Any:
    """Return the type of its values for a dictionary, which each batch has of its own."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def _brief(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]
