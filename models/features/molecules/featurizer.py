"""Molecules: SMILES to descriptors, structural keys and fragment counts of the parent."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rdkit import Chem

from models.domain.measured import Fingerprint, MeasuredCompounds
from models.errors import FeaturizerError
from models.features.base import Accepted, Features, NotApplicable, Outcome, Rejected
from models.features.molecules.descriptors import NAMES as DESCRIPTORS
from models.features.molecules.descriptors import QUANTUM_NUMBERS, describe, quantum_numbers
from models.features.molecules.details import details_of, fingerprint_of, judge
from models.features.molecules.environments.features import BlockFeatures, block_features
from models.features.molecules.fingerprints import FragmentCounter, counter_of
from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import Unreadable, read_smiles
from models.features.molecules.standardise import standardise
from models.features.molecules.structural_keys import NAMES as KEYS
from models.features.molecules.structural_keys import structural_keys
from models.features.molecules.text.notation import explained, read_text

# Molecules are computed block by block in groups of this size: the patterns of a block then stay in
# the processor's cache, which saves a sixth of the time.
AT_ONCE = 128
_RDKIT_FAILED = "the molecule cannot be described by RDKit; check its valences and charges"

_NO_FRAGMENTS: Mapping[int, int] = {}

# Names of a block of features, and the function that computes it for one parent.
_Block = tuple[tuple[str, ...], Callable[[Chem.Mol], ArrayLike]]


class MoleculeFeaturizer:
    """``molecules-1``: a record is a SMILES; the features are those of its parent.

    ``parameters``: ``radius`` of the Morgan fragments, in bonds, and ``fragments``, the ids that are
    counted. Training chooses the commonest of its molecules.
    """

    identifier = "molecules-1"
    fields: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()
    readers: tuple[Callable[[str], object], ...] = ()
    judges_applicability = False
    domain: MeasuredCompounds | None = None
    _blocks: ClassVar[tuple[_Block, ...]] = ((DESCRIPTORS, describe), (KEYS, structural_keys))
    # Per fingerprint: the parameters of its radius and ids, and whether it counts pharmacophores.
    _fingerprints: ClassVar[tuple[tuple[str, str, bool], ...]] = (("radius", "fragments", False),)

    def __init__(self, parameters: Mapping[str, object]) -> None:
        """Raises ``FeaturizerError`` if ``parameters`` are not those of the class."""
        expected = [name for *names, _ in self._fingerprints for name in names]
        if set(parameters) != set(expected):
            raise FeaturizerError(
                f"featurizer {self.identifier} takes the parameters {', '.join(expected[:-1])} and"
                f" {expected[-1]}, got {', '.join(sorted(parameters)) or 'none'}"
            )
        self.parameters: dict[str, object] = {}
        blocks, counters = [*self._blocks], list[FragmentCounter]()
        for radius, ids, functional in self._fingerprints:
            counter = counter_of(parameters[radius], parameters[ids], ids, functional)
            self.parameters |= {radius: counter.radius, ids: list(counter.fragments)}
            blocks.append((counter.names, counter.count))
            counters.append(counter)
        self.names = tuple(name for names, _ in blocks for name in names)
        ends = np.cumsum([len(names) for names, _ in blocks]).tolist()
        self._columns = [
            (slice(end - len(names), end), compute)
            for end, (names, compute) in zip(ends, blocks, strict=True)
        ]
        self._counters: dict[object, FragmentCounter] = {one.count: one for one in counters}
        # That of ECFP counts, which the domain is asked with too.
        self._ecfp = counters[0]
        self.radius = self._ecfp.radius

    def within(self, domain: MeasuredCompounds) -> Self:
        """The same featurizer, which also tells how near each record is to the compounds of ``domain``.

        Raises ``FeaturizerError`` if their fragments have another radius.
        """
        if domain.radius != self.radius:
            raise FeaturizerError(
                f"the domain has fragments of radius {domain.radius}, the features of {self.radius}"
            )
        made = copy(self)
        made.domain = domain
        return made

    def nearest(self, record: object, number: int) -> list[dict[str, object]]:
        """The measured compounds that are nearest to an accepted record's parent; none without a domain.

        Raises ``Unreadable`` for a record that cannot be read.
        """
        if self.domain is None:
            return []
        return self.domain.nearest(self.fingerprint(record), number)

    def rows_of(self, molecules: Sequence[Chem.Mol]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The rows of sanitised molecules as they are, shape ``(n, F)``, and which of them are sound."""
        rows = np.zeros((len(molecules), len(self.names)), dtype=np.float32)
        sound = np.ones(len(molecules), dtype=np.bool_)
        with captured_rdkit_log():
            for columns, compute in self._columns:
                for row, molecule in enumerate(molecules):
                    try:
                        rows[row, columns] = compute(molecule)
                    except (RuntimeError, ValueError):  # a failed invariant inside RDKit
                        sound[row] = False
        return rows, sound

    def parent(self, record: object) -> Chem.Mol:
        """The molecule that the features of a record describe, its atoms in the order of its SMILES.

        Raises ``Unreadable``.
        """
        with captured_rdkit_log():
            return self._read(record)[0]

    def fingerprint(self, record: object) -> Fingerprint:
        """What the domain knows a record by; raises ``Unreadable`` for one that cannot be read."""
        with captured_rdkit_log():
            molecule, outcome = self._read(record)
            return fingerprint_of(outcome, self._ecfp.counts(molecule), molecule)

    def featurize(self, records: Sequence[object]) -> Features:
        """Rows of shape ``(accepted, F)``; a record takes about a millisecond."""
        groups = [records[start : start + AT_ONCE] for start in range(0, len(records), AT_ONCE)]
        with captured_rdkit_log():
            parts = [self._featurize(group) for group in groups]
        rows = np.concatenate([np.empty((0, len(self.names)), np.float32), *(p.rows for p in parts)])
        return Features(rows, [outcome for part in parts for outcome in part.outcomes])

    def _read(self, record: object) -> tuple[Chem.Mol, Accepted | NotApplicable]:
        """The molecule that the features describe, and what there is to tell; raises ``Unreadable``."""
        standardised = standardise(read_smiles(record), str(record))
        details = details_of(standardised.smiles, standardised.removed, standardised.repaired)
        return standardised.parent, Accepted(details)

    def _computed(
        self, molecules: Sequence[Chem.Mol], smiles: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], dict[int, Mapping[int, int]]]:
        """The rows of molecules that were read from these SMILES, which are sound, and all fragments."""
        rows = np.empty((len(molecules), len(self.names)), dtype=np.float32)
        sound = np.ones(len(molecules), dtype=np.bool_)
        together = _together(molecules, smiles)
        blocks: dict[object, NDArray[np.float32]] = {
            describe: together.descriptors,
            quantum_numbers: together.quantum_numbers,
            structural_keys: together.keys,
        }
        functions = dict(zip(together.taken, together.functions, strict=True))
        counted: dict[int, Mapping[int, int]] = {}
        for columns, compute in self._columns:
            counter = self._counters.get(compute)
            block = blocks.get(compute)
            if block is not None:
                rows[together.taken, columns] = block
            counts = dict.fromkeys(range(len(molecules)), _NO_FRAGMENTS)
            for row, molecule in enumerate(molecules):
                try:
                    if counter is not None:
                        counts[row] = counter.counts(molecule, functions=functions.get(row))
                    elif block is None or row not in functions:
                        rows[row, columns] = compute(molecule)
                except (RuntimeError, ValueError):  # a failed invariant inside RDKit
                    sound[row] = False
            if counter is not None:
                rows[:, columns] = counter.rows([*counts.values()])
            if counter is self._ecfp:
                counted = counts
        return rows, sound, counted

    def _featurize(self, records: Sequence[object]) -> Features:
        outcomes: list[Outcome] = []
        accepted: list[tuple[int, Chem.Mol]] = []
        for position, record in enumerate(records):
            try:
                molecule, outcome = self._read(record)
            except Unreadable as fault:
                outcomes.append(Rejected(str(fault)))
            else:
                accepted.append((position, molecule))
                outcomes.append(outcome)
        # Only an accepted record's molecule surely has its atoms in the order of its SMILES.
        smiles = [
            str(told.details["parent"]) if isinstance(told := outcomes[at], Accepted) else ""
            for at, _ in accepted
        ]
        molecules = [molecule for _, molecule in accepted]
        rows, sound, counted = self._computed(molecules, smiles)
        for row in np.flatnonzero(~sound).tolist():
            outcomes[accepted[row][0]] = Rejected(_RDKIT_FAILED)
        if self.domain is not None:
            judge(
                self.domain,
                [
                    (made, fingerprint_of(made, counted[row], molecule))
                    for row, (position, molecule) in enumerate(accepted)
                    if not isinstance(made := outcomes[position], Rejected)
                ],
            )
        return Features(rows if sound.all() else rows[sound], outcomes)


