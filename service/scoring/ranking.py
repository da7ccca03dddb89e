"""Ranks finished results by a target's probability or value: the highest first, rows without one last.

Only keys and positions are in memory; the results are copied from file to file.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from service.errors import InvalidRequest
from service.tables import OutputLayout
from service.tables.splitting import csv_records, full_lines

Finish = Callable[[Path, Path], None]

#: What parts the cells of the kinds with a header.
_DELIMITERS = {"csv": ",", "tsv": "\t"}


def ranking(kind: str, layout: OutputLayout, target: str) -> Finish:
    """Return what turns finished results of a ``kind`` into ranked ones.

    Rows of equal numbers keep their order. Raises ``InvalidRequest`` for an unknown target.
    """
    if target not in layout.targets:
        raise InvalidRequest(f"--sort {target[:80]!r}: the model has {', '.join(layout.targets)}")
    if kind == "parquet":
        from service.tables.parquet import to_ranked_parquet  # pyarrow is an extra

        return lambda part, made: to_ranked_parquet(part, made, f"{layout.number}_{target}")

    def rank(part: Path, made: Path) -> None:
        with part.open("rb") as source, made.open("wb") as sink:
            delimiter = _DELIMITERS.get(kind)
            pairs = (
                _ndjson(source, layout.number, target)
                if delimiter is None
                else _csv(source, layout, target, sink, delimiter)
            )
            table = np.fromiter(pairs, dtype=np.dtype([("key", np.float64), ("end", np.int64)]))
            ends = table["end"]
            starts = np.concatenate([[sink.tell()], ends[:-1]]).astype(np.int64)
            for row in np.argsort(-table["key"], kind="stable").tolist():  # NaN is last
                source.seek(starts[row])
                sink.write(source.read(int(ends[row] - starts[row])))

    return rank


def _csv(
    source: BinaryIO, layout: OutputLayout, target: str, sink: BinaryIO, delimiter: str
) -> Iterator[tuple[float, int]]:
    """Copy the header; return each record's probability and the position after it."""
    cut = csv_records(source, 0, delimiter=delimiter.encode())
    header, _ = next(cut)
    sink.write(header)
    place = len(layout.kept) + layout.added.index(f"{layout.number}_{target}")
    return ((_key(record, place, delimiter), end) for record, end in cut)


def _key(record: bytes, place: int, delimiter: str) -> float:
    (cells,) = csv.reader([record.decode()], strict=True, delimiter=delimiter)
    return float(cells[place] or "nan")


def _ndjson(source: BinaryIO, field: str, target: str) -> Iterator[tuple[float, int]]:
    for line, end in full_lines(source, 0):
        numbers = msgspec.json.decode(line).get(field)
        yield float("nan") if numbers is None else numbers[target], end
