"""Parquet with columns of every type that a file may have, and results that are written from it."""

import io
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from service.tables import OutputLayout, RecordSchema, open_source, writer

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def results(count: int) -> list[dict[str, object]]:
    """Results of a model with one target."""
    return [
        {"status": "ok", "parent": "C", "probability": {"a": 0.5}, "call": {"a": True}, "p_value": 0.5}
    ] * count


def test_dictionary_columns_are_read_and_written(tmp_path: Path) -> None:
    """Each batch has a dictionary of its own; the results have plain text, over many batches."""
    from service.tables.parquet import to_parquet

    count = 50
    table = pa.table(
        {
            "smiles": pa.array(
                [f"{'C' * (place % 7 + 1)}" for place in range(count)]
            ).dictionary_encode(),
            "kind": pa.array(["x", None] * (count // 2)).dictionary_encode(),
            "number": pa.array(range(count), pa.int16()),
        }
    )
    content = io.BytesIO()
    pq.write_table(table, content, row_group_size=20)
    source, parser = open_source("parquet", content, RecordSchema())
    layout = OutputLayout("m", "1", ("a",), True, source.columns(), source.schema)
    to = writer("parquet", layout)
    stream = tmp_path / "stream"
    with stream.open("wb") as file:
        file.write(to.head())
        while raw := source.take(7):
            piece = parser.parse(raw)
            assert not piece.faults
            file.write(to.rows(piece.carried, results(len(piece.carried)), first=False))
    to_parquet(stream, tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.column("smiles").to_pylist() == table.column("smiles").to_pylist()
    assert written.column("kind").to_pylist() == table.column("kind").to_pylist()
    assert written.schema.field("smiles").type == pa.string()
    assert written.schema.field("number").type == pa.int16()


def test_dates_and_decimals_are_carried_to_csv_as_text() -> None:
    """Without the quotes that JSON puts around them; lists stay JSON."""
    table = pa.table(
        {
            "smiles": ["C"],
            "day": [date(2024, 5, 1)],
            "at": [datetime(2024, 5, 1, 12)],
            "price": [Decimal("1.50")],
            "tags": [["a", "b"]],
            "known": [True],
        }
    )
    content = io.BytesIO()
    pq.write_table(table, content)
    source, parser = open_source("parquet", content, RecordSchema())
    layout = OutputLayout("m", "1", ("a",), True, source.columns())
    (row,) = parser.parse(source.take(1)).carried
    text = writer("csv", layout).rows([row], results(1), first=True).decode()
    assert text.startswith('C,2024-05-01,2024-05-01T12:00:00,1.50,"[""a"",""b""]",true,')
