"""Which of the five folds a row belongs to: a function of the row, never of the run.

It is the first eight bytes of the sha256 of the row's key, read as a big-endian number, modulo 5. A
row keeps its fold whatever else is in the data set, and two versions of a model can be compared on
rows that no member compared has seen.

* A molecule's key is its Bemis-Murcko scaffold (canonical SMILES of the parent, stereo-free), so
  that close relatives share a fold. If the scaffold has at most one ring, it is the parent's own
  canonical SMILES: thousands of unrelated molecules share the scaffold benzene.
* A candidate's key is its features as little-endian float64, with -0 as 0.
* The key of a table's row is its values as JSON, categories and missing values included.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from models.features.molecules.rdkit_log import captured_rdkit_log

FOLDS = 5


def fold_of(key: bytes) -> int:
    """The fold, 0 to 4, of a row with this key."""
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") % FOLDS


def folds_of_rows(rows: NDArray[np.float64]) -> NDArray[np.int8]:
    """Folds, shape ``(n,)``, of numeric rows of shape ``(n, width)``."""
    plain = np.ascontiguousarray(rows + 0.0, dtype="<f8")  # adding 0 turns -0 into 0
    return _folds(row.tobytes() for row in plain)


def folds_of_records(records: Iterable[Sequence[object]]) -> NDArray[np.int8]:
    """Folds, shape ``(n,)``, of rows of floats, texts and None, -0 as 0."""
    return _folds(
        json.dumps([value + 0.0 if isinstance(value, float) else value for value in record]).encode()
        for record in records
    )


def folds_of_molecules(parents: Sequence[str]) -> NDArray[np.int8]:
    """Folds, shape ``(n,)``, of parents given by canonical SMILES."""
    with captured_rdkit_log():
        return _folds(scaffold(parent).encode() for parent in parents)


def scaffold(parent: str) -> str:
    """The key of a parent: its Bemis-Murcko scaffold, or itself if that has at most one ring.

    G. W. Bemis, M. A. Murcko, J. Med. Chem. 39 (1996) 2887, as RDKit computes it.
    """
    frame: Chem.Mol = MurckoScaffold.GetScaffoldForMol(Chem.MolFromSmiles(parent))
    return Chem.MolToSmiles(frame) if frame.GetRingInfo().NumRings() > 1 else parent


def _folds(keys: Iterable[bytes]) -> NDArray[np.int8]:
    return np.fromiter((fold_of(key) for key in keys), dtype=np.int8)
