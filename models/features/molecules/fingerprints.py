"""Counts of chosen circular fragments (Morgan, ECFP) in a molecule.

D. Rogers, M. Hahn, *Extended-Connectivity Fingerprints*, J. Chem. Inf. Model. 50 (2010) 742. The
ids are RDKit's unfolded 32-bit ones, so that two fragments never share a column.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator


def fragment_counts(molecule: Chem.Mol, radius: int) -> dict[int, int]:
    """How often each fragment id of up to ``radius`` bonds occurs in ``molecule``."""
    counts: dict[int, int] = _GENERATORS[radius].GetSparseCountFingerprint(molecule).GetNonzeroElements()
    return counts


def pharmacophore_counts(molecule: Chem.Mol, radius: int) -> dict[int, int]:
    """As ``fragment_counts``, atoms told apart by what they do and not by element (FCFP).

    An atom is a donor, acceptor, aromatic, halogen, basic or acidic, or several of them.
    """
    fingerprint = _PHARMACOPHORES[radius].GetSparseCountFingerprint(molecule)
    counts: dict[int, int] = fingerprint.GetNonzeroElements()
    return counts


class FragmentCounter:
    """Counts of the fragments with the given ids, one column each, in the given order.

    ``functional`` counts pharmacophores, which have ids of their own.
    """

    def __init__(self, radius: int, fragments: Sequence[int], *, functional: bool = False) -> None:
        self.radius = radius
        self.fragments = tuple(fragments)
        kind = "fcfp" if functional else "ecfp"
        self.names = tuple(f"{kind}{2 * radius}_{fragment}" for fragment in fragments)
        self._count = pharmacophore_counts if functional else fragment_counts
        self._columns = {fragment: column for column, fragment in enumerate(fragments)}

    def count(self, molecule: Chem.Mol, row: NDArray[np.float32]) -> None:
        """Add the raw counts to ``row``, one entry per fragment, zero where it is absent."""
        columns = self._columns
        for fragment, number in self._count(molecule, self.radius).items():
            column = columns.get(fragment)
            if column is not None:
                row[column] = number


RADII = (1, 2, 3)
_GENERATORS = {radius: rdFingerprintGenerator.GetMorganGenerator(radius=radius) for radius in RADII}
_PHARMACOPHORES = {
    radius: rdFingerprintGenerator.GetMorganGenerator(
        radius=radius, atomInvariantsGenerator=rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
    )
    for radius in RADII
}
