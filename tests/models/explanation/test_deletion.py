"""Deleting atoms leaves a molecule that chemistry knows; the sets are parts that a chemist names."""

import pytest
from rdkit import Chem

from models.explanation.deletion import deletions, functional_groups, kekulized, without

NITROBENZENE = "O=[N+]([O-])c1ccccc1"


def left_of(smiles: str, atoms: set[int]) -> str | None:
    """The SMILES of what a deletion leaves."""
    made = without(kekulized(Chem.MolFromSmiles(smiles)), frozenset(atoms))
    return None if made is None else Chem.MolToSmiles(made)


@pytest.mark.parametrize(
    ("smiles", "atoms", "left"),
    [
        ("CCO", {2}, "CC"),
        ("CCO", {1}, "C.O"),
        (NITROBENZENE, {0, 1, 2}, "c1ccccc1"),
        (NITROBENZENE, {3, 4, 5, 6, 7, 8}, "O=[NH+][O-]"),
        ("c1ccccc1", {0}, "C=CC=CC"),
        ("CC(=O)N", {2}, "CCN"),
        ("C[N+](C)(C)C", {0}, "C[NH+](C)C"),
        ("CCO", {0, 1, 2}, None),
    ],
)
def test_what_is_left_has_hydrogens_in_place_of_bonds(smiles: str, atoms: set[int], left) -> None:
    """A whole molecule leaves nothing."""
    assert left_of(smiles, atoms) == left


@pytest.mark.parametrize("smiles", ["c1cc[nH]c1", "c1ccc2[nH]ccc2c1", NITROBENZENE, "CS(=O)(=O)c1cnco1"])
def test_nothing_is_left_with_an_open_valence(smiles: str) -> None:
    """Of every atom that is deleted, in aromatic rings too."""
    for index in range(Chem.MolFromSmiles(smiles).GetNumAtoms()):
        left = left_of(smiles, {index})
        assert left is not None
        assert not any(atom.GetNumRadicalElectrons() for atom in Chem.MolFromSmiles(left).GetAtoms())


@pytest.mark.parametrize(
    ("smiles", "groups"),
    [
        (NITROBENZENE, [{0, 1, 2}]),
        ("CCC(=O)O", [{2, 3, 4}]),
        ("C=CC(=O)OC", [{0, 1, 2, 3, 4}]),
        ("CCCC", []),
        ("c1ccncc1", []),
        ("NCCO", [{0}, {3}]),
    ],
)
def test_functional_groups_are_those_of_ertl(smiles: str, groups: list[set[int]]) -> None:
    """Heteroatoms with what is bound to them by several bonds; aromatic atoms are no group."""
    assert functional_groups(Chem.MolFromSmiles(smiles)) == [frozenset(group) for group in groups]


@pytest.mark.parametrize("smiles", ["C", "CCO", NITROBENZENE, "CC12CCC3C(CCC4=CC(=O)CCC43C)C1CCC2O"])
def test_deletions_are_different_parts_within_the_limit(smiles: str) -> None:
    """Groups, rings and every single atom of a small molecule; never the whole of it."""
    molecule = Chem.MolFromSmiles(smiles)
    size = molecule.GetNumAtoms()
    found = deletions(molecule, 60)
    assert len(set(found)) == len(found) <= 60
    assert all(0 < len(atoms) < size for atoms in found)
    assert all(frozenset((index,)) in found for index in range(size) if size > 1)
    assert deletions(molecule, 3) == found[:3]
