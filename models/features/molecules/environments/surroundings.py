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

    def matches(self, block: AtomBlock) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """For each atom which stars match, shape ``(atoms, stars)``.

        Also whether the atom is one of those that are remembered; others have no matches.
        """
        keys = block.around(block.kinds)
        places = self._rows.places(keys, lambda positions: self._learn(block, positions))
        return self._rows.rows[places], places >= 0

    def _learn(self, block: AtomBlock, positions: NDArray[np.intp]) -> NDArray[np.bool_]:
        bonds, kinds = block.neighbours(positions)
        classes = self.classes
        # A place that is beyond the neighbours has bonds of class 0, which meet no condition.
        return self._matcher.matches(
            np.array([classes.masks[place] for place in block.masks[positions].tolist()]),
            classes.bond_masks[bonds],
            np.array(classes.kind_masks)[kinds],
        )
