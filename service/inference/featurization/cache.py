"""A cache of the feature rows of molecules, bounded in bytes; the least recently used go first.

Featurizing a molecule takes about a millisecond and a look-up about a microsecond, so the cache pays
where one molecule in a thousand is asked again. The key is the SMILES as it was sent and the identity
of the featurizer. So a new version of a model finds the rows of the old one if their featurizers are
the same, and none if they differ.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from models.features import Features, Featurizer, Outcome, Rejected

#: Bytes of an entry beside its row and its text, about; measured with tracemalloc.
_OVERHEAD_BYTES = 1000


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """The row of a molecule, of shape ``(F,)``, and its outcome; ``row`` is None if it was rejected."""

    row: NDArray[np.float32] | None
    outcome: Outcome


class FeatureCache:
    """Rows by featurizer and SMILES. Its methods may be called from any thread."""

    def __init__(self, limit: int) -> None:
        """``limit`` is in bytes; with 0 nothing is kept."""
        self._limit = limit
        self._entries: OrderedDict[tuple[str, str], CacheEntry] = OrderedDict()
        self._names: WeakKeyDictionary[Featurizer, str] = WeakKeyDictionary()
        self._lock = Lock()
        #: Bytes in use, about.
        self.bytes = 0

    def has(self, featurizer: Featurizer, records: Sequence[object]) -> bool:
        """Whether all of these records are in the cache."""
        name = self.name_of(featurizer)
        return all(isinstance(text, str) and (name, text) in self._entries for text in records)

    def look_up(
        self, featurizer: Featurizer, smiles: Sequence[str]
    ) -> tuple[dict[str, CacheEntry], list[str]]:
        """Return the entries of the SMILES that are in the cache, and those that are not, each once."""
        name = self.name_of(featurizer)
        entries: dict[str, CacheEntry] = {}
        missing: list[str] = []
        with self._lock:
            for text in dict.fromkeys(smiles):
                entry = self._entries.get((name, text))
                if entry is None:
                    missing.append(text)
                else:
                    self._entries.move_to_end((name, text))
                    entries[text] = entry
        return entries, missing

    def keep(
        self, featurizer: Featurizer, smiles: Sequence[str], features: Features
    ) -> dict[str, CacheEntry]:
        """Add the rows of these SMILES, which are all different; return their entries by SMILES."""
        name = self.name_of(featurizer)
        rows = iter(features.rows)
        entries = {
            # A copy, since a view of the row would keep its block of rows in memory.
            text: CacheEntry(None if isinstance(outcome, Rejected) else next(rows).copy(), outcome)
            for text, outcome in zip(smiles, features.outcomes, strict=True)
        }
        with self._lock:
            for text, entry in entries.items():
                if (name, text) not in self._entries:
                    self._entries[name, text] = entry
                    self.bytes += _bytes(text, entry)
            while self.bytes > self._limit:
                (_, text), entry = self._entries.popitem(last=False)
                self.bytes -= _bytes(text, entry)
        return entries

    def name_of(self, featurizer: Featurizer) -> str:
        """Return the featurizer's identity, which is equal for two that give the same answers."""
        name = self._names.get(featurizer)
        if name is None:
            parameters = json.dumps(featurizer.parameters, sort_keys=True)
            domain = "" if featurizer.domain is None else featurizer.domain.identity
            digest = hashlib.sha256(parameters.encode() + domain.encode()).hexdigest()
            name = self._names[featurizer] = f"{featurizer.identifier}/{digest}"
        return name


def assemble(smiles: Sequence[str], entries: Mapping[str, CacheEntry], width: int) -> Features:
    """Return the features of records in their order, with rows of shape ``(accepted, width)``."""
    ordered = [entries[text] for text in smiles]
    rows = [entry.row for entry in ordered if entry.row is not None]
    block = np.array(rows, np.float32) if rows else np.empty((0, width), np.float32)
    return Features(block, [entry.outcome for entry in ordered])


def _bytes(text: str, entry: CacheEntry) -> int:
    return _OVERHEAD_BYTES + len(text) + (0 if entry.row is None else entry.row.nbytes)
