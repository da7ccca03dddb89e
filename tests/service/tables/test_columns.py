"""Which column has the SMILES, how cells are parted, and columns that are named twice or not at all."""

import io

import pytest

from models.features.tabular.pulsar import NAMES as CANDIDATES
from service.errors import InvalidRequest
from service.tables import ParsedRows, RecordSchema, open_source
from service.tables.schema import unique
from tests.service.tables.test_tables import NUMBERS, read

SMILES = RecordSchema()


def table(content: bytes, schema: RecordSchema = SMILES) -> tuple[ParsedRows, tuple[str, ...]]:
    """The rows and the columns of a table in CSV."""
    return read("csv", content, schema)


@pytest.mark.parametrize(
    "name",
    [
        "smiles",
        "SMILES",
        "Smiles",
        "canonical_smiles",
        "Canonical SMILES",
        "SMILES_parent",
        "#SMILES",
        "isosmiles",
    ],
)
def test_the_one_column_that_is_named_like_smiles_is_taken(name: str) -> None:
    """In any spelling, alone or as a part of a name."""
    piece, columns = table(f"id,{name},note\n1,CCO,x\n".encode())
    assert piece.records == ["CCO"]
    assert columns == ("id", name, "note")


def test_the_plain_name_comes_before_longer_ones() -> None:
    """And what is named by the request before both."""
    content = b"canonical_smiles,smiles\nCC,CCO\n"
    assert table(content)[0].records == ["CCO"]
    assert table(content, RecordSchema(smiles_column="canonical_smiles"))[0].records == ["CC"]


@pytest.mark.parametrize("asked", ["structure", "Structure", "STRUCTURE"])
def test_a_column_by_another_name_is_asked_for(asked: str) -> None:
    """Its name may be spelled in any case."""
    piece, _ = table(b"id,Structure\n1,CCO\n", RecordSchema(smiles_column=asked))
    assert piece.records == ["CCO"]


def test_a_column_of_inchi_is_found_where_none_has_smiles() -> None:
    """By its whole name, which is not that of an InChIKey; SMILES come first."""
    text = b'id,InChIKey,InChI\n1,x,"InChI=1S/CH4O/c1-2/h2H,1H3"\n'
    assert table(text)[0].records == ["InChI=1S/CH4O/c1-2/h2H,1H3"]
    assert table(b"InChI,smiles\nx,CCO\n")[0].records == ["CCO"]


@pytest.mark.parametrize(
    ("content", "schema", "words"),
    [
        (b"a,b\n", SMILES, "need the column smiles; the header has 'a', 'b'"),
        (b"a,b\n", RecordSchema(smiles_column="c"), "need the column c; the header has 'a', 'b'"),
        (b"smiles_1,smiles_2\n", SMILES, "name one by smiles_column"),
        (b"smiles,SMILES\n", SMILES, "name one by smiles_column"),
        (b"c,c\n", RecordSchema(smiles_column="c"), "'c' is there twice"),
        (b"x,y,x\n", NUMBERS, "'x' is there twice"),
    ],
)
def test_what_cannot_be_known_is_asked(content: bytes, schema: RecordSchema, words: str) -> None:
    """The message lists the columns, and how to name one."""
    with pytest.raises(InvalidRequest) as refused:
        table(content, schema)
    assert words in str(refused.value)


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("quoted", [True, False])
def test_cells_are_parted_by_commas_tabs_or_semicolons(delimiter: str, quoted: bool) -> None:
    """Quoted or not; a cell may hold the other characters, and if quoted also line ends."""
    rows = [["id", "smiles", "note"], ["1", "CCO", "a b"], ["2", "CC", "x"]]
    if quoted:
        rows.append(["3", "C", f'say ""{delimiter}""\nagain'])
        rows = [[f'"{cell}"' for cell in row] for row in rows]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    piece, columns = table(text.encode())
    assert columns == ("id", "smiles", "note")
    assert piece.records == ["CCO", "CC", "C"][: len(rows) - 1]
    assert not piece.faults
    if quoted:
        assert piece.carried[2]["note"] == f'say "{delimiter}"\nagain'


def test_numbers_parted_by_semicolons_are_numbers() -> None:
    """For a model of named values, too."""
    assert table(b"y;x\n1;2.5\n", NUMBERS)[0].records == [[2.5, 1.0]]


