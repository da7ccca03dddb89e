"""Tables of records, read in pieces: CSV, NDJSON and SDF, sound and broken."""

import csv
import io
import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc
from rdkit import Chem

from service.errors import InvalidRequest, MalformedInput
from service.tables import OutputLayout, ParsedRows, RecordSchema, open_source, writer
from service.tables.base import MAX_RECORD_BYTES

SMILES = RecordSchema()
NUMBERS = RecordSchema(("x", "y"))
LAYOUT = OutputLayout("m", "1", ("a",), is_smiles=True, columns=("id", "smiles"))


def read(
    kind: str, content: bytes, form: RecordSchema = SMILES, count: int = 3
) -> tuple[ParsedRows, tuple[str, ...]]:
    """Everything in a table as one piece, read ``count`` records at a time, and its columns."""
    source, parser = open_source(kind, io.BytesIO(content), form)
    whole = ParsedRows()
    while raw := source.take(count):
        piece = parser.parse(raw)
        records = iter(piece.records)
        for place, carried in enumerate(piece.carried):
            if place in piece.faults:
                whole.refuse(carried, piece.faults[place])
            else:
                whole.add(carried, next(records))
    assert source.position == source.size
    return whole, source.columns()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_csv_is_read_whatever_its_line_ends(end: str, mark: bytes, last: bool) -> None:
    """A byte order mark, either line end or both, and no end of the last line change nothing."""
    text = end.join(["id,SMILES,note", "1,CCO,plain", '2,CC,"a ""b"", c"', "3,C,"]) + end * last
    piece, columns = read("csv", mark + text.encode())
    assert columns == ("id", "SMILES", "note")
    assert piece.records == ["CCO", "CC", "C"]
    assert piece.faults == {}
    assert piece.carried[1] == {"id": "2", "SMILES": "CC", "note": 'a "b", c'}


def test_faults_of_csv_stay_in_their_rows() -> None:
    """Too few and too many fields, stray quotes and too long a row; what is not UTF-8 is Latin-1."""
    long = b"x" * (MAX_RECORD_BYTES + 10)
    rows = [b"1,C", b"2", b"3,C,x", b"4,\xff", b'5,"C"x', b"6," + long, b"7,N", b'8,5" C']
    piece, _ = read("csv", b"id,smiles\n" + b"\n".join(rows))
    assert piece.records == ["C", "ÿ", "N", '5" C']
    assert set(piece.faults) == {1, 2, 4, 5}
    assert piece.faults[1] == "the row has 1 fields, the header has 2"
    assert "is not CSV" in piece.faults[4]
    assert "longer than" in piece.faults[5]
    assert piece.carried[1] == {"id": "2"}


def test_bars_part_cells_where_the_header_shows_it() -> None:
    """Under a header with commas they are part of a cell, as of CXSMILES."""
    piece, columns = read("csv", b"smiles|name\nCCO|ethanol\n")
    assert (piece.records, columns) == (["CCO"], ("smiles", "name"))
    quoted, _ = read("csv", b'smiles|name\nC|"a\nb"\nO|"d"\nN|c\n')
    assert [row["name"] for row in quoted.carried] == ["a\nb", "d", "c"]
    assert read("csv", b"smiles,name\nCCO |c:0|,x\n")[0].records == ["CCO |c:0|"]


def test_blank_lines_are_rows_only_where_nothing_else_could_be() -> None:
    """A table of one column keeps its empty cells, another has no rows there."""
    assert read("csv", b"smiles\nC\n\nN\n")[0].records == ["C", "", "N"]
    assert read("csv", b"id,smiles\n1,C\n\r\n2,N\n")[0].records == ["C", "N"]


