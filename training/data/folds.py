"""Which of the five folds a row belongs to: a function of the row, never of the run.

It is the first eight bytes of the sha256 of the row's key, read as a big-endian number, modulo 5. A
row keeps its fold whatever else is in the data set, and two versions of a model can be compared on
rows that no member compared has seen.

* A molecule's key is its Bemis-Murcko scaffold (canonical SMILES of the parent, stereo-free), so
  that close relatives share a fold. If the scaffold has at most one ring, it is the parent's own
  canonical SMILES: thousands of unrelated molecules share the scaffold benzene.
* A candidate's key is its features as little-endian float64, with -0 as 0.
* The key of a table's row is its values by column name as JSON, in the names' order, categories and
  missing values included: the order of the columns is no part of it. Versions with other columns have
  other folds, so each is asked by its own (``folds_by_rule``). Where a table has few distinct rows,
  its equal rows are dealt to all folds instead.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from models.features.molecules.rdkit_log import captured_rdkit_log
from training.errors import DataError

FOLDS = 5

#: The rules as manifests name them. The first is also that of older tables, whose key is the values
#: in the order of the columns.
KEY_RULE = "first 8 bytes of sha256 of the row's key, modulo 5"
NAMED_RULE = "first 8 bytes of sha256 of the row's values by column name, modulo 5"
GROUP_RULE = "first 8 bytes of sha256 of the row's group, modulo 5"
DEALT_RULE = "equal rows of a class dealt to the folds in turn, since few rows are distinct"

#: With fewer rows in effect distinct than this, or a class in fewer folds, equal rows are dealt out.
_FEWEST_DISTINCT, FEWEST_FOLDS = 50, 3

Record = Sequence[object]


def fold_of(key: bytes, folds: int = FOLDS) -> int:
    """The fold, from 0, of a row with this key."""
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") % folds


def folds_of_rows(rows: NDArray[np.float64]) -> NDArray[np.int8]:
    """Folds, shape ``(n,)``, of numeric rows of shape ``(n, width)``."""
    plain = np.ascontiguousarray(rows + 0.0, dtype="<f8")  # adding 0 turns -0 into 0
    return _folds(row.tobytes() for row in plain)


def folds_of_table(
    names: Sequence[str], records: Sequence[Record], labels: NDArray[np.floating]
) -> tuple[NDArray[np.int8], str]:
    """Folds ``(n,)`` of a table's rows of floats, texts and None, and the rule that they follow.

    ``labels`` ``(n, T)`` are one target, or classes, or zeros. Equal rows share a fold, unless few rows
    are distinct: by the inverse Simpson index, which is their number if all are equally frequent.
    """
    keys = _named_keys(names, records)
    folds = _folds(keys)
    copies = np.array(list(Counter(keys).values()), dtype=np.float64)
    distinct = copies.sum() ** 2 / np.square(copies).sum()
    strata = [rows for rows in (*(labels == 1).T, labels[:, 0] != 1) if rows.any()]
    in_folds = [len(np.unique(folds[rows])) for rows in strata]
    if distinct >= _FEWEST_DISTINCT and min(in_folds) >= FEWEST_FOLDS:
        return folds, NAMED_RULE
    return _dealt(keys, labels), DEALT_RULE


def folds_of_groups(groups: NDArray[Any]) -> tuple[NDArray[np.int8], str]:
    """Folds ``(n,)`` of rows by their group's name, and the rule: all rows of a group share a fold."""
    return _folds(str(group).encode() for group in groups.tolist()), GROUP_RULE


def is_hashed(rule: str) -> bool:
    """Whether a rule's folds follow from the rows' own values."""
    return rule in (KEY_RULE, NAMED_RULE, DEALT_RULE)


def folds_by_rule(
    rule: str, names: Sequence[str], records: Sequence[Record], labels: NDArray[np.floating]
) -> NDArray[np.int8]:
    """Folds ``(n,)`` of a table's rows by a rule that a manifest names.

    ``names`` are the columns in the manifest's order. Raises ``DataError`` for a rule not known here.
    """
    if rule == KEY_RULE:
        return _folds(json.dumps(list(map(_plain, record))).encode() for record in records)
    if rule == NAMED_RULE:
        return _folds(_named_keys(names, records))
    if rule == DEALT_RULE:
        return _dealt(_named_keys(names, records), labels)
    raise DataError(f"its rule of folds is not known here: {rule!r}")


def _named_keys(names: Sequence[str], records: Iterable[Record]) -> list[bytes]:
    order = sorted(range(len(names)), key=names.__getitem__)
    prefix = [names[at] for at in order]
    return [json.dumps([prefix, [_plain(record[at]) for at in order]]).encode() for record in records]


def _plain(value: object) -> object:
    return value + 0.0 if isinstance(value, float) else value  # adding 0 turns -0 into 0


def _dealt(keys: Sequence[bytes], labels: NDArray[np.floating]) -> NDArray[np.int8]:
    """Deal the rows of each key and class in turn, from a fold that their hash gives."""
    seen: Counter[bytes] = Counter()
    folds = np.empty(len(keys), dtype=np.int8)
    for row, (key, label) in enumerate(zip(keys, labels, strict=True)):
        own = key + label.astype("<f4").tobytes()
        folds[row] = (fold_of(own) + seen[own]) % FOLDS
        seen[own] += 1
    return folds


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
