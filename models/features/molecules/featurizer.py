"""Molecules: SMILES to the parent's fingerprint counts, keys and descriptors."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.errors import FeaturizerError
from models.features.base import Accepted, Features, Outcome, Rejected
from models.features.molecules.descriptors import NAMES as DESCRIPTORS
from models.features.molecules.descriptors import describe
from models.features.molecules.fingerprints import RADII, FragmentCounter
from models.features.molecules.quantum_numbers import NAMES as QUANTUM_NUMBERS
from models.features.molecules.quantum_numbers import quantum_numbers
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.standardise import (
    Standardised,
    Unreadable,
    read_smiles,
    standardise,
)
from models.features.molecules.structural_keys import NAMES as KEYS
from models.features.molecules.structural_keys import mark_keys

# Molecules go through one stage after the other in groups of this size: the patterns of a stage
# then stay in the processor's cache, which is worth a sixth of the time.
AT_ONCE = 128
_BEYOND_RDKIT = "the molecule cannot be described by RDKit; check its valences and charges"

# Fills one molecule's part of a row, which is zero before.
_Fill = Callable[[Chem.Mol, NDArray[np.float32]], None]


class MoleculeFeaturizer:
    """``molecules-1``: a record is a SMILES; features are those of its parent.

    ``parameters``: ``radius`` (of the Morgan fragments, in bonds) and ``fragments`` (the ids
    counted, chosen by training among the commonest of its molecules).
    """

    identifier = "molecules-1"
    fields: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()
    names: tuple[str, ...]

    def __init__(self, parameters: Mapping[str, object]) -> None:
        """Raises ``FeaturizerError`` for parameters that are not the two above."""
        _expect(self.identifier, parameters, ("radius", "fragments"))
        counter = _counter(parameters, "radius", "fragments")
        self.parameters: dict[str, object] = {
            "radius": counter.radius,
            "fragments": list(counter.fragments),
        }
        self._arrange(
            (DESCRIPTORS, _fill_descriptors), (KEYS, mark_keys), (counter.names, counter.count)
        )

    def _arrange(self, *blocks: tuple[tuple[str, ...], _Fill]) -> None:
        """Lay the blocks of features, each with its names, side by side."""
        self.names = tuple(name for names, _ in blocks for name in names)
        self._stages: list[tuple[slice, _Fill]] = []
        start = 0
        for names, fill in blocks:
            self._stages.append((slice(start, start + len(names)), fill))
            start += len(names)

    def featurize(self, records: Sequence[object]) -> Features:
        """Rows of shape ``(accepted, F)``; each record costs about a millisecond."""
        groups = [records[start : start + AT_ONCE] for start in range(0, len(records), AT_ONCE)]
        with captured_rdkit_log():
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
        for part, fill in self._stages:
            for row, (place, found) in enumerate(accepted):
                try:
                    fill(found.parent, rows[row, part])
                except (RuntimeError, ValueError):  # a failed invariant inside RDKit
                    sound[row] = False
                    outcomes[place] = Rejected(_BEYOND_RDKIT)
        return Features(rows if sound.all() else rows[sound], outcomes)


class WiderMoleculeFeaturizer(MoleculeFeaturizer):
    """``molecules-2``: the same, with molecular quantum numbers and counts of pharmacophores.

    ``parameters`` are those of ``molecules-1``, and ``pharmacophore_radius`` and ``pharmacophores``,
    chosen alike.
    """

    identifier = "molecules-2"

    def __init__(self, parameters: Mapping[str, object]) -> None:
        """Raises ``FeaturizerError`` for parameters that are not the four above."""
        wanted = ("radius", "fragments", "pharmacophore_radius", "pharmacophores")
        _expect(self.identifier, parameters, wanted)
        counter = _counter(parameters, "radius", "fragments")
        functional = _counter(parameters, "pharmacophore_radius", "pharmacophores", functional=True)
        self.parameters = {
            "radius": counter.radius,
            "fragments": list(counter.fragments),
            "pharmacophore_radius": functional.radius,
            "pharmacophores": list(functional.fragments),
        }
        self._arrange(
            (DESCRIPTORS, _fill_descriptors),
            (QUANTUM_NUMBERS, _fill_quantum_numbers),
            (KEYS, mark_keys),
            (counter.names, counter.count),
            (functional.names, functional.count),
        )


def _fill_descriptors(molecule: Chem.Mol, row: NDArray[np.float32]) -> None:
    row[:] = describe(molecule)


def _fill_quantum_numbers(molecule: Chem.Mol, row: NDArray[np.float32]) -> None:
    row[:] = quantum_numbers(molecule)


def _details(found: Standardised) -> dict[str, object]:
    details: dict[str, object] = {"parent": found.smiles}
    if found.removed:
        details["removed"] = list(found.removed)
    if found.repaired:
        details["repaired"] = found.repaired
    return details


def _expect(identifier: str, parameters: Mapping[str, object], names: Sequence[str]) -> None:
    if set(parameters) != set(names):
        raise FeaturizerError(
            f"featurizer {identifier} takes the parameters {', '.join(names[:-1])} and {names[-1]}, "
            f"got {', '.join(sorted(parameters)) or 'none'}"
        )


def _counter(
    parameters: Mapping[str, object], radius_name: str, ids_name: str, *, functional: bool = False
) -> FragmentCounter:
    radius, ids = parameters[radius_name], parameters[ids_name]
    if radius not in RADII or isinstance(radius, bool):
        raise FeaturizerError(f"the radius of Morgan fragments is 1, 2 or 3, got {radius!r}")
    if not isinstance(ids, (list, tuple)) or not all(
        type(one) is int and 0 <= one < 2**32 for one in ids
    ):
        raise FeaturizerError(f"{ids_name} must be a list of unsigned 32-bit Morgan ids")
    if len(set(ids)) != len(ids):
        raise FeaturizerError(f"{ids_name} must not name an id twice")
    return FragmentCounter(int(str(radius)), ids, functional=functional)