def test_a_register_s_two_columns_of_one_structure_are_no_question() -> None:
    """As PubChem's downloads have them, with stereo and without."""
    content = b"cid,isosmiles,canonicalsmiles\n1,C[C@H](N)C(=O)O,CC(N)C(=O)O\n"
    assert read("csv", content)[0].records == ["C[C@H](N)C(=O)O"]
    content = b"Canonical_SMILES,Isomeric_SMILES\nC,CC\n"
    assert read("csv", content)[0].records == ["CC"]


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", InvalidRequest, "no header"),
        (b"\xff\xfes\x00", MalformedInput, "UTF-16"),
        (b'{"smiles": ["CCO"]}', InvalidRequest, "seems to be JSON"),
        (b'[{"smiles": "CCO"}]', InvalidRequest, "seems to be JSON"),
        (
            b"ethanol\n  RDKit\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n",
            InvalidRequest,
            "seems to be an SD file",
        ),
        (b"id|name\n", InvalidRequest, "need the column smiles; the header has 'id|name'"),
        (b"structure,name\n", InvalidRequest, "holds SMILES or InChI, name it by smiles_column"),
        (b"a,b\n", InvalidRequest, "need the column smiles; the header has 'a', 'b'"),
        (b"my_smiles,other smiles\n", InvalidRequest, "'my_smiles' and 'other smiles' may hold"),
        (b"smiles,SMILES\n", InvalidRequest, "more than one column"),
        (b'"smiles\nC\n', MalformedInput, "closing quote"),
        (b'smiles\nC\n"C\nN\n', MalformedInput, "record 2: a quoted field has no closing quote"),
        (b'smiles\n"' + b"C\n" * MAX_RECORD_BYTES, MalformedInput, "perhaps a quote is not closed"),
        (b"," * 5000, InvalidRequest, "5001 columns"),
    ],
)
def test_csv_that_cannot_be_read_says_why(content: bytes, error: type[Exception], words: str) -> None:
    """The header is checked first; a quote that is never closed ends the reading where it stands."""
    with pytest.raises(error) as caught:
        read("csv", content)
    assert words in str(caught.value)


def test_rows_before_a_malformed_place_are_given_first() -> None:
    """What could be read is not lost."""
    source, parser = open_source("csv", io.BytesIO(b'smiles\nC\nN\n"O\n'), SMILES)
    assert parser.parse(source.take(10)).records == ["C", "N"]
    with pytest.raises(MalformedInput, match="record 3"):
        source.take(10)


def test_numbers_of_csv_are_numbers() -> None:
    """In any order of columns; what is no number stays what it is, for the featurizer to name."""
    content = b"y,id,x\n1,a,2.5\n,b,nan\n1_0,c,t\n"
    piece, _ = read("csv", content, NUMBERS)
    assert repr(piece.records) == "[[2.5, 1.0], [nan, None], ['t', '1_0']]"
    with pytest.raises(InvalidRequest, match="need the column y"):
        read("csv", b"x,z\n1,2\n", NUMBERS)


def test_ndjson_takes_objects_and_bare_records() -> None:
    """Fields beside the record are carried; a bad line is a fault in its place."""
    lines = [b'{"id": 1, "smiles": "C"}', b'"N"', b"", b"{", b'{"id": 2}', b"[1, 2]", b'"\xff"']
    piece, columns = read("ndjson", b"\xef\xbb\xbf" + b"\r\n".join(lines))
    assert columns == ("id", "smiles")
    assert piece.records == ["C", "N", [1, 2]]
    assert set(piece.faults) == {2, 3, 5}
    assert piece.faults[3] == "the object has no field 'smiles'"
    piece, _ = read("ndjson", b'{"x": NaN, "y": 1, "z": 5}\n[' * 1 + b"[" * 5000, NUMBERS)
    assert repr(piece.records) == "[{'x': nan, 'y': 1}]"
    assert "nested" in piece.faults[1] or "JSON" in piece.faults[1]


def test_a_list_of_smiles_keeps_the_extensions_of_cxsmiles_with_the_molecule() -> None:
    """They say what is a polymer; a name does not belong to the record."""
    piece, _ = read("smi", b"CCO |Sg:n:0,1,2::ht|\nCCO ethanol\n")
    assert piece.records == ["CCO |Sg:n:0,1,2::ht|", "CCO"]
    assert [row["smiles"] for row in piece.carried] == ["CCO", "CCO"]


