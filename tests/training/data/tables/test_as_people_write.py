"""Files as people have them: index columns, rare classes, other delimiters and encodings, warnings.

The cases are those of public trackers: pandas' ``to_csv`` with its index, R's ``write.csv``,
spreadsheets of other countries, scikit-learn's guide to data leakage.
"""

import gzip
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.features import create
from training.data import Dataset, Reading, load_table
from training.errors import DataError
from training.recipes.table import table_recipe

N = 300
RNG = np.random.default_rng(3)
X, Z = RNG.normal(size=N).round(3).tolist(), RNG.integers(0, 9, N).tolist()
Y = [int(x + RNG.normal() > 0) for x in X]
PLAIN = "\n".join(["x,z,y", *(f"{a},{b},{c}" for a, b, c in zip(X, Z, Y, strict=True))])


def read(path: Path, content: bytes | str, **options: object) -> Dataset:
    """Write a file and read it."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_table("t", path, Reading.model_validate({"target": "y"} | options))


def with_column(name: str, values: list[object], header: str = "") -> str:
    """The plain table with a column before all others."""
    lines = PLAIN.split("\n")
    return "\n".join(
        [
            header or f"{name},{lines[0]}",
            *(f"{v},{line}" for v, line in zip(values, lines[1:], strict=True)),
        ]
    )


@pytest.mark.parametrize(
    ("content", "left_out"),
    [
        (with_column("", list(range(N))), "''"),  # DataFrame.to_csv
        (with_column("Unnamed: 0", list(range(N))), "'Unnamed: 0'"),  # and its second reading
        (with_column("Unnamed: 0.1", list(range(9, N + 9))), "'Unnamed: 0.1'"),
        (with_column("index", list(range(N))), "'index'"),  # reset_index
        (with_column("rownames", list(range(1, N + 1))), "'rownames'"),  # Rdatasets
        (with_column("X", list(range(1, N + 1))), "'X'"),  # read.csv of write.csv
        (with_column("", [f"r{at}" for at in range(N)]), "''"),  # write.csv with row names
        (with_column("", list(range(N)), header="x,z,y"), "''"),  # write.table names no row names
    ],
)
def test_a_column_that_numbers_the_rows_is_left_out_with_a_line(
    tmp_path: Path, content: str, left_out: str
) -> None:
    """And is not needed at prediction."""
    dataset = read(tmp_path / "t.csv", content)
    assert dataset.fields == ("x", "z")
    assert any(f"left out column {left_out}" in notice for notice in dataset.notices)


def test_a_column_of_such_a_name_that_measures_something_is_used(tmp_path: Path) -> None:
    """``index`` of refraction, say; and one that an option names."""
    assert read(tmp_path / "t.csv", with_column("index", Z)).fields == ("index", "x", "z")
    numbered = with_column("index", list(range(N)))
    assert "index" in read(tmp_path / "t.csv", numbered, number=("index",)).fields


def test_a_column_that_alone_tells_the_target_is_a_warning(tmp_path: Path) -> None:
    """A copy of the target, and an id of rows that were sorted by it; others are not warned of."""
    assert read(tmp_path / "t.csv", PLAIN).notices == ()
    (copied,) = read(tmp_path / "t.csv", with_column("result", ["ab"[y] for y in Y])).notices
    assert copied.startswith("warning: column result alone tells the target (AUC 1.000")
    order = np.argsort(Y, kind="stable")
    rank = np.empty(N, int)
    rank[order] = np.arange(1000, N + 1000)
    (numbered,) = read(tmp_path / "t.csv", with_column("patient_id", rank.tolist())).notices
    assert numbered.startswith("warning: column patient_id numbers the rows and tells the target")
    shuffled = RNG.permutation(N).tolist()
    assert read(tmp_path / "t.csv", with_column("patient_id", shuffled)).notices == ()


def test_rare_classes_are_dropped_or_merged(tmp_path: Path) -> None:
    """By ``--rare``; without it the error names the option."""
    few = [
        f"{x},{z},{'uvw'[at % 3] if at < 12 else 'ab'[y]}"
        for at, (x, z, y) in enumerate(zip(X, Z, Y, strict=True))
    ]
    content = "\n".join(["x,z,y", *few])
    with pytest.raises(DataError, match="--rare merge"):
        read(tmp_path / "t.csv", content)
    dropped = read(tmp_path / "t.csv", content, rare="drop")
    assert (len(dropped), dropped.targets) == (N - 12, ("b",))
    assert "left out 12 rows" in dropped.notices[-1]
    merged = read(tmp_path / "t.csv", content, rare="merge")
    assert (len(merged), merged.targets) == (N, ("a", "b", "other"))


def by_zip(path: Path, content: str) -> None:
    """An archive with one table."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/t.tsv", content.replace(",", "\t"))


