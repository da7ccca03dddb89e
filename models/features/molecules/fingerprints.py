"""Counts of chosen circular fragments (Morgan fingerprints) in a molecule: ECFP and FCFP.

D. Rogers, M. Hahn, *Extended-Connectivity Fingerprints*, J. Chem. Inf. Model. 50 (2010) 742. The ids
are RDKit's 32-bit ones, not folded to fewer bits, so that two fragments do not share a column.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from models.features.molecules.reading import parent

RADII = (1, 2, 3)


def _generators(**options: Any) -> dict[int, Any]:
    return {
        radius: rdFingerprintGenerator.GetMorganGenerator(radius=radius, **options) for radius in RADII
    }


_ECFP = _generators()
_FCFP = _generators(atomInvariantsGenerator=rdFingerprintGenerator.GetMorganFeatureAtomInvGen())


def fragment_counts(
    molecule: Chem.Mol, radius: int, functions: Sequence[int] | None = None
) -> dict[int, int]:
    """How often each fragment of up to ``radius`` bonds (1, 2 or 3) occurs, by its id (ECFP).

    ``functions`` are those of ``pharmacophore_counts``; here they make no difference.
    """
    counts: dict[int, int] = _ECFP[radius].GetSparseCountFingerprint(molecule).GetNonzeroElements()
    return counts


def small_fragments(smiles: Iterable[str]) -> NDArray[np.int64]:
    """The ids of all fragments of radius 0 and 1 that molecules, given as SMILES, have."""
    found: set[int] = set()
    for text in smiles:
        found.update(fragment_counts(parent(text), 1))
    return np.array(sorted(found), np.int64)


def pharmacophore_counts(
    molecule: Chem.Mol, radius: int, functions: Sequence[int] | None = None
) -> dict[int, int]:
    """As ``fragment_counts``, with atoms typed by function instead of element (FCFP).

    The functions are donor, acceptor, aromatic, halogen, basic and acidic; an atom may have several.
    ``functions`` are those of each atom, a bit each, where they are known; to find them takes RDKit
    longer than to count.
    """
    if functions is None:
        found = _FCFP[radius].GetSparseCountFingerprint(molecule)
    else:
        found = _ECFP[radius].GetSparseCountFingerprint(molecule, customAtomInvariants=functions)
    counts: dict[int, int] = found.GetNonzeroElements()
    return counts


class FragmentCounter:
    """Counts the fragments with the given ids, one column each, in the given order.

    ``functional``: the ids are those of ``pharmacophore_counts``.
    """

    def __init__(self, radius: int, fragments: Sequence[int], *, functional: bool = False) -> None:
        self.radius = radius
        self.fragments = tuple(fragments)
        kind = "fcfp" if functional else "ecfp"
        self.names = tuple(f"{kind}{2 * radius}_{fragment}" for fragment in fragments)
        self.counts = partial(pharmacophore_counts if functional else fragment_counts, radius=radius)
        self._order = np.argsort(np.array(fragments, np.int64))
        self._sorted = np.array(fragments, np.int64)[self._order]

    def count(self, molecule: Chem.Mol) -> NDArray[np.float32]:
        """Raw counts, shape ``(len(fragments),)``, 0 where a fragment does not occur."""
        row: NDArray[np.float32] = self.rows([self.counts(molecule)])[0]
        return row

    def rows(self, counts: Sequence[Mapping[int, int]]) -> NDArray[np.float32]:
        """Choose the columns among the counts of all fragments of m molecules, as ``count`` does.

        Shape ``(m, len(fragments))``.
        """
        rows = np.zeros((len(counts), len(self.fragments)), np.float32)
        if not self.fragments:
            return rows
        sizes = [len(its) for its in counts]
        ids = np.fromiter(chain.from_iterable(counts), np.int64, sum(sizes))
        numbers = np.fromiter(chain.from_iterable(its.values() for its in counts), np.float32, len(ids))
        places = np.minimum(np.searchsorted(self._sorted, ids), len(self.fragments) - 1)
        known = self._sorted[places] == ids
        owners = np.repeat(np.arange(len(sizes)), sizes)
        rows[owners[known], self._order[places[known]]] = numbers[known]
        return rows
