"""Molecules: SMILES to the parent's fingerprint counts, keys and descriptors."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.errors import FeaturizerError
from models.features.base import Accepted, Features, Outcome, Rejected
from models.features.complaints import complaints
from models.features.descriptors import NAMES as DESCRIPTORS
from models.features.descriptors import describe
from models.features.fragments import FragmentCounter
from models.features.keys import NAMES as KEYS
from models.features.keys import mark_keys
from models.features.standardise import Standardised, Unreadable, read_smiles, standardise

_END_OF_DESCRIPTORS = len(DESCRIPTORS)
# Molecules go through one stage after the other in groups of this size: the patterns of a stage
# then stay in the processor's cache, which is worth a sixth of the time.
AT_ONCE = 128
_BEYOND_RDKIT = "the molecule cannot be described by RDKit; check its valences and charges"
_END_OF_KEYS = _END_OF_DESCRIPTORS + len(KEYS)


class MoleculeFeaturizer:
    """``molecules-1``: a record is a SMILES; features are those of its parent.

    ``parameters``: ``radius`` (of the Morgan fragments, in bonds) and ``fragments`` (the ids
    counted, chosen by training among the commonest of its molecules).
    """

    identifier = "molecules-1"
    fields: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()

    def __init__(self, parameters: Mapping[str, object]) -> None:
        """Raises ``FeaturizerError`` for parameters that are not the two above."""
        self._counter = FragmentCounter(*_read_parameters(parameters))
        self.names = (*DESCRIPTORS, *KEYS, *self._counter.names)
        self.parameters: dict[str, object] = {
            "radius": self._counter.radius,
            "fragments": list(self._counter.fragments),
        }

    def featurize(self, records: Sequence[object]) -> Features:
        """Rows of shape ``(accepted, F)``; each record costs about a millisecond."""
        groups = [records[start : start + AT_ONCE] for start in range(0, len(records), AT_ONCE)]
        with complaints():
            parts = [self._featurize(group) for group in groups]
        rows = np.concatenate([np.empty((0, len(self.names)), np.float32), *(p.rows for p in parts)])
        return Features(rows, [outcome for part in parts for outcome in part.outcomes])

    def _featurize(self, records: Sequence[object]) -> Features:
        outcomes: list[Outcome] = []
        accepted: list[tuple[int, Standardised]] = []
        for place, record in enumerate(records):
            try:
                found = standardise(read_smiles(record), str(record))
            except Unreadable as fault:
                outcomes.append(Rejected(str(fault)))
            else:
                accepted.append((place, found))
                outcomes.append(Accepted(_details(found)))
        rows = np.zeros((len(accepted), len(self.names)), dtype=np.float32)
        sound = np.ones(len(accepted), dtype=np.bool_)
        for fill in (_fill_descriptors, _fill_keys, self._fill_fragments):
            for row, (place, found) in enumerate(accepted):
                try:
                    fill(found.parent, rows[row])
                except (RuntimeError, ValueError):  # a failed invariant inside RDKit
                    sound[row] = False
                    outcomes[place] = Rejected(_BEYOND_RDKIT)
        return Features(rows if sound.all() else rows[sound], outcomes)

    def _fill_fragments(self, molecule: Chem.Mol, row: NDArray[np.float32]) -> None:
        self._counter.count(molecule, row[_END_OF_KEYS:])


def _fill_descriptors(molecule: Chem.Mol, row: NDArray[np.float32]) -> None:
    row[:_END_OF_DESCRIPTORS] = describe(molecule)


def _fill_keys(molecule: Chem.Mol, row: NDArray[np.float32]) -> None:
    mark_keys(molecule, row[_END_OF_DESCRIPTORS:_END_OF_KEYS])


def _details(found: Standardised) -> dict[str, object]:
    details: dict[str, object] = {"parent": found.smiles}
    if found.removed:
        details["removed"] = list(found.removed)
    if found.repaired:
        details["repaired"] = found.repaired
    return details


def _read_parameters(parameters: Mapping[str, object]) -> tuple[int, tuple[int, ...]]:
    if set(parameters) != {"radius", "fragments"}:
        raise FeaturizerError(
            "featurizer molecules-1 takes the parameters radius and fragments, "
            f"got {', '.join(sorted(parameters)) or 'none'}"
        )
    radius, fragments = parameters["radius"], parameters["fragments"]
    if radius not in (1, 2, 3) or isinstance(radius, bool):
        raise FeaturizerError(f"the radius of Morgan fragments is 1, 2 or 3, got {radius!r}")
    if not isinstance(fragments, (list, tuple)) or not all(
        type(fragment) is int and 0 <= fragment < 2**32 for fragment in fragments
    ):
        raise FeaturizerError("fragments must be a list of unsigned 32-bit Morgan ids")
    if len(set(fragments)) != len(fragments):
        raise FeaturizerError("fragments must not name an id twice")
    return int(str(radius)), tuple(fragments)
