"""Compounds of a kind that the members judging them never learned: clusters left out, chosen once.

Folds by scaffold still leave a compound's analogues of other scaffolds in the other folds. The rows
that this module names have none there: each is less similar than ``SIMILAR`` to every row of the other
folds, by the Tanimoto similarity of circular fragments (D. Rogers, M. Hahn, J. Chem. Inf. Model. 50
(2010) 742). To the members trained without their fold they are new chemistry, as a screen's compounds
are. The rule has no chance and no choice in it: versions of a model are compared on the same rows.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from rdkit.DataStructs import BulkTanimotoSimilarity

#: From this similarity on of fragments up to two bonds wide compounds count as relatives.
SIMILAR = 0.4
_RADIUS, _BITS = 2, 2048


def far_rows(parents: Sequence[str], folds: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether each parent, ``(n,)``, given by SMILES, has no relative in a fold other than its own."""
    return nearest_elsewhere(parents, folds) < SIMILAR


def nearest_elsewhere(parents: Sequence[str], folds: NDArray[np.integer]) -> NDArray[np.float64]:
    """The similarity ``(n,)`` of each parent to the nearest one of a fold other than its own."""
    generator = GetMorganGenerator(radius=_RADIUS, fpSize=_BITS)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(parent)) for parent in parents]
    nearest = np.zeros(len(prints))
    for fold in np.unique(folds):
        own = np.flatnonzero(folds == fold)
        others = [prints[row] for row in np.flatnonzero(folds != fold)]
        for row in own:
            nearest[row] = max(BulkTanimotoSimilarity(prints[row], others), default=0.0)
    return nearest