def test_rows_of_latin_1_are_read() -> None:
    """A spreadsheet on Windows saves so; rows of UTF-8 beside them stay what they are."""
    content = "smiles,name\nCCO,α-Linolensäure\n".encode() + "CC,Äthan 5 µg – €\n".encode("cp1252")
    piece, _ = table(content)
    assert [row["name"] for row in piece.carried] == ["α-Linolensäure", "Äthan 5 µg – €"]
    assert not piece.faults


def test_columns_of_no_name_or_one_name_are_carried() -> None:
    """Spreadsheets write such headers; a number tells them apart."""
    piece, columns = table(b"smiles,note,,note,\nCCO,a,b,c,d\n")
    assert columns == ("smiles", "note", "column_3", "note_2", "column_5")
    assert list(piece.carried[0].values()) == ["CCO", "a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "a", "a_2"], ("a", "a_3", "a_2")),
        (["", "", "column_1"], ("column_1_2", "column_2", "column_1")),
        (["a", "b"], ("a", "b")),
    ],
)
def test_names_are_made_unique(names: list[str], expected: tuple[str, ...]) -> None:
    """No made name is one that the header has elsewhere."""
    assert unique(names) == expected


def test_ndjson_fields_are_named_in_any_case() -> None:
    """The molecule's and a table's; each line by itself."""
    lines = (
        b'{"SMILES": "CCO", "ID": 1}\n{"Canonical_Smiles": "CC"}\n'
        b'{"smiles": "C", "SMILES": "N"}\n{"id": 4}\n'
    )
    piece, _ = read("ndjson", lines)
    assert piece.records == ["CCO", "CC", "C"]
    assert piece.faults == {3: "the object has no field 'smiles'"}
    assert piece.carried[0] == {"SMILES": "CCO", "ID": 1}
    piece, _ = read("ndjson", b'{"X": 1, "y": 2}\n', NUMBERS)
    assert piece.records == [{"x": 1, "y": 2}]
    piece, _ = read("ndjson", b'{"mol": "CCO"}\n{"x_smiles": "C"}\n', RecordSchema(smiles_column="mol"))
    assert piece.records == ["CCO"]
    assert piece.faults == {1: "the object has no field 'mol'"}


def test_a_column_of_smiles_is_for_models_of_molecules() -> None:
    """Another model refuses the request."""

    class Numbers:
        fields, texts = ("x",), frozenset()

    with pytest.raises(InvalidRequest, match="takes no SMILES"):
        RecordSchema.of(Numbers(), "mol")


def test_positions_of_other_delimiters_can_be_gone_back_to() -> None:
    """A run that goes on begins at a record's start."""
    source, parser = open_source("csv", io.BytesIO(b'id;smiles\n1;"C\nC"\n2;N\n'), SMILES)
    source.take(1)
    position = source.position
    assert parser.parse(source.take(5)).records == ["N"]
    source.seek(position)
    assert parser.parse(source.take(5)).records == ["N"]


@pytest.mark.parametrize(
    "content",
    [
        b"sep=;\nsmiles;id\nCCO;1,5\n",
        b'"sep=;"\r\nsmiles;id\r\nCCO;1,5\r\n',
        b"\xef\xbb\xbfSEP=;\r\nsmiles;id\r\nCCO;1,5\r\n",
        b"\n\r\nsep=;\n\nsmiles;id\nCCO;1,5\n",
        b"\n \nsmiles;id\nCCO;1,5\n",
        b"sep=\t\nsmiles\tid\nCCO\t1,5\n",
        b'sep=,\nsmiles,id\nCCO,"1,5"\n',
    ],
)
def test_what_stands_before_the_header_is_no_header(content: bytes) -> None:
    """Blank lines, and the line by which a spreadsheet is told what parts the cells."""
    piece, columns = table(content)
    assert piece.records == ["CCO"]
    assert columns == ("smiles", "id")
    assert piece.carried == [{"smiles": "CCO", "id": "1,5"}]


def test_a_separator_that_is_named_wrongly_is_not_guessed() -> None:
    """The header is shown as it reads then."""
    with pytest.raises(InvalidRequest, match="the header has 'smiles,id'"):
        table(b"sep=;\nsmiles,id\nCCO,1\n")


def test_candidates_without_a_header_may_follow_blank_lines() -> None:
    """The first row is not lost."""
    row = ",".join(map(str, range(20, 28))).encode()
    piece, _ = read("csv", b"\n\n" + row + b"\n" + row + b"\n", RecordSchema(CANDIDATES))
    assert len(piece.records) == 2
