"""Which stars match around the atoms of a block of molecules."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.features.molecules.environments.atoms import AtomBlock, AtomClasses
from models.features.molecules.environments.stars import Star, StarMatcher
from models.features.molecules.environments.tables import KeyedRows

_MOST = 1 << 14


class Surroundings:
    """The stars that match at an atom, remembered by what the atom has around it."""

    def __init__(self, stars: Sequence[Star]) -> None:
        self.number = len(stars)
        self._matcher = StarMatcher(stars)
        self.classes = AtomClasses(self._matcher)
        self._rows = KeyedRows(len(stars), np.uint8, _MOST)

    def matches(self, block: AtomBlock) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.bool_]]:
        """For each atom the key of what is around it and which stars match, shape ``(atoms, stars)``.

        Also whether the atom is one of those that are remembered; others have no matches.
        """
        keys = block.around(block.kinds)
        places = self._rows.places(keys, lambda positions: self._learn(block, positions))
        return keys, self._rows.rows[places], places >= 0

    def _learn(self, block: AtomBlock, positions: NDArray[np.intp]) -> list[NDArray[np.bool_]]:
        kind_masks, bond_masks = self.classes.kind_masks, self.classes.bond_masks
        rows = []
        for position in positions.tolist():
            first, last = np.searchsorted(block.sources, [position, position + 1])
            neighbours = [
                (bond_masks[bond], kind_masks[kind])
                for bond, kind in zip(
                    block.bonds[first:last].tolist(),
                    block.kinds[block.targets[first:last]].tolist(),
                    strict=True,
                )
            ]
            rows.append(self._matcher.matches(self.classes.masks[block.masks[position]], neighbours))
        return rows
