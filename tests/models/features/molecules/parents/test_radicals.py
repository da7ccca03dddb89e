"""Atoms that lack a hydrogen, and the radicals that are stable."""

import pytest

from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.reading import Unreadable, read_smiles


@pytest.mark.parametrize(
    "record",
    [
        "OC(=O)C(=O)Nc1cccc(c1)C2=NN=N[N]2",
        "[#6]-[#8]",
        "[#6]1:[#6]:[#6]:[#6]:[#6]:[#6]:1",
        "[CH3:1][C:2](=[O:3])[O:4]",
        "[CH3:1][CH:2][OH:3]",
        "[C:1]1[C:2][C:3][C:4][C:5][C:6]1",
        "[c:1]1[c:2][c:3][c:4][c:5][c:6]1",
        "[CH2]CCC.[CH2]CCC.[CH2]CCC.[Sn]",
        "[CH3]",
        "C[CH]C",
        "CC[O]",
        "CC[S]",
        "C[N]C",
        "[C]",
        "CC=[C]",
        "[C]=O",
        "CN=[C]",
        "CCN.[Cl]",
        "CCO.[H]",
        "c1cc[c]cc1",
        "CC(=O)[O]",
        "CC(=O)N[C]C(=O)O",
        "C[Si](C)C",
        "CC1=C([N]C=N1)C",
        "CN1C=CC=CC1=[N+]",
        "CC[N+]",
        "CC[NH+]CC",
        "C[N+](C)C",
        "CC(=O)[N+].[Cl-]",
    ],
)
def test_an_open_valence_asks_for_the_hydrogen(record):
    """The message says which element it is, and how brackets are read."""
    with pytest.raises(Unreadable, match="open valence: is a hydrogen missing"):
        parent_compound(read_smiles(record), record)


@pytest.mark.parametrize(
    "record",
    [
        "CC1(C)CCCC(C)(C)N1[O]",  # TEMPO
        "CC1(C)CC(O)CC(C)(C)N1[O]",  # TEMPOL
        "CC1(C)CC(=O)CC(C)(C)N1[O]",
        "CC1(C)CC(N)CC(C)(C)N1[O]",
        "CC1(C)CC(C(=O)O)C(C)(C)N1[O]",
        "CC1(C)C(C(N)=O)=CC(C)(C)N1[O]",
        "CC1(C)C(C)(C)[N+]([O-])=C(c2ccccc2)N1[O]",  # PTIO
        "CC(C)(C)N([O])C(C)(C)C",
        "O=[N+]([O-])c1cc([N+](=O)[O-])c([N]N(c2ccccc2)c2ccccc2)c([N+](=O)[O-])c1",  # DPPH
        "c1ccc([C](c2ccccc2)c2ccccc2)cc1",  # trityl
        "CC(C)(C)c1cc(C)cc(C(C)(C)C)c1[O]",
    ],
)
def test_stable_radicals_are_judged_with_a_warning(record):
    """Nitroxides, a hydrazyl, a trityl, a shielded phenoxyl."""
    answer = parent_compound(read_smiles(record), record)
    assert answer.reason == ""
    assert [code for code, _ in answer.warnings] == ["radical"]


@pytest.mark.parametrize(
    "record",
    [
        "CS(C)->[O]",
        "CN(C)(C)->[O]",
        "C[N+](C)(C)C",
        "[O-][n+]1ccccc1",
        "c1cc[nH]c1",
        "[Na].CC(=O)O",
        "C[B-](C)(C)C",
        "[13CH4]",
    ],
)
def test_other_atoms_in_brackets_are_no_radicals(record):
    """Charges, pyrrolic hydrogens, isotopes and metals."""
    assert not parent_compound(read_smiles(record), record).warnings


@pytest.mark.parametrize(
    ("record", "metal"),
    [
        ("CCCC[Sn](CCCC)CCCC", "tin"),
        ("CCCCC[Sn]", "tin"),
        ("C[Sn]C", "tin"),
        ("CC[Sn]=O", "tin"),
        ("C[Sn](C)C.C[Sn](C)C", "tin"),
        ("CC[Hg]", "mercury"),
        ("CC[Hg].[Cl-]", "mercury"),
    ],
)
def test_a_metal_with_an_open_valence_asks_for_what_it_lacks(record, metal):
    """Tin has four bonds and mercury two; PubChem lists such fragments of organometallic compounds."""
    with pytest.raises(
        Unreadable, match=f"the {metal} atom has an open valence: is an atom or an anion"
    ):
        parent_compound(read_smiles(record), record)


@pytest.mark.parametrize(
    "record",
    [
        "C[Sn](C)(C)[Sn](C)(C)C", "C[SnH](C)C", "C[Sn+](C)C", "C[Sn+](C)C.[Cl-]", "CC[Sn](=O)O",
        "CCCC[Sn+2]CCCC.[Cl-].[Cl-]", "C[Hg]C", "CC[Hg+]", "CC[Hg+].[Cl-]",
    ],
)  # fmt: skip
def test_a_metal_with_all_its_bonds_is_judged(record):
    """Charges count as bonds to the anions that a record lacks."""
    answer = parent_compound(read_smiles(record), record)
    assert (answer.reason, [code for code, _ in answer.warnings]) == ("", ["metal"])


@pytest.mark.parametrize("record", ["C~C", "C$C", "C:C", "CC~O.O"])
def test_a_bond_of_a_pattern_is_no_bond_of_a_molecule(record):
    """Any bond, a quadruple one, an aromatic one between atoms that are not aromatic (OpenSMILES)."""
    with pytest.raises(Unreadable, match="one of a pattern"):
        parent_compound(read_smiles(record), record)


@pytest.mark.parametrize(
    ("record", "parent"),
    [("c1:c:c:c:c:c:1", "c1ccccc1"), ("C1:C:C:C:C:C:1", "c1ccccc1"), ("[CH3:1][CH2:2][OH:3]", "CCO")],
)
def test_aromatic_bonds_and_atom_maps_are_read(record, parent):
    """They share the colon with what is refused."""
    assert parent_compound(read_smiles(record), record).smiles == parent
