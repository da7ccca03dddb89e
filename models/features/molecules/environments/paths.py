"""Keys that are paths of four or five atoms, told from what the ends of each bond have beside it.

Most keys of MACCS that reach further than an atom's neighbours are such paths, as ``[#8]~*~*~[#8]``. The
atoms of a path are different, which is only to be looked at in rings of three and four: there RDKit is
asked.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.features.molecules.environments.atoms import EXAMPLE_BONDS, AtomBlock
from models.features.molecules.environments.stars import Star, has_recursion

#: The longest ring that makes two atoms of a path one.
SMALL_RING = 4
_SHORT, _LONG = 4, 5


class Path(NamedTuple):
    """The atoms of a path as stars, and which classes of bonds each of its bonds may have."""

    atoms: tuple[Star, ...]
    bonds: tuple[NDArray[np.bool_], ...]


def as_path(pattern: Chem.Mol) -> Path | None:
    """The path that a pattern is, or None. A last atom of any kind is a condition on the one before."""
    number = pattern.GetNumAtoms()
    # RDKit's type stub gets GetSmarts wrong.
    bonds: list[Any] = [pattern.GetBondBetweenAtoms(at, at + 1) for at in range(number - 1)]
    if pattern.GetNumBonds() != number - 1 or None in bonds or has_recursion(pattern):
        return None
    texts = [bond.GetSmarts() for bond in bonds]
    stars = [Star(pattern.GetAtomWithIdx(at).GetSmarts(), ()) for at in range(number)]
    if number == _LONG + 1 and (texts[-1], stars[-1].root) == ("~", "*"):
        stars[-2] = Star(stars[-2].root, (("~", "*"), ("~", "*")))
        number -= 1
    if number not in (_SHORT, _LONG):
        return None
    return Path(tuple(stars[:number]), tuple(map(_classes, bonds[: number - 1])))


def _classes(bond: Any) -> NDArray[np.bool_]:
    """By a bond's class: whether it meets the condition of a pattern's bond."""
    query = Chem.MolFromSmarts(f"*{bond.GetSmarts()}*").GetBondWithIdx(0)
    return np.array([False, *map(query.Match, EXAMPLE_BONDS)])


class PathMatcher:
    """Says which paths are in the molecules of a block."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Number the conditions of the paths: ``stars`` on atoms."""
        numbers: dict[Star, int] = {}
        self._paths = [([numbers.setdefault(star, len(numbers)) for star in p.atoms], p) for p in paths]
        self.stars = tuple(numbers)

    def rows(self, block: AtomBlock, matches: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each path is in m molecules without small rings, shape ``(m, paths)``.

        ``matches``, of shape ``(atoms, stars)``: which of the ``stars`` match at each atom.
        """
        found = np.zeros((len(block.molecules), len(self._paths)), np.bool_)
        sources, owners = block.sources, block.owners
        # Each bond is there in both directions; this is the place of the other one.
        back = np.lexsort((sources, block.targets))
        # By a condition on an end and its bond: whether each bond's source has another such neighbour.
        beside: dict[tuple[int, bytes], NDArray[np.bool_]] = {}

        def has_beside(star: int, bonds: NDArray[np.bool_]) -> NDArray[np.bool_]:
            key = star, bonds.tobytes()
            if key not in beside:
                is_one = matches[block.targets, star] & bonds[block.bonds]
                total = np.bincount(sources, is_one, len(owners)).astype(np.intp)
                beside[key] = total[sources] > is_one
            return beside[key]

        for column, (stars, path) in enumerate(self._paths):
            first = matches[sources, stars[1]] & has_beside(stars[0], path.bonds[0])
            last = matches[sources, stars[-2]] & has_beside(stars[-1], path.bonds[-1])
            middle = path.bonds[1][block.bonds]
            if len(stars) == _SHORT:
                at = sources[first & last[back] & middle]
            else:
                at = _between(block, first & middle, last & path.bonds[2][block.bonds])
                at = at[matches[at, stars[2]]]
            found[owners[at], column] = True
        return found


def _between(block: AtomBlock, first: NDArray[np.bool_], last: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The atoms that have a neighbour of the one kind and another of the other kind.

    ``first`` and ``last``: whether a bond's source is of that kind.
    """
    number = len(block.owners)
    ones, others, both = (
        np.bincount(block.targets, kind, number) for kind in (first, last, first & last)
    )
    return np.flatnonzero((ones > 0) & (others > 0) & (ones + others > both + 1))
