"""Files as programs and people write them are the same table to training and to the service.

Sources: pandas' and R's writers (``to_csv``, ``write.csv``, ``write.table``), ``numpy.savetxt`` and
astropy's ``ascii.commented_header``, Weka's savers, MySQL's ``OPTIONALLY ENCLOSED BY``, Fortran's double
precision, Excel's exports, and issues of pandas' tracker about each.
"""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.features import Accepted, create
from service.tables import RecordSchema, kind_of, open_file, open_source
from training.data import Dataset, Reading, load_table

N = 200
RNG = np.random.default_rng(11)
X, Z = RNG.normal(size=N).round(3).tolist(), RNG.integers(0, 9, N).tolist()
Y = [int(x + RNG.normal() > 0) for x in X]
TOWNS = [("Ulm", "Bad Ems", "a, b")[row % 3] for row in range(N)]


def lines(head: str, row: str, end: str = "\n") -> str:
    """A header, and a row of this form for each row of the table."""
    cells = zip(X, Z, Y, TOWNS, range(N), strict=True)
    return end.join([head, *(row.format(x=x, z=z, y=y, t=t, n=n) for x, z, y, t, n in cells)]) + end


def read(path: Path, content: str | bytes, **options: object) -> Dataset:
    """Read a file by training, and check that the service reads the same features from it."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    dataset = load_table("t", path, Reading.model_validate({"target": "y"} | options))
    featurizer = create(dataset.featurizer, dataset.parameters)
    learned = featurizer.featurize(dataset.records)
    assert all(isinstance(outcome, Accepted) for outcome in learned.outcomes)
    records, faults = [], []
    with open_file(path) as file:
        source, parser = open_source(kind_of(path), file, RecordSchema.of(featurizer))
        while raw := source.take(64):
            piece = parser.parse(raw)
            records += piece.records
            faults += [*piece.faults.values()]
    assert faults == []
    served = featurizer.featurize(records)
    assert [o.message for o in served.outcomes if not isinstance(o, Accepted)] == []
    np.testing.assert_array_equal(served.rows, learned.rows)
    return dataset


PLAIN = lines("x,z,y", "{x},{z},{y}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        # Excel ends rows with empty cells where columns were emptied, in the header or not.
        ("t.csv", lines("x,z,y", "{x},{z},{y},,", "\r\n")),
        ("t.csv", lines("x,z,y,,", "{x},{z},{y},,", "\r\n")),
        ("t.csv", "\ufeffsep=;\r\n" + lines("x;z;y;", "{x};{z};{y};", "\r\n")),
        # Blanks after the comma, before quotes, too.
        ("t.csv", lines('"x", "z", "y"', "{x}, {z}, {y}")),
        ("t.csv", lines('"x", "z", "y"', '"{x}", "{z}", "{y}"')),
        # Single quotes, as Weka and MySQL put them around names and cells.
        ("t.csv", lines("'x','z','y'", "{x},{z},{y}")),
        ("t.csv", lines("'x';'z';'y'", "'{x}';'{z}';'{y}'")),
        # R's write.table names no column of row names.
        ("t.csv", lines("x,z,y", "r{n},{x},{z},{y}")),
        ("t.txt", lines('"x" "z" "y"', '"{n}" {x} {z} {y}')),
        # Parted by blanks, aligned or not.
        ("t.dat", lines("x z y", "{x} {z} {y}")),
        ("t.data", lines("     x   z    y", "{x:>9} {z:>3}\t{y:>4} ")),
        # Comments before the names, and names that are one.
        ("t.csv", "# made by R 4.3, on Monday\n#\n" + PLAIN),
        ("t.csv", "% a, b, c\r\n\r\n" + PLAIN.replace("\n", "\r\n")),
        ("t.csv", "# " + PLAIN),
        ("t.csv", "## x, z, y: made up\n#" + PLAIN),
        ("t.txt", lines("# x z y", "{x} {z} {y}")),
    ],
)  # fmt: skip
def test_numbers_are_read_alike(tmp_path: Path, name: str, content: str) -> None:
    """Whatever stands around the cells, and before the names."""
    dataset = read(tmp_path / name, content)
    expected = read(tmp_path / "plain.csv", PLAIN)
    assert dataset.parameters == expected.parameters
    assert dataset.records == expected.records


def test_empty_rows_below_a_table_are_none(tmp_path: Path) -> None:
    """Excel writes those that once held something; no column is optional by them."""
    (tmp_path / "t.csv").write_text(PLAIN + ",,\n ,,\n\n")
    dataset = load_table("t", tmp_path / "t.csv", Reading(target="y"))
    assert (len(dataset), dataset.notices) == (N, ())
    assert not any(column["optional"] for column in dataset.parameters["columns"])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ('x,"t (km), ""real""",y', '{x},"{t}",{y}'),
        ("x, t, y", '{x}, "{t}", {y}'),
        ("'x','t','y'", "{x},'{t}',{y}"),
        ('"x" "t" "y"', '{x} "{t}" {y}'),
        ("#,t,y", '{n},"{t}",{y}'),
    ],
)
def test_texts_are_read_alike(tmp_path: Path, head: str, row: str) -> None:
    """Without the quotes around them."""
    dataset = read(tmp_path / "t.csv", lines(head, row))
    entries: list[dict[str, object]] = dataset.parameters["columns"]  # type: ignore[assignment]
    (column,) = (entry for entry in entries if entry["kind"] == "category")
    assert column["values"] == ["Bad Ems", "Ulm", "a, b"]


