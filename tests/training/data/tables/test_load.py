"""Tables that nobody prepared: what is read off them, and what is said of those that are wrong."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.features import Accepted, create
from training.data import Reading, featurizer_for, load_table
from training.data.folds import DEALT_RULE, NAMED_RULE
from training.data.tables.load import Dataset
from training.errors import DataError

TARGET = Reading(target="ill")


def rows(n: int = 400, seed: int = 0) -> list[dict[str, object]]:
    """Made-up people: an age that may be missing, a weight, a town with rare ones, and an illness."""
    rng = np.random.default_rng(seed)
    return [
        {
            "age": "" if rng.random() < 0.05 else round(float(rng.uniform(20, 80)), 2),
            "town": rng.choice(["Bonn", "Ulm", "Kiel", ""], p=[0.5, 0.3, 0.15, 0.05])
            if number % 100
            else f"Dorf{number}",
            "weight": round(float(rng.normal(70, 10)), 3),
            "ill": "yes" if rng.random() < 0.4 else "no",
        }
        for number in range(n)
    ]


def write(path: Path, table: list[dict[str, object]]) -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """The made-up people as a data set."""
    return load_table("people", write(tmp_path / "people.csv", rows()), TARGET)


def test_columns_and_target_are_read_off_the_table(dataset: Dataset) -> None:
    """Numbers, categories, what may be missing, and the rare towns lumped together."""
    entries = dataset.parameters["columns"]
    for number in (entries[0], entries[2]):
        assert len(number.pop("knots")) == 17
        assert number.pop("centre") == pytest.approx({"age": 50, "weight": 70}[number["name"]], abs=4)
        assert number.pop("scale") == pytest.approx({"age": 22, "weight": 10}[number["name"]], rel=0.2)
    assert dataset.parameters == {
        "columns": [
            {"name": "age", "kind": "number", "optional": True},
            {
                "name": "town",
                "kind": "category",
                "optional": True,
                "other": True,
                "values": ["Bonn", "Kiel", "Ulm"],
            },
            {"name": "weight", "kind": "number", "optional": False},
        ]
    }
    assert dataset.targets == ("ill",)
    assert not dataset.exclusive
    assert dataset.labels[:, 0].tolist() == [float(row["ill"] == "yes") for row in rows()]
    assert dataset.table["positive"] is None
    assert dataset.table["rows"] == 400


def test_knots_are_every_value_of_a_few_and_quantiles_of_many(tmp_path: Path) -> None:
    """A column of codes bends at each; two values need none; many are cut into equal shares."""
    table = [row | {"code": number % 5, "bit": number % 2} for number, row in enumerate(rows())]
    dataset = load_table("t", write(tmp_path / "t.csv", table), TARGET)
    entries = {entry["name"]: entry for entry in dataset.parameters["columns"]}
    assert entries["code"]["knots"] == [0, 1, 2, 3, 4]
    assert "knots" not in entries["bit"]
    weights = np.array([row["weight"] for row in rows()])
    quantiles = np.quantile(weights, np.linspace(0, 1, 17))
    assert entries["weight"]["knots"] == pytest.approx(quantiles, rel=1e-3)


def test_every_row_is_one_that_the_featurizer_takes(dataset: Dataset) -> None:
    """What training learned from, serving accepts."""
    made = featurizer_for(dataset).featurize(dataset.records)
    assert all(isinstance(outcome, Accepted) for outcome in made.outcomes)
    assert made.rows.shape == (400, 40)


def test_golden_records_are_constructed_and_span_the_columns(dataset: Dataset) -> None:
    """Every category and missing value occurs in them, numbers reach far, no row of the table does."""
    known = {tuple(record) for record in dataset.records}
    assert not known & {tuple(record) for record in dataset.golden}
    ages, towns, weights = zip(*dataset.golden, strict=True)
    assert set(towns) == {"Bonn", "Kiel", "Ulm", None}
    assert None in ages
    assert max(weights) > 85
    assert min(weights) < 55
    assert len(create(dataset.featurizer, dataset.parameters).featurize(dataset.golden).rows) == len(
        dataset.golden
    )


def test_parquet_says_the_same_as_csv(dataset: Dataset, tmp_path: Path) -> None:
    """The same table by another format is the same data set."""
    columns = {name: [row[name] if row[name] != "" else None for row in rows()] for name in rows()[0]}
    columns["town"] = [None if town is None else str(town) for town in columns["town"]]
    pq.write_table(pa.table(columns), tmp_path / "people.parquet")
    other = load_table("people", tmp_path / "people.parquet", TARGET)
    assert other.records == dataset.records
    assert other.parameters == dataset.parameters
    np.testing.assert_array_equal(other.folds, dataset.folds)


def test_classes_are_targets_in_order(tmp_path: Path) -> None:
    """Three classes are three targets, of which every row has one; numbers sort as numbers."""
    table = [row | {"ill": ["10", "9", "2.0"][number % 3]} for number, row in enumerate(rows())]
    dataset = load_table("t", write(tmp_path / "t.csv", table), TARGET)
    assert dataset.targets == ("2", "9", "10")
    assert dataset.exclusive
    np.testing.assert_array_equal(dataset.labels.sum(axis=1), np.ones(400))
    np.testing.assert_array_equal(dataset.labels[:3], np.eye(3)[[2, 1, 0]])


@pytest.mark.parametrize(
    ("words", "positive", "name"),
    [
        (("no", "yes"), None, "ill"),
        (("0", "1"), None, "ill"),
        (("False", "True"), None, "ill"),
        (("-1", "1"), None, "ill"),
        (("bad", "good"), None, "good"),
        (("bad", "good"), "bad", "bad"),
        # As R, JSON and a shell's user spell them.
        (("FALSE", "TRUE"), "true", "TRUE"),
        (("False", "True"), "1", "True"),
        (("0", "1"), "True", "1"),
        (("0", "1"), "1.0", "1"),
        (("No", "Yes"), "yes", "Yes"),
        (("well", "Sick"), "sick", "Sick"),
    ],
)
def test_of_two_classes_one_is_positive(
    tmp_path: Path, words: tuple[str, str], positive: str | None, name: str
) -> None:
    """Yes-like words leave the column its name; otherwise the positive class gives it."""
    table = [row | {"ill": words[row["ill"] == "yes"]} for row in rows()]
    reading = Reading(target="ill", positive=positive)
    dataset = load_table("t", write(tmp_path / "t.csv", table), reading)
    assert dataset.targets == (name,)
    expected = np.array([row["ill"] == "yes" for row in rows()]) ^ (positive == words[0])
    np.testing.assert_array_equal(dataset.labels[:, 0] == 1, expected)


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path) -> None:
    """An unlabelled row teaches nothing, and is not lost in silence."""
    table = [row | ({"ill": "NA"} if number < 30 else {}) for number, row in enumerate(rows())]
    dataset = load_table("t", write(tmp_path / "t.csv", table), TARGET)
    assert len(dataset) == 370
    assert dataset.summary["rows without a target, left out"] == 30


def test_columns_are_left_out_or_made_categories(tmp_path: Path) -> None:
    """``ignore`` and ``category`` do as they say, and need a column of that name."""
    table = [row | {"id": number, "ward": number % 3} for number, row in enumerate(rows())]
    path = write(tmp_path / "t.csv", table)
    reading = Reading(target="ill", ignore=("id", "age", "town"), category=("ward",))
    columns = load_table("t", path, reading).parameters["columns"]
    assert [(column["name"], column["kind"]) for column in columns] == [
        ("weight", "number"),
        ("ward", "category"),
    ]
    with pytest.raises(DataError, match=r"--ignore nonsense: t.csv has no such column"):
        load_table("t", path, Reading(target="ill", ignore=("nonsense",)))


def test_a_class_in_few_folds_is_named(tmp_path: Path) -> None:
    """A fold may lack a class, but members and calibration need it in several folds."""
    table = [row | {"ill": "yes" if number < 10 else "no"} for number, row in enumerate(rows())]
    dataset = load_table("t", write(tmp_path / "t.csv", table), TARGET)
    assert dataset.labels.sum() == 10
    assert dataset.fold_rule == NAMED_RULE


def test_where_few_rows_are_distinct_folds_are_equal_and_keep_the_classes(tmp_path: Path) -> None:
    """Fourteen kinds of passengers in 2,201 rows: every fold has its share of them and of survivors."""
    rng = np.random.default_rng(0)
    kinds = [(c, a, s) for c in ("1st", "2nd", "3rd", "crew") for a in ("adult", "child") for s in "fm"]
    table = [
        {
            "class": c,
            "age": a,
            "sex": s,
            "survived": "yes" if rng.random() < (0.7, 0.2)[s == "m"] else "no",
        }
        for c, a, s in (kinds[place] for place in np.minimum(rng.geometric(0.25, 2201) - 1, 13))
    ]
    dataset = load_table("t", write(tmp_path / "t.csv", table), Reading(target="survived"))
    assert dataset.fold_rule == DEALT_RULE
    sizes = np.bincount(dataset.folds)
    assert sizes.min() > 425
    assert sizes.max() < 455
    survivors = np.bincount(dataset.folds[dataset.labels[:, 0] == 1])
    assert survivors.max() - survivors.min() <= 14


@pytest.mark.parametrize(
    ("start", "step"), [(60000.0, 1e-6), (1_700_000_000_000, 7), (2_460_000.5, 1e-5), (1e9, 0.01)]
)
def test_times_are_told_apart(tmp_path: Path, start: float, step: float) -> None:
    """MJD, milliseconds, Julian dates: features follow the order of the values, by pieces too."""
    order = np.random.default_rng(0).permutation(400)
    table = [
        row | {"when": repr(start + step * int(place))} for row, place in zip(rows(), order, strict=True)
    ]
    dataset = load_table("t", write(tmp_path / "t.csv", table), TARGET)
    (column,) = (c for c in dataset.parameters["columns"] if c["name"] == "when")
    assert len(column["knots"]) > 10
    featurizer = featurizer_for(dataset)
    value = featurizer.featurize(dataset.records).rows[:, featurizer.names.index("when")]
    assert np.array_equal(np.argsort(value), np.argsort(order))
    assert -3 < value.min() < -0.5 < 0.5 < value.max() < 3
    place = dataset.fields.index("when")
    assert len({record[place] for record in dataset.golden}) > 5


def test_columns_of_one_value_are_named(tmp_path: Path) -> None:
    """They tell nothing, and the card says which they are."""
    table = [row | {"site": "Ulm", "run": 7} for row in rows()]
    dataset = load_table("t", write(tmp_path / "t.csv", table), TARGET)
    assert dataset.summary["columns of one value, which tell nothing"] == "site, run"


def broken(**changes: object) -> list[dict[str, object]]:
    """The made-up people with a column changed, by value or by a function of the row's number."""
    return [
        row | {k: v(number) if callable(v) else v for k, v in changes.items()}
        for number, row in enumerate(rows())
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (rows(3), "has 3 rows with a value in ill; at least 100 are needed"),
        (
            broken(ill="no"),
            "column ill: every row is 'no'; a target has two classes or more, or is a quantity",
        ),
        (broken(ill=lambda n: f"v{n}"), "400 different values are no classes"),
        (broken(ill=lambda n: "rare" if n < 4 else n % 2), "'rare' has 4 rows (line 2, 3, 4, …), at"),
        (broken(age=""), "column age: it is empty; leave it out by --ignore age"),
        (broken(town=lambda n: f"street {n}"), "column town: 400 different texts in 400 rows are no"),
        (
            broken(weight=lambda n: "heavy" if n == 7 else n),
            "t.csv, line 9, column weight: 'heavy' is no number, and nearly all others are",
        ),
        (
            broken(weight=lambda n: "inf" if n == 7 else n),
            "t.csv, line 9, column weight: inf is infinite, or beyond a 32-bit float",
        ),
        ([{"ill": row["ill"]} for row in rows()], "has no column to learn from beside ill"),
        ([{"x": 1, "ill": row["ill"]} for row in rows()], "all rows are the same"),
        ([{"x": 1, "y": 2}], "has no column 'ill' to be the target; it has x, y"),
    ],
)
def test_a_table_that_teaches_nothing_is_one_sentence(
    tmp_path: Path, table: list[dict[str, object]], message: str
) -> None:
    """The error names file, line and column, and says what to do."""
    with pytest.raises(DataError) as error:
        load_table("t", write(tmp_path / "t.csv", table), TARGET)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.csv is empty"),
        (b"a,a\n1,2\n", "t.csv, line 1: column 'a' is there twice"),
        (b"a,,b\n1,2,3\n", "t.csv, line 1: column 2 has no name"),
        (b"1,2\n3,4\n", "t.csv, line 1: all of its cells are numbers"),
        (b"a b\n1 2\n", "has no column 'ill' to be the target; it has a, b"),
        (b"a,b\n1,2\n1\n", "t.csv, line 3: it has 1 cells, the first line names 2"),
        (b'a,b\n1,2\n"1,2\n', "t.csv, line 3: it is not CSV"),
        (b"\xff\xfea", "the text begins as UTF-16 and is not"),
    ],
)
def test_a_file_that_is_no_table_is_told_by_line(tmp_path: Path, content: bytes, message: str) -> None:
    """What cannot be read says where."""
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError) as error:
        load_table("t", tmp_path / "t.csv", TARGET)
    assert message in str(error.value)


def test_a_file_that_is_not_there_and_one_that_is_no_parquet(tmp_path: Path) -> None:
    """Neither ends in a traceback."""
    with pytest.raises(DataError, match="is no file"):
        load_table("t", tmp_path / "t.csv", TARGET)
    (tmp_path / "t.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"t\.parquet: it is not Parquet"):
        load_table("t", tmp_path / "t.parquet", TARGET)


def test_a_parquet_column_of_another_kind_is_named(tmp_path: Path) -> None:
    """Lists are neither numbers nor categories; left out, the rest is read."""
    columns = {name: [row[name] for row in rows()] for name in ("weight", "ill")}
    columns["day"] = pa.array([[1]] * 400)
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"column day: it holds list<.*, neither"):
        load_table("t", tmp_path / "t.parquet", TARGET)
    assert len(load_table("t", tmp_path / "t.parquet", Reading(target="ill", ignore=("day",)))) == 400
