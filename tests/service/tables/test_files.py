"""Kinds of files by their names and contents: lists of SMILES, compressed files, and wrong names."""

import gzip
import io
from pathlib import Path

import pytest

from service.errors import InvalidRequest, MalformedInput
from service.tables import RecordSchema, kind_of, open_file, open_source, output_kind_of
from tests.service.tables.test_tables import NUMBERS, read


@pytest.mark.parametrize(
    ("content", "records", "names"),
    [
        (b"CCO ethanol\nCC\n", ["CCO", "CC"], ["ethanol", ""]),
        (b"CCO\tethanol, 96 %\r\nCC\tethane\r\n", ["CCO", "CC"], ["ethanol, 96 %", "ethane"]),
        (b"\xef\xbb\xbfCCO 1\n\n  CC 2\n", ["CCO", "CC"], ["1", "2"]),
        (b"# made by hand\nCCO a\n#CC b\n", ["CCO"], ["a"]),
        (b"smiles name\nCCO ethanol\n", ["CCO"], ["ethanol"]),
        (b"CC(C)[C@H](F)Cl |&1:1| x\n", ["CC(C)[C@H](F)Cl"], ["|&1:1| x"]),
        ("CCO Äthanol\n".encode("latin-1"), ["CCO"], ["Äthanol"]),
    ],
)
def test_a_list_of_smiles_has_names_after_them(
    content: bytes, records: list[str], names: list[str]
) -> None:
    """Parted by blanks or tabs; blank lines, comments and a header are no molecules."""
    piece, columns = read("smi", content)
    assert columns == ("smiles", "name")
    assert piece.records == records
    assert [row["name"] for row in piece.carried] == names


@pytest.mark.parametrize(
    "content",
    [b"SMILES\tID\nCCO\t7\n", b"id,smiles\n7,CCO\n", b"#SMILES\tSample ID\nCCO\t7\n"],
)
def test_a_text_with_a_header_is_a_table(content: bytes) -> None:
    """Its columns keep their names."""
    piece, columns = read("smi", content)
    assert piece.records == ["CCO"]
    assert len(columns) == 2
    assert "7" in piece.carried[0].values()


def test_a_list_is_for_models_of_molecules() -> None:
    """Another model needs the names of its columns."""
    with pytest.raises(InvalidRequest, match="need the column x"):
        open_source("smi", io.BytesIO(b"1 2\n"), NUMBERS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "csv"), ("a.TSV", "tsv"), ("a.smi", "smi"), ("a.txt", "smi"), ("a.sdf.gz", "sdf"),
        ("a.csv.GZ", "csv"), ("a.ndjson.gz", "ndjson"), ("a.b.parquet", "parquet"), ("a.smi.gz", "smi"),
    ],
)  # fmt: skip
def test_the_ending_tells_the_kind(name: str, kind: str) -> None:
    """In any spelling, with or without compression."""
    assert kind_of(Path(name)) == kind


@pytest.mark.parametrize("name", ["a", "a.gz", "a.xls", "a.mol2"])
def test_an_unknown_ending_is_refused(name: str) -> None:
    """The message lists the known ones."""
    with pytest.raises(InvalidRequest, match=r"\.smi"):
        kind_of(Path(name))


@pytest.mark.parametrize("name", ["a.sdf", "a.smi", "a.csv.gz", "a.txt", "a"])
def test_results_have_fewer_kinds(name: str) -> None:
    """A name that promises another kind is refused before any work."""
    with pytest.raises(InvalidRequest, match="cannot be written"):
        output_kind_of(Path(name))


def test_a_compressed_file_reads_as_its_content(tmp_path: Path) -> None:
    """And can be sought in, as a run that goes on needs it."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"smiles\nCCO\nCC\n"))
    with open_file(path) as file:
        source, parser = open_source("csv", file, RecordSchema())
        assert parser.parse(source.take(1)).records == ["CCO"]
        position = source.position
        assert parser.parse(source.take(5)).records == ["CC"]
        source.seek(position)
        assert parser.parse(source.take(5)).records == ["CC"]


@pytest.mark.parametrize(
    "content", [b"smiles\nC\n", gzip.compress(b"smiles\nC\n" * 99, mtime=0)[:-9], b""]
)
def test_a_damaged_compressed_file_is_told(tmp_path: Path, content: bytes) -> None:
    """One that is cut, or that is not compressed at all; an empty one has no header."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(content)
    if not content:
        with open_file(path) as file, pytest.raises(InvalidRequest, match="no header"):
            open_source("csv", file, RecordSchema())
        return
    with pytest.raises(MalformedInput, match="not whole, or not compressed"):
        open_file(path)


@pytest.mark.parametrize("kind", ["csv", "ndjson", "smi", "sdf"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"smiles\nC\n", mtime=0), "gzip"),
        (b"PK\x03\x04rest", "workbook or a zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "workbook"),
        (b"PAR1rest", "Parquet"),
        ("smiles\nC\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_contents_under_a_wrong_name_are_named(kind: str, content: bytes, words: str) -> None:
    """The message says what it is and what to do."""
    with pytest.raises(MalformedInput, match=words):
        open_source(kind, io.BytesIO(content), RecordSchema())
