"""Unpaired electrons: hydrogens that a record lacks, and the few radicals that are stable."""

from rdkit import Chem
from rdkit.Chem import rdqueries

from models.features.molecules.parents.metals import is_metal

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
