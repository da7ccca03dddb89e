"""What people bring: a table is read in training and in service alike, however its values are written.

Each case names the public tool or document that writes its values so.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.features import Accepted, Featurizer, Rejected, create
from service.tables import ParsedRows, RecordSchema, open_source
from service.tables.ndjson import add_value
from training.data import Dataset, Reading, load_table

ROWS = 240


def target(row: int) -> int:
    """A class that no column here tells."""
    return (row * 7919 // 3) % 2


def load(folder: Path, cells: Sequence[object], **options: Any) -> Dataset:
    """A table of a column ``x`` with these cells in turn, a column of numbers, and a target."""
    lines = [f"{cells[row % len(cells)]};{row * 37 % 101};{target(row)}" for row in range(ROWS)]
    (folder / "t.csv").write_text("\n".join(["x;other;y", *lines]) + "\n", encoding="utf-8")
    return load_table("t", folder / "t.csv", Reading(target="y", **options))


def by_json(featurizer: Featurizer, value: object) -> ParsedRows:
    """A value as JSON's own type, by name."""
    rows = ParsedRows()
    add_value(rows, {"x": value, "other": 1}, RecordSchema.of(featurizer))
    return rows


def by_table(featurizer: Featurizer, kind: str, content: bytes) -> ParsedRows:
    """All rows of a table of a kind."""
    source, parser = open_source(kind, io.BytesIO(content), RecordSchema.of(featurizer))
    return parser.parse(source.take(1000))


def by_csv(featurizer: Featurizer, text: str) -> ParsedRows:
    """A cell of CSV."""
    return by_table(featurizer, "csv", f"x;other\n{text};1\n".encode())


def by_ndjson(featurizer: Featurizer, value: object) -> ParsedRows:
    """A field of NDJSON."""
    return by_table(featurizer, "ndjson", json.dumps({"x": value, "other": 1}).encode())


def by_parquet(featurizer: Featurizer, value: object) -> ParsedRows:
    """A value of a Parquet column, typed by Arrow or as an array of its own type."""
    sink = io.BytesIO()
    column = value if isinstance(value, pa.Array) else pa.array([value])
    pq.write_table(pa.table({"x": column, "other": [1.0]}), sink)
    return by_table(featurizer, "parquet", sink.getvalue())


def features(featurizer: Featurizer, rows: ParsedRows) -> list[float] | str:
    """The features of the one record, or why it is refused."""
    found = featurizer.featurize(rows.records)
    (outcome,) = found.outcomes
    if isinstance(outcome, Rejected):
        return outcome.message
    assert isinstance(outcome, Accepted)
    return np.nan_to_num(found.rows[0], nan=-1).tolist()


WAYS = {"json": by_json, "csv": by_csv, "ndjson": by_ndjson, "parquet": by_parquet}

DICTIONARY = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array([1]))

