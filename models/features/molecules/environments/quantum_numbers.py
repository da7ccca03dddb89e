"""The molecular quantum numbers of a block of molecules, counted in its arrays.

RDKit counts rotatable bonds by a pattern of fifty atoms, which takes it longer than all else. Here the
two ends of a bond are looked up among the ``ROTOR`` stars.
"""

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from models.features.molecules.descriptors import LINKAGES
from models.features.molecules.environments.atoms import AROMATIC_BIT, BOND_ORDERS, IN_RING, AtomBlock
from models.features.molecules.environments.stars import Star, as_star

# What an end of a rotatable bond is not: of a triple bond, a trihalomethyl or tert-butyl group. What an
# end of an amide or amidinium bond is: the carbon, and what the nitrogen or oxygen sees of it.
_NO_ENDS = (
    "*#*", "C(F)(F)F", "C(Cl)(Cl)Cl", "C(Br)(Br)Br", "C([CH3])([CH3])[CH3]",
)  # fmt: skip
_AMIDE_CARBONS = ("[CD3](=[N,O,S])-!@[#7,O,S&!D1]", "[CD3](=[N+])-!@[#7&!D1]")
_ACYL, _IMINIUM = "[CD3]=[N,O,S]", "[CD3]=[N+]"
_ACYLATED, _IMINIUM_BOUND = "[#7,O,S&!D1]", "[#7&!D1]"
#: The carbon of what RDKit's strict linkages take for an amide, and all of it.
_AMIDE = "[C&!R](=O)N"
_WHOLE_AMIDE = Chem.MolFromSmarts(f"{_AMIDE}C")
_SMARTS = (*_NO_ENDS, *_AMIDE_CARBONS, _ACYL, _IMINIUM, _ACYLATED, _IMINIUM_BOUND, _AMIDE)

_ELEMENTS = (6, 9, 17, 35, 53, 16, 15)
_CARBON, _NITROGEN, _OXYGEN = 6, 7, 8
_SMALLEST_RING, _LARGEST_RING = 3, 10
_MOST_BONDS = 4


def rotor_stars() -> tuple[Star, ...]:
    """The stars that are asked of the ends of rotatable bonds."""
    return tuple(star for smarts in _SMARTS if (star := as_star(Chem.MolFromSmarts(smarts))))