def by_workbook(path: Path, content: str) -> None:
    """A workbook of typed cells, whose first sheet is empty."""
    book = pytest.importorskip("openpyxl").Workbook()
    sheet = book.create_sheet("data")
    header, *rows = (line.split(",") for line in content.split("\n"))
    sheet.append(header)
    for row in rows:
        sheet.append([float(cell) for cell in row])
    book.save(path)


def by_ndjson(path: Path, content: str) -> None:
    """A line of JSON per row."""
    header, *rows = (line.split(",") for line in content.split("\n"))
    path.write_text(
        "\n".join(json.dumps(dict(zip(header, map(float, row), strict=True))) for row in rows)
    )


def by_arff(path: Path, content: str) -> None:
    """Weka's format, with a comment."""
    attributes = ("'x' REAL", "z INTEGER", "y {0,1}")
    head = "".join(f"@ATTRIBUTE {each}\n" for each in attributes)
    head = f"% made by hand\n@RELATION t\n{head}@DATA\n"
    path.write_text(head + content.split("\n", 1)[1])


WAYS: dict[str, Callable[[Path, str], object]] = {
    "t.csv.gz": lambda path, content: path.write_bytes(gzip.compress(content.encode())),
    "t.tsv": lambda path, content: path.write_text(content.replace(",", "\t")),
    "semicolons.csv": lambda path, content: path.write_text(content.replace(",", ";")),
    "bars.txt": lambda path, content: path.write_text(content.replace(",", "|")),
    "named.csv": lambda path, content: path.write_text("sep=;\n" + content.replace(",", ";")),
    "blank.csv": lambda path, content: path.write_text("\r\n\r\n" + content),
    "blank_named.csv": lambda path, content: path.write_text(
        '\n"SEP=|"\r\n\n' + content.replace(",", "|")
    ),
    "utf16.csv": lambda path, content: path.write_bytes(content.encode("utf-16")),
    "mark.csv": lambda path, content: path.write_bytes(content.encode("utf-8-sig")),
    "t.zip": by_zip,
    "t.xlsx": by_workbook,
    "t.ndjson": by_ndjson,
    "t.arff": by_arff,
}


