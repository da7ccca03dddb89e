"""From SMILES to parent: what is kept, removed, repaired and refused."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import (
    MAX_CHARACTERS,
    MAX_HEAVY_ATOMS,
    Unreadable,
    parent,
    read_smiles,
)
from models.features.molecules.standardise import standardise


def standard(smiles):
    """The parent of a SMILES text."""
    return standardise(read_smiles(smiles), smiles)


@pytest.mark.parametrize(
    ("smiles", "parent_smiles", "removed"),
    [
        ("OCC", "CCO", ()),
        ("CCO.Cl", "CCO", ("Cl",)),
        ("[Na+].CC([O-])=O", "CC(=O)O", ("[Na+]",)),
        ("CC[NH3+].[Cl-]", "CCN", ("[Cl-]",)),
        ("O.O.CCO.CCN", "CCN", ("CCO", "O", "O")),
        ("N[C@@H](C)C(=O)O", "CC(N)C(=O)O", ()),
        ("[NH3+][C@@H](C)C([O-])=O", "CC(N)C(=O)O", ()),
        ("C/C=C/C", "CC=CC", ()),
        ("[2H]C([2H])([2H])[13CH2]O", "CCO", ()),
        ("[CH3:1][CH2:2][OH:3]", "CCO", ()),
        ("[H]C([H])([H])O", "CO", ()),
        ("CN(=O)=O", "C[N+](=O)[O-]", ()),
        ("CS(C)=O", "C[S+](C)[O-]", ()),
        ("CC(=O)O[Na]", "CC(=O)O", ("[Na+]",)),
        ("[Na+].[Cl-]", "Cl", ("[Na+]",)),
        ("[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1", "c1cc[cH-]c1", ("[Fe+2]", "c1cc[cH-]c1")),
    ],
)
def test_the_parent_is_the_largest_organic_fragment_made_neutral(smiles, parent_smiles, removed):
    """Salts, solvents, charges, stereo, isotopes and atom maps are removed; fragments are listed."""
    found = standard(smiles)
    assert (found.smiles, found.removed, found.repaired) == (parent_smiles, removed, "")


@pytest.mark.parametrize(
    ("smiles", "parent_smiles", "words"),
    [
        ("C1=CC=C(C=C1)c1nc2ccccc2n1", "c1ccc(-c2nc3ccccc3[nH]2)cc1", "pyrrole-like nitrogen"),
        ("c1ccc2nccc2c1", "c1ccc2[nH]ccc2c1", "pyrrole-like nitrogen"),
        ("c1cncn1.c1cncn1", "c1c[nH]cn1", "pyrrole-like nitrogen"),
        ("[Cl-][Pt]1([Cl-])[NH]CC[NH]1", "NCCN", "taken as ionic"),
    ],
)
def test_a_plain_slip_of_the_pen_is_mended_and_told(smiles, parent_smiles, words):
    """A missing pyrrolic hydrogen or an ionic bond drawn as covalent does not lose the record."""
    found = standard(smiles)
    assert found.smiles == parent_smiles
    assert words in found.repaired


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("", "the SMILES is empty; give a molecule"),
        (" \t ", "the SMILES is empty; give a molecule"),
        (None, "a molecule is a SMILES string; give text"),
        (5, "a molecule is a SMILES string; give text"),
        (["CCO"], "a molecule is a SMILES string; give text"),
        ("CC[Na", "not a valid SMILES: syntax error around position 5"),
        ("C1CC", "not a valid SMILES: unclosed ring"),
        ("CCO CCN", "not a valid SMILES: syntax error around position 4"),
        ("CCO>>CC", "not a valid SMILES: syntax error around position 4"),
        ("é", "not a valid SMILES: it holds characters that no SMILES has"),
        ("C\nC", "not a valid SMILES: it holds characters that no SMILES has"),
        ("C\x00C", "not a valid SMILES: it holds characters that no SMILES has"),
        ("c1cccc1", "not a valid SMILES: Can't kekulize mol. Unkekulized atoms: 0 1 2 3 4"),
        (
            "C(C)(C)(C)(C)C",
            "not a valid SMILES: atom 1, C, has 5 bonds, more than it can have",
        ),
        ("[H][H]", "the molecule has no heavy atom; give one that has"),
        ("*CC", "the SMILES holds a wildcard atom; give a complete molecule"),
        ("C" * 201, "the molecule has 201 heavy atoms; at most 200 are judged"),
        ("C" * 2001, "the SMILES has 2001 characters; at most 2000 are read"),
    ],
)
def test_what_is_no_molecule_is_refused_in_plain_words(record, words):
    """The sentence gives RDKit's own reason where the grammar or a valence is wrong."""
    with pytest.raises(Unreadable) as refusal:
        standard(record)
    assert str(refusal.value) == words


