"""Stars: patterns of one atom with conditions on its neighbours, told from what an atom has around it.

Most SMARTS patterns of structural keys are stars. Whether one matches at an atom depends on that atom's
class and on the bonds to its neighbours and their classes: not on the rest of the molecule. So RDKit is
asked once for each class of atoms and bonds, and the answer for a star is kept for each surrounding.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

#: Atoms with more neighbours are not told by stars.
MOST_NEIGHBOURS = 4

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
        """The number of a condition, which is added if it is new."""
        if smarts not in self._bits:
            self._bits[smarts] = len(self._queries)
            self._queries.append(query)
        return self._bits[smarts]

    def met_by(self, atom_or_bond: Any) -> NDArray[np.bool_]:
        """Which conditions an atom or bond meets, shape ``(conditions,)``; RDKit says which."""
        return np.array([query.Match(atom_or_bond) for query in self._queries], np.bool_)

    def none(self) -> NDArray[np.bool_]:
        """What meets no condition, shape ``(conditions,)``."""
        return np.zeros(len(self._queries), np.bool_)


class StarMatcher:
    """Says which of its stars match at atoms of up to ``MOST_NEIGHBOURS`` neighbours."""

    def __init__(self, stars: Sequence[Star]) -> None:
        """The stars have no ``$(…)``."""
        self.atoms, self.bonds = Conditions(), Conditions()
        self._patterns: list[Chem.Mol] = []  # they own the queries
        self._number = len(stars)
        self._roots = np.array([self._atom(star.root) for star in stars], np.intp)
        leaves: dict[tuple[int, int], int] = {}
        placed = [
            [
                leaves.setdefault((self._bond(bond), self._atom(atom)), len(leaves))
                for bond, atom in star.leaves
            ]
            for star in stars
        ]
        self._leaf_bonds, self._leaf_atoms = np.array([*leaves], np.intp).reshape(-1, 2).T
        #: The conditions that are asked of neighbours, shape ``(atoms' conditions,)``.
        self.of_neighbours = self.atoms.none()
        self.of_neighbours[self._leaf_atoms] = True
        # By the number of leaves: the stars that have so many, and their leaves, shape (number, stars).
        self._by_number = [
            (
                np.array(chosen, np.intp),
                np.array([placed[at] for at in chosen], np.intp).reshape(len(chosen), size).T,
            )
            for size in range(MOST_NEIGHBOURS + 1)
            if (chosen := [at for at, its in enumerate(placed) if len(its) == size])
        ]

    def matches(
        self,
        roots: NDArray[np.bool_],
        bonds: NDArray[np.bool_],
        neighbours: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """For each of n atoms and each star whether it matches, shape ``(n, stars)``.

        ``roots``, of shape ``(n, conditions)``: the conditions that the atoms meet. ``bonds`` and
        ``neighbours``, of shape ``(n, MOST_NEIGHBOURS, conditions)``: those of each bond, and of the
        atom at its other end; none where an atom has fewer neighbours.
        """
        met = bonds[:, :, self._leaf_bonds] & neighbours[:, :, self._leaf_atoms]
        # Of each leaf the neighbours that it can have, a bit each.
        able = (met * _BITS[:, np.newaxis]).sum(axis=1, dtype=np.intp)
        found = np.zeros((len(roots), self._number), np.bool_)
        for chosen, leaves in self._by_number:
            code = np.zeros((len(roots), len(chosen)), np.intp)
            for its in leaves:
                code = (code << MOST_NEIGHBOURS) + able[:, its]
            found[:, chosen] = roots[:, self._roots[chosen]] & _PLACEABLE[len(leaves)][code]
        return found

    def _atom(self, smarts: str) -> int:
        pattern = Chem.MolFromSmarts(smarts)
        self._patterns.append(pattern)
        return self.atoms.bit(smarts, pattern.GetAtomWithIdx(0))

    def _bond(self, smarts: str) -> int:
        pattern = Chem.MolFromSmarts(f"*{smarts}*")
        self._patterns.append(pattern)
        return self.bonds.bit(smarts, pattern.GetBondWithIdx(0))


def _placeable(leaves: int) -> NDArray[np.bool_]:
    """Whether each of some leaves can have a neighbour of its own, by the neighbours that each can have.

    The place of an answer is made of ``MOST_NEIGHBOURS`` bits for each leaf. It is P. Hall's condition
    (J. London Math. Soc. 10 (1935) 26): any k of them together can have k neighbours.
    """
    codes = np.arange(1 << (MOST_NEIGHBOURS * leaves))
    answers = np.ones(len(codes), np.bool_)
    for size in range(1, leaves + 1):
        for chosen in combinations(range(leaves), size):
            together = np.zeros_like(codes)
            for leaf in chosen:
                together |= (codes >> (MOST_NEIGHBOURS * leaf)) & ((1 << MOST_NEIGHBOURS) - 1)
            answers &= np.bitwise_count(together) >= size
    return answers


_BITS = 1 << np.arange(MOST_NEIGHBOURS)
_PLACEABLE = [_placeable(leaves) for leaves in range(MOST_NEIGHBOURS + 1)]
