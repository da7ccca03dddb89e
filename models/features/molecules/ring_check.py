"""A cheap check of a ring system before RDKit perceives its rings.

Ring perception lists all shortest rings. A macrocycle of n para-linked rings has 2ⁿ of them, one for
each choice of sides: 16 phenylenes take RDKit half a minute, 20 take gigabytes of memory. The cause is
the number of shortest paths between two atoms, which is counted here first.
"""

from rdkit import Chem

# Fewer rings than this cannot have many shortest paths and need no check.
FEW_RINGS = 9


def ring_count(molecule: Chem.Mol) -> int:
    """The number of independent rings without ring perception; one too few per extra fragment."""
    count: int = molecule.GetNumBonds() - molecule.GetNumAtoms() + 1
    return count


def has_more_shortest_paths(molecule: Chem.Mol, most: int) -> bool:
    """Whether some two atoms are joined by more than ``most`` shortest paths of ring bonds."""
    neighbours = _ring_neighbours(molecule)
    return any(_most_paths_from(start, neighbours) > most for start in neighbours)


def _most_paths_from(start: int, neighbours: dict[int, list[int]]) -> int:
    """The largest number of shortest paths from ``start`` to any atom, by breadth-first search."""
    paths = {start: 1}
    front = paths
    while front:
        next_front: dict[int, int] = {}
        for atom, number in front.items():
            for neighbour in neighbours[atom]:
                if neighbour not in paths:
                    next_front[neighbour] = next_front.get(neighbour, 0) + number
        paths |= next_front
        front = next_front
    return max(paths.values())


def _ring_neighbours(molecule: Chem.Mol) -> dict[int, list[int]]:
    """For each atom in a ring the atoms to which a ring bond joins it."""
    copy = Chem.Mol(molecule)
    Chem.FastFindRings(copy)  # a depth-first search: quick for any graph
    neighbours: dict[int, list[int]] = {}
    for bond in copy.GetBonds():
        if bond.IsInRing():
            start, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            neighbours.setdefault(start, []).append(end)
            neighbours.setdefault(end, []).append(start)
    return neighbours