@pytest.mark.parametrize("name", WAYS)
def test_every_file_is_the_same_table(tmp_path: Path, name: str) -> None:
    """Whatever it is packed in, and whatever parts its cells."""
    plain = read(tmp_path / "plain.csv", PLAIN)
    WAYS[name](tmp_path / name, PLAIN)
    dataset = load_table("t", tmp_path / name, Reading(target="y"))
    assert dataset.records == plain.records
    assert dataset.parameters == plain.parameters
    np.testing.assert_array_equal(dataset.folds, plain.folds)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.xls", b"\xd0\xcf\x11\xe0", "an old workbook, which is not read; save it as CSV"),
        ("t.xlsx", b"no workbook", "it is no workbook of the format .xlsx"),
        ("t.zip", b"no archive", "it is no zip archive"),
        ("t.csv.gz", b"no gzip", "not compressed by gzip"),
        ("t.arff", b"a,b\n1,2\n", "it is no ARFF: line 1 is 'a,b'"),
        ("t.ndjson", b'{"a": 1}\n{"a": \n', "line 2: it is not JSON"),
        ("t.json", b'{"a": 1}', "its records are no objects"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    """One sentence, with what to do where something helps."""
    with pytest.raises(DataError) as error:
        read(tmp_path / name, content)
    assert str(error.value).startswith(name)
    assert words in str(error.value)


def test_an_archive_of_two_tables_names_them(tmp_path: Path) -> None:
    """As the official HTRU2.zip, which has the same table twice."""
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("a.arff", "x")
    with pytest.raises(DataError, match=r"2 tables: a\.csv, a\.arff; unpack the one"):
        load_table("t", tmp_path / "t.zip", Reading(target="y"))


def test_many_categories_are_hashed(tmp_path: Path) -> None:
    """Common ones stand for themselves; others, and new ones, share buckets and are never refused."""
    codes = [f"c{at % 5}" if at % 2 else f"rare{at}" for at in range(N)]
    dataset = read(tmp_path / "t.csv", with_column("code", codes))
    (column, *_), (notice,) = dataset.parameters["columns"], dataset.notices  # type: ignore[misc]
    assert column["values"] == ["c0", "c1", "c2", "c3", "c4"]
    assert "155 different texts: 5 are categories of their own" in notice
    featurizer = create(dataset.featurizer, dataset.parameters)
    rows = featurizer.featurize([["new", 1.0, 1.0], ["new", 1.0, 1.0], ["other new", 1.0, 1.0]]).rows
    assert rows[0].tolist() == rows[1].tolist()
    assert rows[0].tolist() != rows[2].tolist()
    (shared,) = [block for block in table_recipe(dataset).blocks if block.prefix == "code="]
    assert shared.limit < 1
    assert any(name.startswith(shared.prefix) for name in featurizer.names)


def cells(column: str, values: Sequence[object]) -> str:
    """A table with a column of these cells, again and again, and the target y."""
    rows = zip(X, values, Y, strict=False)
    return "\n".join([f"x,{column},y", *(f'{a},"{b}",{c}' for a, b, c in rows)])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        # A unit in each cell, as laboratories' exports have it (pandas #7494 and its like).
        ([f"{at / 8:.3f} mm" for at in range(N)], "numbers with 'mm' beside them"),
        ([f"{at} kg/m³" for at in range(N)], "numbers with 'kg/m³' beside them"),
        ([f"{at / 8:.1f}°C" for at in range(N)], "numbers with '°C' beside them"),
        # ISO 4217's codes before an amount.
        ([f"USD {at + 0.25:.2f}" for at in range(N)], "numbers with 'USD' beside them"),
        ([f"CHF{at + 0.25:.2f}" for at in range(N)], "numbers with 'CHF' beside them"),
    ],
)
def test_numbers_with_a_unit_are_no_silent_categories(
    tmp_path: Path, values: list[str], said: str
) -> None:
    """They are named with what to do; as categories they are read where that is said."""
    with pytest.raises(DataError, match=re.escape(said) + "; write the numbers alone"):
        read(tmp_path / "t.csv", cells("v", values))


@pytest.mark.parametrize(
    "values",
    [
        [["10 mg", "20 mg", "40 mg"][at % 3] for at in range(N)],
        [f"shop {at % 90}" for at in range(N)],
        [f"{at % 90} {['Road', 'Street', 'Lane'][at % 3]}" for at in range(N)],
        [["1.5 T", "3 T"][at % 2] for at in range(N)],
    ],
)
def test_groups_that_are_named_by_numbers_are_categories(tmp_path: Path, values: list[str]) -> None:
    """Doses, shops and streets have a number in their names."""
    dataset = read(tmp_path / "t.csv", cells("v", values))
    assert dataset.parameters["columns"][1]["kind"] == "category"  # type: ignore[index]