def test_the_limits_themselves_are_allowed():
    """A molecule of as many heavy atoms, written in as many characters, is accepted."""
    assert standard("C" * MAX_HEAVY_ATOMS).parent.GetNumAtoms() == MAX_HEAVY_ATOMS
    wordy = "C([H])([H])" * 181
    assert MAX_CHARACTERS - 11 < len(wordy) <= MAX_CHARACTERS
    assert standard(wordy).parent.GetNumAtoms() == 181


def test_a_huge_kekulisation_fault_gives_a_short_message():
    """RDKit lists every atom; the client gets the start of it."""
    with pytest.raises(Unreadable) as refusal:
        standard("c1ccccc1" * 10 + "c1cccc1" * 10)
    assert len(str(refusal.value)) < 200


def test_nothing_is_printed(capfd):
    """RDKit's complaints about bad records and odd molecules stay out of the service's log."""
    for record in ("CC[Na", "c1cccc1", "C(C)(C)(C)(C)C", "[H+].CCO", "[Fe+2].c1cc[cH-]c1", "CCO"):
        try:
            standard(record)
        except Unreadable:
            continue
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_others_still_hear_rdkit(caplog):
    """Outside a call of ours, RDKit's log works as before."""
    logger = logging.getLogger("rdkit")
    logger.addHandler(caplog.handler)
    try:
        with captured_rdkit_log() as heard:
            Chem.MolFromSmiles("CC(")
        assert any("around position 3" in line for line in heard)
        assert caplog.text == ""
        Chem.MolFromSmiles("CC(")
        assert "around position 3" in caplog.text
    finally:
        logger.removeHandler(caplog.handler)


def test_the_refusal_does_not_repeat_the_molecule():
    """Molecules are confidential: a message that may be logged does not hold one."""
    for record in ("CCCCNCCCC[Na", "C1CCCNCCCC", "CCCCN(C)(C)(C)CCC", "CCCCNCCCC%%"):
        with pytest.raises(Unreadable) as refusal:
            standard(record)
        assert "CCC" not in str(refusal.value)


ODDITIES = [
    "CCO.Cl",
    "[Na+].CC([O-])=O",
    "C[N+](C)(C)CC([O-])=O",
    "CS(C)=O",
    "CC(=O)O[Na]",
    "O=[N+]([O-])c1ccccc1",
    "CCCC[Sn](CCCC)(CCCC)OC(C)=O",
    "OC(=O)CC[NH3+].[Br-]",
    "C[As](C)(=O)O",
    "CCOC(=O)[N-]c1c[n+](N2CCOCC2)no1",
    "C1CC2CCC1CC2",
    "C12C3C4C1C5C2C3C45",
    "c1ccc2c(c1)[nH]c1ccccc12",
    "OB(O)c1ccccc1",
    "C[Si](C)(C)C",
    "CP(=O)(OC)F",
    "CN=[N+]=[N-]",
    "[O-][n+]1ccccc1",
    "OS(=O)(=O)c1ccccc1.N",
]


@given(st.sampled_from(ODDITIES), st.integers(0, 2**31 - 1))
def test_every_way_of_writing_gives_the_same_parent(smiles, seed):
    """The parent does not depend on the order of atoms in the record."""
    molecule = Chem.MolFromSmiles(smiles)
    (other,) = Chem.MolToRandomSmilesVect(molecule, 1, seed)
    assert standard(other).smiles == standard(smiles).smiles


@pytest.mark.parametrize("smiles", ODDITIES)
def test_a_parent_is_its_own_parent(smiles):
    """Standardising twice is standardising once, so training's parents are served unchanged."""
    once = standard(smiles)
    twice = standard(once.smiles)
    assert (twice.smiles, twice.removed) == (once.smiles, ())
    assert Chem.MolToSmiles(twice.parent) == Chem.MolToSmiles(parent(once.smiles))