#: A column's cells in training, options, and spellings of one value, each by the way that it comes.
CASES: Mapping[str, tuple[Sequence[object], dict[str, Any], Sequence[tuple[str, object]]]] = {
    # pandas writes True, JSON and Arrow true, R and Excel TRUE, PostgreSQL t (its COPY).
    "booleans": (
        ["True", "False", "true", "FALSE", "TRUE"],
        {},
        [("csv", "True"), ("csv", "TRUE"), ("csv", "true"), ("csv", "1"), ("csv", "1.0"), ("csv", "t"),
         ("json", True), ("json", 1), ("json", "true"), ("ndjson", True), ("parquet", True),
         ("parquet", pa.array([1], pa.int8()))],
    ),
    # A column of 0 and 1 is a number to pandas, and a boolean to who reads it back from a database.
    "zeros and ones": (
        [0, 1],
        {},
        [("csv", "1"), ("csv", "1.0"), ("csv", "True"), ("json", True), ("json", 1.0),
         ("parquet", True)],
    ),
    # pandas, "Working with missing data": integers with gaps become floats, so that 1 is written 1.0.
    "codes with gaps": (
        ["1.0", "2.0", "3.0", ""],
        {"category": ("x",)},
        [("csv", "1"), ("csv", "1.0"), ("json", 1), ("json", 1.0), ("json", "1"), ("json", "1.0"),
         ("ndjson", 1), ("parquet", 1), ("parquet", 1.0), ("parquet", DICTIONARY),
         ("parquet", pa.array([1.0], pa.float32()))],
    ),
    # pandas writes NaN into Parquet and None into JSON for a missing category.
    "missing categories": (
        ["a", "b", ""],
        {},
        [("csv", ""), ("csv", "None"), ("csv", "NaN"), ("csv", "<NA>"), ("csv", "\\N"), ("csv", "#N/A"),
         ("json", None), ("json", float("nan")), ("ndjson", None), ("parquet", pa.array([float("nan")])),
         ("parquet", pa.array([None], pa.string()))],
    ),
    # Arrow's string_view, large_string and dictionary, as polars and pandas 3 write them.
    "kinds of text": (
        ["a", "b"],
        {},
        [("csv", "a"), ("parquet", pa.array(["a"], pa.string_view())),
         ("parquet", pa.array(["a"], pa.large_string())),
         ("parquet", pa.array(["a"]).dictionary_encode())],
    ),
    # pandas.read_csv(decimal=",", thousands="."), as German spreadsheets write numbers.
    "decimal commas": (
        ["1.234,5", "-7,25", "12"],
        {"decimal": ",", "thousands": "."},
        [("csv", "1.234,5"), ("csv", "1234,5"), ("json", 1234.5), ("json", "1.234,5"),
         ("ndjson", "1234,5"), ("parquet", 1234.5), ("parquet", "1.234,5")],
    ),
    # Prices and shares as Excel formats them; U+2212 as Wikipedia's tables write a minus.
    "signs": (
        ["$1,234.50", "(3.25)", "12%", "\u22127"],
        {"thousands": ",", "number": ("x",)},
        [("csv", "\u22121,234.50"), ("csv", "(1,234.50)"), ("csv", "-$1,234.50"), ("json", -1234.5),
         ("json", "\u22121234.5"), ("parquet", "-1234.5")],
    ),
    # Marks of missing values that surveys use; pandas.read_csv(na_values=[-999]).
    "marks": (
        ["5", "-999", "7", "unknown"],
        {"missing": ("-999", "unknown")},
        [("csv", "-999"), ("csv", "-999.0"), ("csv", "unknown"), ("csv", "NA"), ("json", -999),
         ("json", None), ("ndjson", -999.0), ("parquet", -999)],
    ),
    # ISO 8601 and RFC 3339, pandas' timestamps, Arrow's dates; an offset is brought to UTC.
    "dates": (
        ["2024-03-01 10:00:00", "2023-11-30 04:30:00", "2022-07-15 22:00:00", ""],
        {},
        [("csv", "2024-03-01T10:00:00Z"), ("csv", "2024-03-01 11:00:00+01:00"),
         ("json", "2024-03-01T10:00:00.000Z"), ("ndjson", "2024-03-01T05:00:00-0500"),
         ("parquet", pa.array([1_709_287_200_000_000_000], pa.timestamp("ns"))),
         ("parquet", pa.array([1_709_287_200_000], pa.timestamp("ms", "Europe/Vienna")))],
    ),
    # strftime's %d.%m.%Y, which no month can have at 15.
    "days first": (
        ["15.03.2021", "04.07.2022", "28.12.2020"],
        {},
        [("csv", "04.03.2021"), ("json", "2021-03-04"), ("parquet", pa.array([18_690], pa.date32()))],
    ),
    # SQL's and SAS's dates in digits (yyyymmdd).
    "digits": (
        ["20240229", "20231130", "20221231"],
        {},
        [("csv", "20240229"), ("csv", "2024-02-29"), ("json", 20240229), ("json", "20240229"),
         ("parquet", pa.array([20240229], pa.int32()))],
    ),
    # RFC 2822 of mail and HTTP; a clock of twelve hours as US spreadsheets have it.
    "clocks": (
        ["03/31/2024 10:15 PM", "12/01/2023 1:05 AM", "07/04/2023 12:30 PM"],
        {},
        [("csv", "12/01/2023 1:05 PM"), ("csv", "12/1/2023 13:05"), ("json", "2023-12-01T13:05:00")],
    ),
    # Unicode Annex 15: macOS writes names decomposed.
    "composed and decomposed": (
        ["Mu\u0308nchen", "K\u00f6ln"],
        {},
        [("csv", "M\u00fcnchen"), ("json", "Mu\u0308nchen"), ("parquet", "M\u00fcnchen")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_spelling_means_the_same_by_every_way(tmp_path: Path, case: str) -> None:
    """In CSV, JSON, NDJSON and Parquet, as it did in training."""
    cells, options, spellings = CASES[case]
    dataset = load(tmp_path, cells, **options)
    featurizer = create(dataset.featurizer, dataset.parameters)
    assert len(featurizer.featurize(dataset.records).rows) == len(dataset)
    assert len(featurizer.featurize(dataset.golden).rows) == len(dataset.golden)
    read = {
        f"{way} {value!r}": features(featurizer, WAYS[way](featurizer, value))
        for way, value in spellings
    }
    first = next(iter(read.values()))
    assert not isinstance(first, str), first
    assert {name: row for name, row in read.items() if row != first} == {}


@pytest.mark.parametrize(
    ("cells", "hint"),
    [
        (["1,5", "2,25", "-3"], "--decimal ,"),
        (["1.234,5", "2.000,25"], "--decimal , --thousands ."),
        (["1,234", "12,345.5"], "--thousands ,"),
        (["$5", "$7.50"], "--number x"),
        (["5%", "12.5%"], "--number x"),
        (["\u22125", "7"] * 3 + ["\u22128"], "--number x"),
        (["1 234,5", "22 000,1"], "--decimal , --thousands ' '"),
    ],
)
def test_numbers_of_another_form_are_named(tmp_path: Path, cells: Sequence[str], hint: str) -> None:
    """They never become categories in silence: the error says which option reads them."""
    with pytest.raises(Exception, match="are numbers of another form") as error:
        load(tmp_path, cells)
    assert f"read them by {hint}, or" in str(error.value)
    columns: Any = load(tmp_path, cells, category=("x",)).parameters["columns"]
    assert columns[0]["kind"] == "category"


@pytest.mark.parametrize("name", ["error", "status", "p_value", "call", "message", "probability"])
def test_a_feature_may_be_named_as_a_result(name: str) -> None:
    """It keeps its value under another name in the results' table."""
    from service.tables import OutputLayout, writer

    layout = OutputLayout("t", "1", ("y",), False, (name,), features=frozenset((name,)))
    result = {"status": "ok", "probability": {"y": 0.5}, "call": {"y": True}, "p_value": 0.1}
    for kind in ("csv", "ndjson", "parquet"):
        to = writer(kind, layout)
        assert to.head() is not None
        written = to.rows([{name: "7"}], [result], first=True)
        assert kind == "parquet" or b"7" in written
        assert b"rename" not in written
