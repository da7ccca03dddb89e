"""SD files as programs write them: structures with aromatic bonds, and data of every shape."""

import pytest
from rdkit import Chem

from models.features import NotApplicable
from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.reading import read_smiles
from tests.service.tables.test_tables import read
from tests.support import bundles


def block(smiles: str, **options: bool) -> str:
    """The molfile of a molecule."""
    return Chem.MolToMolBlock(Chem.MolFromSmiles(smiles), **options)


def parents_of(content: str) -> list[str]:
    """The parents of the records of an SD file."""
    piece, _ = read("sdf", content.encode())
    assert not piece.faults
    return [parent_compound(read_smiles(text), text).smiles for text in piece.records]


@pytest.mark.parametrize(
    "smiles",
    ["Oc1ccccc1", "c1ccc2ccccc2c1", "Cc1c[nH]cn1", "c1ccc2[nH]ccc2c1", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"],
)
def test_aromatic_bonds_without_hydrogens_are_read(smiles: str) -> None:
    """Bond type 4, and a pyrrolic nitrogen whose hydrogen no molfile of this kind shows."""
    expected = parent_compound(read_smiles(smiles), smiles).smiles
    assert parents_of(block(smiles, kekulize=False) + "$$$$\n") == [expected]
    assert parents_of(block(smiles) + "$$$$\n") == [expected]


def test_a_blank_line_before_the_end_of_the_tables_is_skipped() -> None:
    """The blank lines of the head are part of it."""
    molfile = block("CCO").replace("M  END", "\n  \nM  END")
    assert parents_of(f"{molfile}> <A>\n1\n\n$$$$\n") == ["CCO"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("> <A>\n1\n\n", {"A": "1"}),
        (">  <A>  (7) \n1\n\n", {"A": "1"}),
        (">  25 <A>\n1\n\n", {"A": "1"}),
        ("><A>\n1\n\n", {"A": "1"}),
        ("> DT12\n1\n\n", {"DT12": "1"}),
        ("> (7)\n1\n\n", {"property": "1"}),
        ("> <>\n1\n\n> <>\n2\n\n", {"property": "1", "property_2": "2"}),
        ("> <A>\n1\n\n> <A>\n2\n\n", {"A": "1", "A_2": "2"}),
        ("> <smiles>\nCC\n\n> <title>\nx\n\n", {"smiles_2": "CC", "title_2": "x"}),
        ("> <A>\none\n\ntwo\n\n> <B>\n3\n\n", {"A": "one\n\ntwo", "B": "3"}),
        ("> <A>\n\n> <B>\n\n", {"A": "", "B": ""}),
        ("> <A>\n1\n> <B>\n2\n", {"A": "1", "B": "2"}),
        ("> <A>\r\n1\r\n\r\n", {"A": "1"}),
        ("> <A>\n> 5 mg\n\n", {"A": "> 5 mg"}),
        ("", {}),
    ],
)
def test_data_of_every_shape_become_columns(data: str, expected: dict[str, str]) -> None:
    """Nameless, numbered, repeated, of several paragraphs, or named as a structure's own columns."""
    piece, columns = read("sdf", f"{block('CCO')}{data}$$$$\n".encode())
    assert columns == ("title", "smiles", *expected)
    assert piece.carried == [{"title": "", "smiles": "CCO", **expected}]
    assert piece.records == ["CCO"]


def test_a_file_of_reactions_is_named() -> None:
    """RXN and RD files are no SD files."""
    for head in ("$RXN\n\n\n\n  1  1\n$MOL\n", "$RDFILE 1\n$DATM 01/01/26\n$MFMT\n"):
        piece, _ = read("sdf", f"{head}{block('CCO')}".encode())
        assert "reactions" in piece.faults[0]


def test_a_polymer_keeps_the_groups_that_say_so() -> None:
    """Its record has them as CXSMILES; a group that only abbreviates is left out."""
    groups = "M  STY  1   1 {}\nM  SAL   1  3   1   2   3\nM  END"
    files = "".join(
        block("CCO").replace("M  END", groups.format(kind)) + "$$$$\n" for kind in ("SRU", "SUP")
    )
    piece, _ = read("sdf", files.encode())
    assert [row["smiles"] for row in piece.carried] == ["CCO", "CCO"]
    outcomes = bundles.JUDGED_MOLECULES.featurizer().featurize(piece.records).outcomes
    assert [isinstance(outcome, NotApplicable) for outcome in outcomes] == [True, False]
    assert piece.records[1] == "CCO"
