"""A cheap look at a ring system before RDKit perceives it.

Ring perception lists all shortest rings. A macrocycle of n para-linked rings has 2ⁿ of them, one
for each choice of sides: with 16 phenylenes RDKit takes half a minute, with 20 gigabytes. What
makes it so, the number of shortest paths between two atoms, is counted here beforehand.
"""

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

# Fewer rings than this cannot have many alternatives.
FEW_RINGS = 9


def ring_count(molecule: Chem.Mol) -> int:
    """The number of independent rings, without perceiving any; short by one per extra fragment."""
    count: int = molecule.GetNumBonds() - molecule.GetNumAtoms() + 1
    return count


def most_shortest_paths(molecule: Chem.Mol) -> float:
    """The largest number of equally short paths that join two atoms along ring bonds.

    Breadth-first search from all atoms at once: entry (i, j) of ``paths`` counts the paths from
    i to j, found when j is first reached.
    """
    links = _ring_bonds(molecule)
    size = len(links)
    paths = np.eye(size)
    reached = np.eye(size, dtype=np.bool_)
    most, front = 1.0, paths
    while front.any():
        front = np.where(reached, 0.0, front @ links)
        reached |= front > 0
        most = max(most, float(front.max(initial=0.0)))
    return most


def _ring_bonds(molecule: Chem.Mol) -> NDArray[np.float64]:
    """The adjacency matrix of the bonds that lie in a ring."""
    copy = Chem.Mol(molecule)
    Chem.FastFindRings(copy)  # a depth-first search: quick for any graph
    links = np.zeros((copy.GetNumAtoms(), copy.GetNumAtoms()))
    for bond in copy.GetBonds():
        if bond.IsInRing():
            start, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            links[start, end] = links[end, start] = 1.0
    return links
