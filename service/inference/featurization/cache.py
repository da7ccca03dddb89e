"""Remembers feature rows of molecules, in a bounded number of bytes; what was used longest ago goes.

Reading a molecule takes about a millisecond, looking one up about a microsecond, so it pays where one
request in a thousand asks again. The key is the SMILES as it was sent and the featurizer's identity,
so a new version of a model finds the rows of the old one if they are the same, and none if not.
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

from models.features import Accepted, Features, Featurizer, Outcome

#: What an entry takes beside its row and its text, about: measured with tracemalloc.
_OVERHEAD_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """A molecule that was read before; ``row`` is None if it was rejected."""

    row: NDArray[np.float32] | None
    outcome: Outcome


class FeatureCache:
    """Rows by featurizer and SMILES. Safe to use from the loop and from threads."""

    def __init__(self, limit: int) -> None:
        """``limit`` is in bytes; 0 keeps nothing."""
        self._limit = limit
        self._entries: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._names: WeakKeyDictionary[Featurizer, str] = WeakKeyDictionary()
        self._lock = Lock()
        #: How many bytes are in use, about.
        self.bytes = 0

    def has(self, featurizer: Featurizer, records: Sequence[object]) -> bool:
        """Whether all of these are known."""
        name = self.name_of(featurizer)
        return all(isinstance(text, str) and (name, text) in self._entries for text in records)

    def look_up(
        self, featurizer: Featurizer, smiles: Sequence[str]
    ) -> tuple[dict[str, Known], list[str]]:
        """What is known of these, and those of which nothing is, each once."""
        name = self.name_of(featurizer)
        found: dict[str, Known] = {}
        missing: list[str] = []
        with self._lock:
            for text in dict.fromkeys(smiles):
                known = self._entries.get((name, text))
                if known is None:
                    missing.append(text)
                else:
                    self._entries.move_to_end((name, text))
                    found[text] = known
        return found, missing

    def keep(
        self, featurizer: Featurizer, smiles: Sequence[str], features: Features
    ) -> dict[str, Known]:
        """Remember the rows of these, all different; return them by their SMILES."""
        name = self.name_of(featurizer)
        rows = iter(features.rows)
        made = {
            # A copy, or each row would keep its whole block in memory.
            text: Known(next(rows).copy() if isinstance(outcome, Accepted) else None, outcome)
            for text, outcome in zip(smiles, features.outcomes, strict=True)
        }
        with self._lock:
            for text, known in made.items():
                if (name, text) not in self._entries:
                    self._entries[name, text] = known
                    self.bytes += _bytes(text, known)
            while self.bytes > self._limit:
                (_, text), known = self._entries.popitem(last=False)
                self.bytes -= _bytes(text, known)
        return made

    def name_of(self, featurizer: Featurizer) -> str:
        """The featurizer's identity: the same for two that make the same rows."""
        name = self._names.get(featurizer)
        if name is None:
            parameters = json.dumps(featurizer.parameters, sort_keys=True)
            digest = hashlib.sha256(parameters.encode()).hexdigest()
            name = self._names[featurizer] = f"{featurizer.identifier}/{digest}"
        return name


def assemble(smiles: Sequence[str], known: Mapping[str, Known], width: int) -> Features:
    """The features of records in their order, of what is known of each."""
    entries = [known[text] for text in smiles]
    rows = [entry.row for entry in entries if entry.row is not None]
    block = np.array(rows, np.float32) if rows else np.empty((0, width), np.float32)
    return Features(block, [entry.outcome for entry in entries])


def _bytes(text: str, known: Known) -> int:
    return _OVERHEAD_BYTES + len(text) + (0 if known.row is None else known.row.nbytes)