@pytest.mark.parametrize(
    ("cells", "options", "values"),
    [
        (["1.5D+03", "-2D-01", ".25d1"], {}, [1500.0, -0.2, 2.5]),  # Fortran's double precision
        (["1,5D+03", "-2,D1", "7"], {"decimal": ","}, [1500.0, -20.0, 7.0]),
        (["1\u2019234.5", "2'000", "7"], {"thousands": "'"}, [1234.5, 2000.0, 7.0]),  # Swiss typography
        (["12,34,567", "1,000", "7"], {"thousands": ","}, [1234567.0, 1000.0, 7.0]),  # Indian groups
        (["\u22125", "+3", "(2)"], {"number": ("v",)}, [-5.0, 3.0, -2.0]),
        (["12 %", "$3.50", "4 €"], {"number": ("v",)}, [12.0, 3.5, 4.0]),
        (["inf", "1", "2"], {"missing": ("inf",)}, [None, 1.0, 2.0]),
    ],
)
def test_numbers_of_other_forms_are_read_alike(
    tmp_path: Path, cells: list[str], options: dict[str, object], values: list[object]
) -> None:
    """By themselves or by an option, which the service follows."""
    rows = zip(X, cells * N, Y, strict=False)
    text = "\n".join(["x;v;y", *(f"{x};{v};{y}" for x, v, y in rows)])
    dataset = read(tmp_path / "t.csv", text, **options)
    assert [record[1] for record in dataset.records[:3]] == values  # type: ignore[index]


def test_codes_are_no_numbers_of_fortran(tmp_path: Path) -> None:
    """Such as 1D2 and D3, gates or flats."""
    dataset = read(tmp_path / "t.csv", lines("x,c,y", "{x},{z}D2,{y}"))
    assert dataset.parameters["columns"][1]["kind"] == "category"  # type: ignore[index]


def test_a_missing_date_of_pandas_is_missing(tmp_path: Path) -> None:
    """``NaT``; a mark of MySQL, 0000-00-00, is named by the option."""
    days = [f"2024-05-{1 + row % 28:02}" if row % 20 else "NaT" for row in range(N)]
    text = "\n".join(["x,d,y", *(f"{x},{d},{y}" for x, d, y in zip(X, days, Y, strict=True))])
    assert read(tmp_path / "t.csv", text).parameters["columns"][1]["optional"]  # type: ignore[index]
    mysql = text.replace("NaT", "0000-00-00")
    with pytest.raises(Exception, match="say --missing '0000-00-00' if it means nothing"):
        read(tmp_path / "t.csv", mysql)
    read(tmp_path / "t.csv", mysql, missing=("0000-00-00",))


@pytest.mark.parametrize("name", ["NA", "nan", "None", "x (missing)", "≥ 1 of x", "error", "=z"])
def test_any_name_of_a_column_is_read(tmp_path: Path, name: str) -> None:
    """A name is no missing value, no formula, and none of the featurizer's own."""
    assert read(tmp_path / "t.csv", PLAIN.replace("z", name, 1)).fields == ("x", name)


def test_a_workbooks_years_are_names_without_a_fraction(tmp_path: Path) -> None:
    """Excel keeps 2019 in a header as a number."""
    book = pytest.importorskip("openpyxl").Workbook()
    rows: Iterable[list[object]] = ([x, z, y] for x, z, y in zip(X, Z, Y, strict=True))
    for row in ([2019, 2020.5, "y"], *rows):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    assert read(tmp_path / "t.xlsx", content.getvalue()).fields == ("2019", "2020.5")