def test_sdf_gives_smiles_titles_and_properties() -> None:
    """Structures are read unsanitised, one that is none is a fault, and every property is a column."""
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    first = "ethanol" + block + "> <A>\n1\n\n>  <B> (3)\ntwo\nlines\n\n$$$$\n"
    second = "broken\n\n\nnonsense\nM  END\n> <C>\n3\n\n$$$$\r\n"
    piece, columns = read("sdf", (first + second + first.replace("<A>", "<D>")).encode())
    assert columns == ("title", "smiles", "A", "B", "C", "D")
    assert piece.records == ["CCO", "CCO"]
    assert piece.carried[0] == {"title": "ethanol", "smiles": "CCO", "A": "1", "B": "two\nlines"}
    assert piece.carried[1] == {"title": "broken", "C": "3"}
    assert "molfile" in piece.faults[1]
    with pytest.raises(InvalidRequest, match="holds molecules"):
        read("sdf", b"", NUMBERS)


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


@settings(deadline=None, max_examples=150)
@given(
    rows=st.lists(st.tuples(CELL, CELL), max_size=30),
    count=st.integers(1, 7),
    always=st.booleans(),
)
def test_what_is_written_as_csv_is_read_back(
    rows: Sequence[tuple[str, str]], count: int, always: bool
) -> None:
    """Any text in any cell, quoted where it must be or always, cut into pieces of any size."""
    text = io.StringIO(newline="")
    # Python's writer leaves a lone \r bare unless it belongs to its line end.
    quoting, end = (csv.QUOTE_ALL, "\n") if always else (csv.QUOTE_MINIMAL, "\r\n")
    csv.writer(text, lineterminator=end, quoting=quoting).writerows([("id", "smiles"), *rows])
    piece, _ = read("csv", text.getvalue().encode(), count=count)
    assert piece.faults == {}
    assert [(row["id"], row["smiles"]) for row in piece.carried] == list(rows)
    assert piece.records == [smiles for _, smiles in rows]


@settings(deadline=None, max_examples=200)
@given(content=st.binary(max_size=400), kind=st.sampled_from(["csv", "ndjson", "sdf"]))
def test_no_bytes_make_a_reader_fail_otherwise(content: bytes, kind: str) -> None:
    """Anything is rows, faults, or one of the two errors; and every byte is passed."""
    head = b'"id",smiles\n' if kind == "csv" else b""
    try:
        piece, _ = read(kind, head + content)
    except (InvalidRequest, MalformedInput):
        return
    assert len(piece.records) + len(piece.faults) == len(piece.carried)


@settings(deadline=None, max_examples=60)
@given(content=st.lists(st.sampled_from(['"', ",", "\r", "\n", "a", '""']), max_size=60).map("".join))
def test_csv_is_cut_as_pythons_reader_cuts_it(content: str) -> None:
    """The oracle: the standard library on the whole text, where it finds nothing wrong."""
    body = "smiles,b\n" + content
    try:
        expected = list(csv.reader(io.StringIO(body, newline=""), strict=True))[1:]
    except csv.Error:
        return
    try:
        piece, _ = read("csv", body.encode(), count=2)
    except MalformedInput:
        pytest.fail("the standard library reads it")
    assert len(piece.carried) == len([row for row in expected if row])
    good = [row for place, row in enumerate(filter(None, expected)) if place not in piece.faults]
    assert piece.records == [row[0] for row in good]


def test_positions_can_be_gone_back_to() -> None:
    """From any record's end on, the rest is read as it was the first time."""
    content = b'smiles,id\nC,"1\n2"\nN,3\r\nO,4\n'
    source, parser = open_source("csv", io.BytesIO(content), SMILES)
    positions, raws = [], []
    while raw := source.take(1):
        positions.append(source.position)
        raws.append(raw)
    for start, expected in zip(positions, [*raws[1:], []], strict=True):
        source.seek(start)
        assert source.take(1) == expected
    assert [parser.parse(raw).records for raw in raws] == [["C"], ["N"], ["O"]]


OK = {"status": "ok", "parent": "C", "probability": {"a": 0.5}, "call": {"a": True}, "p_value": 1.0}
BAD = {"status": "error", "message": "no, =1+1"}