class WiderMoleculeFeaturizer(MoleculeFeaturizer):
    """``molecules-2``: ``molecules-1`` with molecular quantum numbers and counts of pharmacophores.

    ``parameters``: those of ``molecules-1``, and ``pharmacophore_radius`` and ``pharmacophores``,
    which training chooses in the same way.
    """

    identifier = "molecules-2"
    _blocks = (
        (DESCRIPTORS, describe), (QUANTUM_NUMBERS, quantum_numbers), (KEYS, structural_keys),
    )  # fmt: skip
    _fingerprints = (*MoleculeFeaturizer._fingerprints, ("pharmacophore_radius", "pharmacophores", True))


class JudgingMoleculeFeaturizer(WiderMoleculeFeaturizer):
    """``molecules-3``: the features of ``molecules-2``, of the parent compound as ``parents`` finds it.

    It tells what the model cannot judge, and gives warnings.
    """

    identifier = "molecules-3"
    judges_applicability = True

    def _read(self, record: object) -> tuple[Chem.Mol, Accepted | NotApplicable]:
        written = read_text(record)
        try:
            found = parent_compound(written.molecule, written.text)
        except Unreadable as fault:
            raise explained(fault, written.text, str(record)) from fault
        repaired = "; ".join(filter(None, (written.mended, found.repaired)))
        details = details_of(found.smiles, found.removed, repaired)
        warnings = [{"code": code, "message": text} for code, text in found.warnings]
        if written.mended:
            warnings.insert(0, {"code": "repaired", "message": written.mended})
        if written.reason:
            warnings.append({"code": "polymer", "message": written.reason})
        if warnings:
            details["warnings"] = warnings
        reason = written.reason or found.reason
        if reason:
            return found.molecule, NotApplicable(reason, details)
        return found.molecule, Accepted(details)


def _together(molecules: Sequence[Chem.Mol], smiles: Sequence[str]) -> BlockFeatures:
    """What can be computed at once; of none, if RDKit fails on one: each then shows whether it does."""
    try:
        return block_features(molecules, smiles)
    except (RuntimeError, ValueError):
        return block_features([], [])
