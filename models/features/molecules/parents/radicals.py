"""Unpaired electrons: hydrogens that a record lacks, stable radicals, and sandwich compounds."""

from rdkit import Chem
from rdkit.Chem import rdqueries

from models.features.molecules.parents.metals import (
    COVALENT,
    PLAIN,
    Warnings,
    is_metal,
    name_of,
    with_article,
)
from models.features.molecules.reading import Unreadable

_CARBON = 6

# Nitroxides; hydrazyls between rings, as DPPH; phenoxyls that two tert-butyl groups shield; trityls.
_STABLE = Chem.MolFromSmarts(
    "[$([OX1]-[#7X3]),$([#7X2](-c)-[#7X3](-c)-c),$([OX1]-c(c-C(C)(C)C)c-C(C)(C)C),$([CX3](-c)(-c)-c)]"
)
_OPEN_SHELL = rdqueries.NumRadicalElectronsGreaterQueryAtom(0)


def _pattern(atom: Chem.QueryAtom) -> Chem.Mol:
    pattern = Chem.RWMol()
    pattern.AddAtom(atom)
    return pattern.GetMol()


_ANY_OPEN_SHELL = _pattern(_OPEN_SHELL)  # quicker to match than the atoms are to list


def unpaired(molecule: Chem.Mol) -> tuple[list[Chem.Atom], list[Chem.Atom]]:
    """The atoms with unpaired electrons of a sanitised molecule: stable radicals, and all others.

    Metals are not looked at, nor atoms that accept a dative bond, as the oxygen of ``CS(C)->[O]``.
    """
    if not molecule.HasSubstructMatch(_ANY_OPEN_SHELL):
        return [], []
    open_shell = [
        atom
        for atom in molecule.GetAtomsMatchingQuery(_OPEN_SHELL)
        if not is_metal(atom) and not _accepts(atom)
    ]
    if not open_shell:
        return [], []
    stable = {index for (index,) in molecule.GetSubstructMatches(_STABLE)}

    def is_stable(atom: Chem.Atom) -> bool:
        return atom.GetNumRadicalElectrons() == 1 and atom.GetIdx() in stable

    return [a for a in open_shell if is_stable(a)], [a for a in open_shell if not is_stable(a)]


def _accepts(atom: Chem.Atom) -> bool:
    return any(
        bond.GetBondType() == Chem.BondType.DATIVE and bond.GetEndAtomIdx() == atom.GetIdx()
        for bond in atom.GetBonds()
    )


def with_ligands_drawn(molecule: Chem.Mol) -> tuple[Chem.Mol, bool]:
    """The record with the ligands of sandwich compounds as rings with double bonds; not sanitised.

    Ferrocene is drawn with two anions, with ten bonds (which are cut before), and, beside an iron atom,
    with two or ten radicals. Adjacent carbons that are open get a double bond, and the last one of a
    ring is an anion. Also returns whether there were such radicals.
    """
    editable = Chem.RWMol(molecule)
    metals = [atom for atom in editable.GetAtoms() if is_metal(atom)]
    transition = [atom for atom in metals if atom.GetAtomicNum() not in PLAIN | COVALENT]
    if not transition:
        return molecule, False
    metal = transition[0]
    carbons = [atom for atom in editable.GetAtoms() if atom.GetAtomicNum() == _CARBON]
    cut = {a.GetIdx() for a in carbons if a.GetFormalCharge() == -1 and not a.GetIsAromatic()}
    radicals = {a.GetIdx() for a in carbons if a.GetNumRadicalElectrons() == 1}
    any_radical = bool(radicals)
    for left, charge in ((cut, -1), (radicals, 0)):
        while (pair := _next_pair(editable, left)) is not None:
            left.difference_update(pair)
            editable.GetBondBetweenAtoms(*pair).SetBondType(Chem.BondType.DOUBLE)
            metal.SetFormalCharge(metal.GetFormalCharge() + 2 * charge)
            for index in pair:
                editable.GetAtomWithIdx(index).SetFormalCharge(0)
                editable.GetAtomWithIdx(index).SetNumRadicalElectrons(0)
    for index in radicals:
        editable.GetAtomWithIdx(index).SetNumRadicalElectrons(0)
        editable.GetAtomWithIdx(index).SetFormalCharge(-1)
        metal.SetFormalCharge(metal.GetFormalCharge() + 1)
    return editable.GetMol(), any_radical


def _next_pair(editable: Chem.RWMol, left: set[int]) -> tuple[int, int] | None:
    """Two of these atoms with a single bond: the one with the fewest such neighbours, and one."""
    around = {
        index: {
            bond.GetOtherAtomIdx(index)
            for bond in editable.GetAtomWithIdx(index).GetBonds()
            if bond.GetBondType() == Chem.BondType.SINGLE
        }
        & left
        for index in left
    }
    paired = [index for index, others in around.items() if others]
    if not paired:
        return None
    first = min(paired, key=lambda index: (len(around[index]), index))
    return first, min(around[first], key=lambda index: (len(around[index]), index))


def warnings_of_radicals(molecule: Chem.Mol) -> Warnings:
    """The warning of a stable radical; raises ``Unreadable`` for any other."""
    stable, others = unpaired(molecule)
    if others:
        name = name_of(others[0].GetSymbol())
        which = (
            f"{with_article(name)} atom has"
            if len(others) == 1
            else f"{len(others)} atoms, the first {name}, have"
        )
        raise Unreadable(
            f"{which} an open valence: is a hydrogen missing? An atom in square brackets has only the"
            " hydrogens that are written, as in [CH3]"
        )
    if not stable:
        return ()
    return (("radical", "the molecule is a radical; the model has learned from very few of them"),)
