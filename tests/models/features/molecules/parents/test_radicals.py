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
    ["C[N+](C)(C)C", "[O-][n+]1ccccc1", "c1cc[nH]c1", "[Na].CC(=O)O", "C[B-](C)(C)C", "[13CH4]"],
)
def test_other_atoms_in_brackets_are_no_radicals(record):
    """Charges, pyrrolic hydrogens, isotopes and metals."""
    assert not parent_compound(read_smiles(record), record).warnings
