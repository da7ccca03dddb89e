"""Crippen's logP and molar refractivity without making hydrogens explicit.

S. A. Wildman, G. M. Crippen, J. Chem. Inf. Comput. Sci. 39 (1999) 868. RDKit types the atoms of a
molecule once for the surface descriptors and, for logP, once more with all hydrogens added. What
a hydrogen adds depends on its neighbourhood in a few plain ways (types H1 to H4), so the second
pass is spared; the rare molecule with another kind of hydrogen takes it.
"""

from collections.abc import Iterable

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

_Contribution = tuple[float, float]
_H1: _Contribution = (0.1230, 1.057)  # on carbon
_H2: _Contribution = (-0.2677, 1.395)  # of alcohols and phenols
_H3: _Contribution = (0.2142, 0.9627)  # on nitrogen, and of hydroxylamines
_H4: _Contribution = (0.2980, 1.805)  # of acids and enols
_CARBON, _NITROGEN, _OXYGEN, _PHOSPHORUS, _SULFUR = 6, 7, 8, 15, 16
_ON_OXYGEN_AT = {_NITROGEN: _H3, _OXYGEN: _H4, _SULFUR: _H4, _PHOSPHORUS: _H2}


def logp_and_refractivity(molecule: Chem.Mol, atoms: Iterable[tuple[int, int]]) -> tuple[float, float]:
    """The two descriptors; ``atoms`` are each atom's atomic number and hydrogen count."""
    total: _Contribution = rdMolDescriptors.CalcCrippenDescriptors(molecule, includeHs=False)
    logp, refractivity = total
    for index, (element, hydrogens) in enumerate(atoms):
        if not hydrogens:
            continue
        if element == _CARBON:
            each: _Contribution | None = _H1
        elif element == _NITROGEN:
            each = _H3
        elif element == _OXYGEN:
            each = _on_oxygen(molecule.GetAtomWithIdx(index))
        else:
            each = None
        if each is None:
            exact: _Contribution = rdMolDescriptors.CalcCrippenDescriptors(molecule, force=True)
            return exact
        logp += hydrogens * each[0]
        refractivity += hydrogens * each[1]
    return logp, refractivity


def _on_oxygen(oxygen: Chem.Atom) -> _Contribution | None:
    """What the hydrogen of a hydroxyl group adds; None for a group out of the ordinary."""
    neighbours = oxygen.GetNeighbors()
    if len(neighbours) != 1:
        return None
    neighbour = neighbours[0]
    if neighbour.GetAtomicNum() != _CARBON:
        return _ON_OXYGEN_AT.get(neighbour.GetAtomicNum())
    if neighbour.GetIsAromatic() or neighbour.GetTotalDegree() == 4:
        return _H2
    doubles = [bond for bond in neighbour.GetBonds() if bond.GetBondType() == Chem.BondType.DOUBLE]
    others = {bond.GetOtherAtom(neighbour).GetAtomicNum() for bond in doubles}
    return _H4 if others & {_CARBON, _NITROGEN, _OXYGEN, _SULFUR} else None