def test_a_dictionary_of_integers_is_categories(tmp_path: Path) -> None:
    """Parquet stores them as integers, and Arrow's own note in the file says what they were."""
    codes = pa.array([10 + z % 4 for z in Z]).dictionary_encode()
    content = io.BytesIO()
    pq.write_table(pa.table({"x": X, "c": codes, "y": Y}), content)
    dataset = read(tmp_path / "t.parquet", content.getvalue())
    assert dataset.parameters["columns"][1]["values"] == ["10", "11", "12", "13"]  # type: ignore[index]


def test_codes_of_many_digits_are_categories(tmp_path: Path) -> None:
    """Beyond 2**53, as of Twitter's and Snowflake's ids, in Parquet, CSV and JSON alike."""
    codes = [10**17 + z % 4 for z in Z]
    content = io.BytesIO()
    pq.write_table(pa.table({"x": X, "c": codes, "y": Y}), content)
    dataset = read(tmp_path / "t.parquet", content.getvalue(), category=("c",))
    entry = dataset.parameters["columns"][1]  # type: ignore[index]
    assert (entry["values"], entry["optional"]) == ([str(10**17 + at) for at in range(4)], False)
    text = "\n".join(["x,c,y", *(f"{x},{c},{y}" for x, c, y in zip(X, codes, Y, strict=True))])
    assert read(tmp_path / "t.csv", text, category=("c",)).parameters == dataset.parameters
    (outcome,) = create(dataset.featurizer, dataset.parameters).featurize([[0.5, 10**17]]).outcomes
    assert isinstance(outcome, Accepted)


@pytest.mark.parametrize("name", ["t.json", "t.ndjson"])
def test_json_is_a_list_or_lines_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    """As pandas writes both: to_json(orient="records"), with lines or without."""
    rows = [f'{{"x": {x}, "y": {y}}}' for x, y in zip(X, Y, strict=True)]
    for content in ("\n".join(rows), f"[{','.join(rows)}]"):
        (tmp_path / name).write_text(content)
        assert load_table("t", tmp_path / name, Reading(target="y")).fields == ("x",)


def test_comments_at_the_ends_of_rows_are_no_column_of_a_table(tmp_path: Path) -> None:
    """In ARFF they are the names of candidates alone; a tab after a comma parts no cell."""
    head = "@relation t\n@attribute x real\n@attribute y {0,1} % class\n@data"
    assert read(tmp_path / "t.arff", lines(head, "{x},\t{y} % no. {n}")).fields == ("x",)


def notices(tmp_path: Path, head: str, row: str, **options: object) -> str:
    """What is said of a table."""
    return "; ".join(read(tmp_path / "t.csv", lines(head, row), **options).notices)


def test_what_may_surprise_is_said(tmp_path: Path) -> None:
    """Codes with zeros, columns of one value, and texts that differ in capitals alone."""
    assert "some begin with zeros, such as 00" in notices(tmp_path, "x,zip,y", "{x},00{z},{y}")
    assert "zeros" not in notices(tmp_path, "x,zip,y", "{x},00{z},{y}", category=("zip",))
    assert "column v has one value" in notices(tmp_path, "x,v,y", "{x},5,{y}")
    mixed = PLAIN.replace("\n", ",ULM\n", 99).replace("\n", ",Ulm\n").replace(",ULM,Ulm", ",ULM")
    dataset = read(tmp_path / "t.csv", mixed.replace("y,ULM", "y,town", 1))
    assert "'ULM' and 'Ulm'; each is a category" in "; ".join(dataset.notices)


def test_a_class_in_several_spellings_is_one(tmp_path: Path) -> None:
    """Blanks and capitals do not make a class of its own; letters that are codes do."""
    words = [("Sick " if row % 3 else "sick") if y else " well" for row, y in enumerate(Y)]
    text = "\n".join(["x,y", *(f"{x},{word}" for x, word in zip(X, words, strict=True))])
    dataset = read(tmp_path / "t.csv", text)
    assert (dataset.targets, len(dataset)) == (("well",), N)
    assert "taken as one: 'Sick' and 'sick'" in dataset.notices[0]
    letters = "\n".join(["x,y", *(f"{x},{'AaB'[row % 3]}" for row, x in enumerate(X))])
    assert read(tmp_path / "t.csv", letters).targets == ("A", "B", "a")
