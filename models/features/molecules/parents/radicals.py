"""Unpaired electrons: hydrogens that a record lacks, and the few radicals that are stable."""

from rdkit import Chem

from models.features.molecules.parents.metals import is_metal

# Nitroxides; hydrazyls between rings, as DPPH; phenoxyls that two tert-butyl groups shield; trityls.
_STABLE = Chem.MolFromSmarts(
    "[$([OX1]-[#7X3]),$([#7X2](-c)-[#7X3](-c)-c),$([OX1]-c(c-C(C)(C)C)c-C(C)(C)C),$([CX3](-c)(-c)-c)]"
)


def unpaired(molecule: Chem.Mol) -> tuple[list[Chem.Atom], list[Chem.Atom]]:
    """The atoms with unpaired electrons of a sanitised molecule: stable radicals, and all others.

    Metals are not looked at.
    """
    open_shell = [a for a in molecule.GetAtoms() if a.GetNumRadicalElectrons() and not is_metal(a)]
    if not open_shell:
        return [], []
    stable = {index for (index,) in molecule.GetSubstructMatches(_STABLE)}

    def is_stable(atom: Chem.Atom) -> bool:
        return atom.GetNumRadicalElectrons() == 1 and atom.GetIdx() in stable

    return [a for a in open_shell if is_stable(a)], [a for a in open_shell if not is_stable(a)]
