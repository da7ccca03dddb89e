"""Crippen's logP and molar refractivity without explicit hydrogens.

S. A. Wildman, G. M. Crippen, J. Chem. Inf. Comput. Sci. 39 (1999) 868. RDKit types the atoms of a
molecule once for the surface descriptors and, for logP, again with all hydrogens added. The
contribution of a hydrogen follows from its neighbourhood in a few simple cases (types H1 to H4), so
the second pass is not needed. A molecule with any other hydrogen, which is rare, takes it.
"""

from collections.abc import Iterable

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

# Contribution of one hydrogen to logP and to the molar refractivity (table 1 of the paper).
_Contribution = tuple[float, float]
_H1: _Contribution = (0.1230, 1.057)  # on carbon
_H2: _Contribution = (-0.2677, 1.395)  # of alcohols and phenols
_H3: _Contribution = (0.2142, 0.9627)  # on nitrogen, and of hydroxylamines
_H4: _Contribution = (0.2980, 1.805)  # of acids and enols
_CARBON, _NITROGEN, _OXYGEN, _PHOSPHORUS, _SULFUR = 6, 7, 8, 15, 16
_ON = {_CARBON: _H1, _NITROGEN: _H3}
_ON_OXYGEN_AT = {_NITROGEN: _H3, _OXYGEN: _H4, _SULFUR: _H4, _PHOSPHORUS: _H2}


def logp_and_refractivity(molecule: Chem.Mol, atoms: Iterable[tuple[int, int]]) -> tuple[float, float]:
    """LogP (log10 units) and molar refractivity (cm³/mol) of a sanitised molecule.

    ``atoms``: the atomic number and the hydrogen count of each atom, in order.
    """
    total: _Contribution = rdMolDescriptors.CalcCrippenDescriptors(molecule, includeHs=False)
    logp, refractivity = total
    for index, (element, hydrogens) in enumerate(atoms):
        if not hydrogens:
            continue
        per_hydrogen = of_hydrogen(molecule.GetAtomWithIdx(index), element)
        if per_hydrogen is None:
            exact: _Contribution = rdMolDescriptors.CalcCrippenDescriptors(molecule, force=True)
            return exact
        logp += hydrogens * per_hydrogen[0]
        refractivity += hydrogens * per_hydrogen[1]
    return logp, refractivity


def of_hydrogen(atom: Chem.Atom, element: int) -> tuple[float, float] | None:
    """What one hydrogen on an atom adds to both; None if its neighbourhood is none of the simple cases."""
    return _on_oxygen(atom) if element == _OXYGEN else _ON.get(element)


def _on_oxygen(oxygen: Chem.Atom) -> _Contribution | None:
    """The contribution of the hydrogen of a hydroxyl group; None for an unusual group."""
    neighbours = oxygen.GetNeighbors()
    if len(neighbours) != 1:
        return None
    neighbour = neighbours[0]
    if neighbour.GetAtomicNum() != _CARBON:
        return _ON_OXYGEN_AT.get(neighbour.GetAtomicNum())
    if neighbour.GetIsAromatic() or neighbour.GetTotalDegree() == 4:
        return _H2
    doubles = [bond for bond in neighbour.GetBonds() if bond.GetBondType() == Chem.BondType.DOUBLE]
    partners = {bond.GetOtherAtom(neighbour).GetAtomicNum() for bond in doubles}
    return _H4 if partners & {_CARBON, _NITROGEN, _OXYGEN, _SULFUR} else None
