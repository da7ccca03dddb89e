"""Stars: patterns of one atom and conditions on its neighbours, which are told from an atom's surroundings.

Most SMARTS patterns of structural keys are stars. Whether one matches at an atom depends on that atom's
class and on the bonds to its neighbours and their classes: not on the rest of the molecule. So RDKit is
asked once for each class of atoms and bonds, and the answer for a star is kept for each surrounding.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

#: A bond and an atom as SMARTS.
Leaf = tuple[str, str]


class Star(NamedTuple):
    """An atom as SMARTS and its leaves: different neighbours that it must have."""

    root: str
    leaves: tuple[Leaf, ...]


def star_at(pattern: Chem.Mol, index: int) -> Star:
    """The star around one atom of a pattern; without the conditions of its neighbours' neighbours."""
    atom = pattern.GetAtomWithIdx(index)
    bonds: Iterable[Any] = atom.GetBonds()  # RDKit's type stub gets GetSmarts wrong
    leaves = ((bond.GetSmarts(), bond.GetOtherAtom(atom).GetSmarts()) for bond in bonds)
    return Star(atom.GetSmarts(), tuple(sorted(leaves)))


def as_star(pattern: Chem.Mol) -> Star | None:
    """The star that a whole pattern is, or None: it reaches further, has a ring or ``$(…)``."""
    atoms = pattern.GetNumAtoms()
    if pattern.GetNumBonds() != atoms - 1 or has_recursion(pattern):
        return None
    for index in range(atoms):
        if pattern.GetAtomWithIdx(index).GetDegree() == atoms - 1:
            return star_at(pattern, index)
    return None


def has_recursion(pattern: Chem.Mol) -> bool:
    """Whether an atom of a pattern asks for another pattern."""
    return "$" in Chem.MolToSmarts(pattern)


class Conditions:
    """Conditions on single atoms or bonds, each a bit of a mask."""

    def __init__(self) -> None:
        self._bits: dict[str, int] = {}
        self._queries: list[Any] = []

    def bit(self, smarts: str, query: Any) -> int:
        """The bit of a condition, which is added if it is new."""
        if smarts not in self._bits:
            self._bits[smarts] = 1 << len(self._queries)
            self._queries.append(query)
        return self._bits[smarts]

    def met_by(self, atom_or_bond: Any) -> int:
        """The mask of the conditions that an atom or bond meets; RDKit says which."""
        return sum(1 << at for at, query in enumerate(self._queries) if query.Match(atom_or_bond))


class StarMatcher:
    """Says which of its stars match at an atom."""

    def __init__(self, stars: Sequence[Star]) -> None:
        """The stars have no ``$(…)``."""
        self.atoms, self.bonds = Conditions(), Conditions()
        self._patterns: list[Chem.Mol] = []  # they own the queries
        self._number = len(stars)
        self._stars = [
            (self._atom(star.root), [(self._bond(bond), self._atom(atom)) for bond, atom in star.leaves])
            for star in stars
        ]
        #: The conditions that are asked of neighbours.
        self.of_neighbours = _union(atom for _, leaves in self._stars for _, atom in leaves)
        # By an atom's mask: the stars that it may be the root of, each with all that its leaves meet.
        self._of_root: dict[int, list[tuple[int, int, Sequence[tuple[int, int]]]]] = {}

    def matches(self, root: int, neighbours: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
        """For each star whether it matches at an atom, shape ``(stars,)``.

        ``root``: the mask of conditions that the atom meets. ``neighbours``: for each neighbour the masks
        of its bond and of itself.
        """
        if root not in self._of_root:
            self._of_root[root] = [
                (place, _union(atom for _, atom in leaves), leaves)
                for place, (own, leaves) in enumerate(self._stars)
                if root & own
            ]
        unmet = ~_union(atom for _, atom in neighbours)
        found = np.zeros(self._number, np.bool_)
        found[
            [
                place
                for place, asked, leaves in self._of_root[root]
                if not asked & unmet and _all_placed(leaves, neighbours)
            ]
        ] = True
        return found

    def _atom(self, smarts: str) -> int:
        pattern = Chem.MolFromSmarts(smarts)
        self._patterns.append(pattern)
        return self.atoms.bit(smarts, pattern.GetAtomWithIdx(0))

    def _bond(self, smarts: str) -> int:
        pattern = Chem.MolFromSmarts(f"*{smarts}*")
        self._patterns.append(pattern)
        return self.bonds.bit(smarts, pattern.GetBondWithIdx(0))


def _union(masks: Iterable[int]) -> int:
    return reduce(or_, masks, 0)


def _all_placed(leaves: Sequence[tuple[int, int]], neighbours: Sequence[tuple[int, int]]) -> bool:
    """Whether each leaf can have a neighbour of its own."""
    if not leaves:
        return True
    (bond, atom), *others = leaves
    return any(
        bond & its_bond
        and atom & its_atom
        and _all_placed(others, [*neighbours[:at], *neighbours[at + 1 :]])
        for at, (its_bond, its_atom) in enumerate(neighbours)
    )