def test_numbers_among_words_are_a_warning(tmp_path: Path) -> None:
    """A quarter of the cells below the limit of detection make categories of all; a line says so."""
    values = ["<0.5" if at % 4 == 0 else at / 8 for at in range(N)]
    dataset = read(tmp_path / "t.csv", cells("v", values))
    assert any("75% of its cells are numbers: 75 are '<0.5'" in each for each in dataset.notices)
    again = read(tmp_path / "t.csv", cells("v", values), missing=("<0.5",))
    assert again.parameters["columns"][1]["kind"] == "number"  # type: ignore[index]


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("True", "0"),
        ("1", "False"),
        ("true", "0"),
        ("YES", "no"),
        ("Active", "inactive"),
        ("TRUE", "FALSE"),
    ],
)
def test_a_target_of_truth_values_in_two_spellings_is_one(tmp_path: Path, yes: str, no: str) -> None:
    """Yes is 1, whichever word stands first in an order, and the target has its column's name."""
    lines = [f"{a},{yes if c else no}" for a, c in zip(X, Y, strict=True)]
    dataset = read(tmp_path / "t.csv", "\n".join(["x,y", *lines]))
    assert dataset.targets == ("y",)
    assert dataset.labels[:, 0].tolist() == Y


def test_two_words_for_yes_are_one_class(tmp_path: Path) -> None:
    """They are no two classes."""
    lines = [f"{a},{'True' if c else '1'}" for a, c in zip(X, Y, strict=True)]
    with pytest.raises(DataError, match="every row is 'true'"):
        read(tmp_path / "t.csv", "\n".join(["x,y", *lines]))


def test_small_classes_that_stay_small_together_are_named(tmp_path: Path) -> None:
    """``--rare merge`` is not said to be the way out of itself."""
    lines = [f"{a},{'c' if at < 5 else 'ab'[c]}" for at, (a, c) in enumerate(zip(X, Y, strict=True))]
    with pytest.raises(DataError, match=r"small classes together have 5 rows, .*; --rare drop takes"):
        read(tmp_path / "t.csv", "\n".join(["x,y", *lines]), rare="merge")


def test_categories_of_integers_come_from_pandas_as_such(tmp_path: Path) -> None:
    """Parquet stores their numbers, and pandas' note in the file says what they were."""
    columns = [{"field_name": "c", "pandas_type": "categorical", "numpy_type": "int8"}]
    table = pa.table({"x": X, "c": [10 + at % 4 for at in range(N)], "y": Y})
    noted = table.replace_schema_metadata({b"pandas": json.dumps({"columns": columns}).encode()})
    pq.write_table(noted, tmp_path / "t.parquet")
    dataset = load_table("t", tmp_path / "t.parquet", Reading(target="y"))
    entry = dataset.parameters["columns"][1]  # type: ignore[index]
    assert (entry["kind"], entry["values"]) == ("category", ["10", "11", "12", "13"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", PLAIN.replace("\n", "\n# second half\n", 1), "line 2: .*; it begins as comments do"),
        ("t.csv", "Report of May\n\n" + PLAIN, "line 3: .* names 1, 'Report of May'; the first line"),
        ("t.csv", PLAIN + "\n3,4,2", "'2' has 1 row \\(line 302\\), at least 10 are needed"),
        ("t.csv", gzip.compress(PLAIN.encode()), "compressed by gzip; decompress it, or end the file's"),
        ("t.csv", PLAIN.encode("utf-16-le"), "UTF-16 without its mark"),
        ("t.csv", b"%PDF-1.4", "the content is a PDF file"),
        ("t.csv", PLAIN.replace("x", "x" * 201, 1), "column 1 is named .* has 1 to 200 characters"),
        ("t.json", json.dumps({"columns": ["x"], "data": [[1]]}), "to_json\\(orient='records'\\)"),
    ],
)
def test_what_is_before_or_around_a_table_is_named(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    """A title, a comment amid rows, a total below them, other contents, and other forms of JSON."""
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, content)
