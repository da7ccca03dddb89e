"""A cheap look at a ring system before RDKit perceives it.

Ring perception lists all shortest rings. A macrocycle of n para-linked rings has 2ⁿ of them, one
for each choice of sides: with 16 phenylenes RDKit takes half a minute, with 20 gigabytes. What
makes it so, the number of shortest paths between two atoms, is counted here beforehand.
"""

from rdkit import Chem

# Fewer rings than this cannot have many alternatives, and are not looked at.
FEW_RINGS = 9


def ring_count(molecule: Chem.Mol) -> int:
    """The number of independent rings, without perceiving any; short by one per extra fragment."""
    count: int = molecule.GetNumBonds() - molecule.GetNumAtoms() + 1
    return count


def joins_atoms_in_more_ways(molecule: Chem.Mol, most: int) -> bool:
    """Whether more than ``most`` equally short paths of ring bonds join some two atoms."""
    neighbours = _ring_neighbours(molecule)
    return any(_most_ways_from(start, neighbours) > most for start in neighbours)


def _most_ways_from(start: int, neighbours: dict[int, list[int]]) -> int:
    """The largest number of shortest paths from ``start`` to any atom, breadth first."""
    ways = {start: 1}
    front = ways
    most = 1
    while front:
        further: dict[int, int] = {}
        for atom, number in front.items():
            for neighbour in neighbours[atom]:
                if neighbour not in ways:
                    further[neighbour] = further.get(neighbour, 0) + number
        ways |= further
        front = further
        most = max(most, *further.values(), 1)
    return most


def _ring_neighbours(molecule: Chem.Mol) -> dict[int, list[int]]:
    """For each atom in a ring those that it is joined to by a bond in a ring."""
    copy = Chem.Mol(molecule)
    Chem.FastFindRings(copy)  # a depth-first search: quick for any graph
    neighbours: dict[int, list[int]] = {}
    for bond in copy.GetBonds():
        if bond.IsInRing():
            start, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            neighbours.setdefault(start, []).append(end)
            neighbours.setdefault(end, []).append(start)
    return neighbours