def count_block(block: AtomBlock, matches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The numbers of ``quantum_numbers``, shape ``(m, 42)``; ``matches``: of the ``rotor_stars``."""
    number = len(block.molecules)

    once = block.sources < block.targets
    bond_owners = block.owners[block.sources[once]]
    order, ringed = BOND_ORDERS[block.bonds[once]], IN_RING[block.bonds[once]]

    def atoms(chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(block.owners[chosen], minlength=number)

    def bonds(chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(bond_owners[chosen], minlength=number)

    cyclic = block.rings > 0
    nitrogen, oxygen = block.elements == _NITROGEN, block.elements == _OXYGEN
    charges = block.charges
    aromatic = bonds(order == 3)
    every = np.ones(len(block.owners), np.bool_)
    donors = (nitrogen | oxygen) & (block.hydrogens > 0)
    hydrogens = block.hydrogens * donors
    acceptors = (nitrogen & (block.degrees != _MOST_BONDS)) | oxygen
    sites = acceptors * np.where(nitrogen, 1, np.where(charges == -1, 3, 2))
    rings = np.clip(block.ring_sizes, 0, _LARGEST_RING)
    columns = [
        *(atoms(block.elements == element) for element in _ELEMENTS),
        *(atoms(kind & where) for kind in (nitrogen, oxygen) for where in (~cyclic, cyclic)),
        atoms(every),
        *(bonds((order == double) & ~ringed) for double in (2, 4, 6)),
        bonds((order == 2) & ringed) + aromatic - aromatic // 2,
        bonds((order == 4) & ringed) + aromatic // 2,
        bonds((order == 6) & ringed),
        bonds(_rotatable(block, matches)[once]),
        np.bincount(block.owners, sites, number), atoms(acceptors),
        np.bincount(block.owners, hydrogens, number), atoms(donors),
        atoms(charges < 0), atoms(charges > 0),
        atoms(block.degrees == 1),
        *(
            atoms((block.degrees == degree) & where)
            for where in (~cyclic, cyclic)
            for degree in (2, 3, 4)
        ),
        *(
            np.bincount(block.ring_owners[rings == size], minlength=number)
            for size in range(_SMALLEST_RING, _LARGEST_RING + 1)
        ),
        atoms(block.rings > 1),
        bonds(block.bond_rings[once] > 1),
    ]  # fmt: skip
    return np.column_stack(columns).astype(np.float32)


def count_linkages(block: AtomBlock, matches: NDArray[np.uint8]) -> NDArray[np.intp]:
    """The rotatable bonds by RDKit's ``LINKAGES``, shape ``(m,)``; ``matches``: of the ``rotor_stars``.

    These are the single bonds outside rings between atoms of two or more neighbours, less the triple
    bonds of carbon and the amides. Molecules with a bond between two aromatic rings, which symmetry may
    take out, are counted by RDKit.
    """
    number = len(block.molecules)
    ends, order = block.owners[block.sources], BOND_ORDERS[block.bonds]
    single = (order == 2) & ~IN_RING[block.bonds]
    inner, aromatic = block.degrees != 1, block.plain_kinds & AROMATIC_BIT > 0
    carbon = (block.elements == _CARBON) & ~aromatic
    other = (block.elements == _CARBON) | (block.elements == _NITROGEN)

    def bonds(chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(ends[chosen & (block.sources < block.targets)], minlength=number)

    def between(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> NDArray[np.bool_]:
        start, end = block.sources, block.targets
        joined: NDArray[np.bool_] = (one[start] & two[end]) | (two[start] & one[end])
        return joined

    triple = bonds((order == 6) & between(carbon, other))
    found: NDArray[np.intp] = np.maximum(bonds(single & between(inner, inner)) - triple, 0)
    amides = np.bincount(block.owners[matches[:, _SMARTS.index(_AMIDE)] > 0], minlength=number)
    for at in np.flatnonzero((found > 0) & (amides > 0)).tolist():
        found[at] = max(found[at] - _apart(block.molecules[at]), 0)
    for at in np.unique(ends[single & between(aromatic, aromatic)]).tolist():
        found[at] = rdMolDescriptors.CalcNumRotatableBonds(block.molecules[at], LINKAGES)
    return found


def _apart(molecule: Chem.Mol) -> int:
    """How many of a molecule's amides have no atom in common with those before."""
    seen, number = set[int](), 0
    for match in molecule.GetSubstructMatches(_WHOLE_AMIDE):
        number += seen.isdisjoint(match)
        seen.update(match)
    return number


def _rotatable(block: AtomBlock, matches: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which bonds, in either direction, are rotatable by RDKit's strict pattern."""
    found = {smarts: matches[:, column].astype(np.bool_) for column, smarts in enumerate(_SMARTS)}
    end = block.degrees != 1
    for smarts in _NO_ENDS:
        end = end & ~found[smarts]
    single = (BOND_ORDERS[block.bonds] == 2) & ~IN_RING[block.bonds]
    amide = np.zeros(len(end), np.bool_)
    for smarts in _AMIDE_CARBONS:
        amide |= found[smarts]
    for hetero, carbon in ((_ACYLATED, _ACYL), (_IMINIUM_BOUND, _IMINIUM)):
        bound = single & found[hetero][block.sources] & found[carbon][block.targets]
        amide[block.sources[bound]] = True
    free = end & ~amide
    rotatable: NDArray[np.bool_] = (
        single & end[block.sources] & end[block.targets] & (free[block.sources] | free[block.targets])
    )
    return rotatable