def test_results_as_csv_keep_carried_cells_as_they_came() -> None:
    """Text that looks like a formula is the client's own; an error leaves the model's cells empty."""
    to = writer("csv", LAYOUT)
    carried = [{"id": "=1+1", "smiles": "C"}, {"id": None, "extra": 1}]
    text = (to.head() + to.rows(carried, [OK, BAD], first=True) + to.tail("gone")).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows[0]["id"] == "=1+1"
    assert (rows[0]["probability_a"], rows[0]["call_a"], rows[0]["error"]) == ("0.5", "true", "")
    assert (rows[1]["probability_a"], rows[1]["error"]) == ("", "no, =1+1")
    assert rows[2]["error"] == "gone"
    for cells in csv.reader(io.StringIO(text, newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells[2:])
    with pytest.raises(InvalidRequest, match="'error' has the name of a result's"):
        writer("csv", OutputLayout("m", "1", ("a",), is_smiles=False, columns=("error",)))


def test_results_as_json_are_lines_or_one_document() -> None:
    """Fields that were carried come first; one with a result's name costs its own row alone."""
    carried = [{"id": 1}, {"status": "mine", "id": 2}]
    lines = writer("ndjson", LAYOUT).rows(carried, [OK, OK], first=True).splitlines()
    assert json.loads(lines[0]) == {"id": 1} | OK
    assert json.loads(lines[1])["status"] == "error"
    assert "field 'status'" in json.loads(lines[1])["message"]
    to = writer("json", LAYOUT)
    parts = [to.head(), to.rows([{}], [OK], first=True), to.rows([{}], [BAD], first=False), to.tail("x")]
    document = json.loads(b"".join(parts))
    assert document == {"model": "m", "version": "1", "results": [OK, BAD], "error": "x"}
    assert json.loads(to.head() + to.tail()) == {"model": "m", "version": "1", "results": []}


BLANK = ["", " ", "\t"]
MARK = "\ufeff"


def table(kind: str, rows: int, blanks: list[int], end: str, mark: str) -> bytes:
    """A table of so many molecules, with so many blank lines before each and after the last."""
    records = [
        f"{place},C" if kind == "csv" else json.dumps({"id": place, "smiles": "C"})
        for place in range(rows)
    ]
    filler = [""] if kind == "csv" else BLANK  # a space in CSV is a row that is too short
    lines = ["id,smiles"] if kind == "csv" else []
    for place, count in enumerate(blanks[: rows + 1]):
        lines += [filler[number % len(filler)] for number in range(count)]
        lines += records[place : place + 1]
    return (mark + "".join(line + end for line in lines)).encode()


def read_back(kind: str, content: bytes) -> int:
    """How many results a document of some kind has."""
    if kind == "csv":
        return len(list(csv.DictReader(io.StringIO(content.decode(), newline=""))))
    if kind == "ndjson":
        return len([json.loads(line) for line in content.splitlines()])
    if kind == "json":
        return len(json.loads(content)["results"])
    return ipc.open_stream(content).read_all().num_rows


@settings(deadline=None, max_examples=200)
@given(
    kind=st.sampled_from(["csv", "ndjson"]),
    to=st.sampled_from(["csv", "ndjson", "json", "parquet"]),
    rows=st.integers(0, 5),
    blanks=st.lists(st.integers(0, 5), min_size=6, max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.sampled_from(["", MARK]),
    count=st.integers(1, 4),
)
def test_blank_lines_leave_every_answer_whole(
    kind: str, to: str, rows: int, blanks: list[int], end: str, mark: str, count: int
) -> None:
    """Wherever they are and however many: each answer has one result per row, and no piece is empty."""
    content = table(kind, rows, blanks, end, mark)
    source, parser = open_source(kind, io.BytesIO(content), SMILES)
    target = writer(to, LAYOUT)
    written, number = target.head(), 0
    while raw := source.take(count):
        piece = parser.parse(raw)
        assert len(piece.records) == len(piece.carried) == len(raw)
        written += target.rows(piece.carried, [OK] * len(piece.carried), first=number == 0)
        number += 1
    assert source.position == source.size
    assert read_back(to, written + target.tail()) == rows


@pytest.mark.parametrize(
    "content", [b"\n", b"\r\n\r\n", b" \n\t\n", b"\xef\xbb\xbf\n", b"\xef\xbb\xbf", b""]
)
def test_a_file_of_blank_lines_has_no_rows(content: bytes) -> None:
    """As NDJSON it is an empty table; CSV lacks its header then."""
    piece, columns = read("ndjson", content)
    assert (piece.carried, columns) == ([], ())
    with pytest.raises(InvalidRequest, match="there is no header"):
        read("csv", content)


def test_a_byte_order_mark_within_ndjson_is_not_part_of_its_line() -> None:
    """As of files that were put together."""
    piece, _ = read("ndjson", b'{"smiles": "C"}\n\xef\xbb\xbf{"smiles": "N"}\n')
    assert piece.records == ["C", "N"]


@pytest.mark.parametrize("extra", [0, 1])
def test_a_record_may_have_its_most_bytes_and_no_more(extra: int) -> None:
    """Of every kind, quoted or not, on one line or several; its neighbours are read whatever it is."""
    length = MAX_RECORD_BYTES + extra
    row = b"C," + b"x" * (length - 3) + b"\n"
    lines = b'"' + b"x" * (length // 2) + b"\n" + b"x" * (length - length // 2 - 6) + b'",C\n'
    field = b'{"smiles": "C", "x": "' + b"x" * (length - 25) + b'"}\n'
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("C")).encode()
    lines_of_sdf = block + b">  <A>\n" + b"x" * (length - len(block) - 9) + b"\n\n"
    assert {len(record) for record in (row, lines, field, lines_of_sdf)} == {length}
    piece, _ = read("csv", b"smiles,x\n" + row + b"N,y\n")
    assert piece.records == ["C"] * (not extra) + ["N"]
    piece, _ = read("ndjson", field + b'"N"\n')
    assert piece.records == ["C"] * (not extra) + ["N"]
    piece, _ = read("sdf", lines_of_sdf + b"$$$$\n" + block + b"$$$$\n")
    assert piece.records == ["C"] * (2 - extra)
    if extra:
        with pytest.raises(MalformedInput, match="longer than"):
            read("csv", b"x,smiles\n" + lines)
    else:
        assert read("csv", b"x,smiles\n" + lines)[0].records == ["C"]


def test_a_structure_that_is_cut_at_the_limit_is_no_structure() -> None:
    """Even where the lines before the limit would be one by themselves."""
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("C")).encode()
    full = block + b">  <A>\n" + b"x" * (MAX_RECORD_BYTES - len(block) - 9) + b"\n\n"
    piece, _ = read("sdf", full + b">  <B>\n1\n\n$$$$\n")
    assert piece.records == []
    assert "longer than" in piece.faults[0]


@pytest.mark.parametrize("columns", [4096, 4097])
def test_a_table_has_4096_columns_at_most(columns: int) -> None:
    """One more is refused."""
    content = ",".join(["smiles", *map(str, range(columns - 1))]).encode()
    if columns == 4096:
        assert len(read("csv", content)[1]) == 4096
    else:
        with pytest.raises(InvalidRequest, match="4097 columns; the most is 4096"):
            read("csv", content)


@pytest.mark.parametrize("kind", ["csv", "ndjson", "json"])
def test_no_rows_are_written_as_nothing(kind: str) -> None:
    """In the midst of a table, too."""
    for first in (True, False):
        assert writer(kind, LAYOUT).rows([], [], first=first) == b""


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_rows_beyond_their_bounds_are_marked(kind: str) -> None:
    """Where rows have bounds: a column in CSV and Parquet, a field of the marked in NDJSON."""
    layout = OutputLayout("m", "1", ("a",), is_smiles=False, has_bounds=True)
    sound = {"status": "ok", "probability": {"a": 0.5}, "call": {"a": True}, "p_value": 0.1}
    results = [sound, sound | {"suspect": True}, {"status": "error", "message": "no number"}]
    to = writer(kind, layout)
    content = to.head() + to.rows([{}, {}, {}], results, first=True) + to.tail()
    if kind == "csv":
        marks = [row["suspect"] for row in csv.DictReader(io.StringIO(content.decode()))]
        assert marks == ["false", "true", ""]
    elif kind == "ndjson":
        lines = [json.loads(line) for line in content.splitlines()]
        assert [line.get("suspect") for line in lines] == [None, True, None]
    else:
        table = ipc.open_stream(content).read_all()
        assert table["suspect"].to_pylist() == [False, True, None]
    assert "suspect" in layout.fields
    assert "suspect" not in OutputLayout("m", "1", ("a",), is_smiles=False).added
