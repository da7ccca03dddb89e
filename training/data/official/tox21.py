"""Tox21 Data Challenge 2014: twelve toxicity assays, from the challenge's own SDF archives.

R. Huang et al., Front. Environ. Sci. 3:85 (2016); A. Mayr et al., *DeepTox*, Front. Environ.
Sci. 3:80 (2016). The archives list samples, not compounds: records are merged by their parent compound.
If the records of a parent disagree on an assay the majority decides, and an even split counts as not
measured. Networks learn the samples' shares and are evaluated on the labels. Records that a model could
not judge, those without carbon or with a foreign metal, are left out: their parent would be that of
another substance, as acetic acid is of mercury acetate.
"""

import io
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import Unreadable
from training.data.dataset import Dataset, Replicates
from training.data.folds import folds_of_molecules
from training.data.official.sources import TOX21_LEADERBOARD, TOX21_TRAINING, Source, read
from training.errors import DataError

# Counts as published, in the order of the Tox21 leaderboard: measured and positive in the
# training set, measured and positive in the leaderboard set.
_COUNTS = {
    "NR-AR": (9362, 380, 292, 3),
    "NR-AR-LBD": (8599, 303, 253, 4),
    "NR-AhR": (8169, 950, 272, 31),
    "NR-Aromatase": (7226, 360, 214, 18),
    "NR-ER": (7697, 937, 265, 27),
    "NR-ER-LBD": (8753, 446, 287, 10),
    "NR-PPAR-gamma": (8184, 222, 267, 15),
    "SR-ARE": (7167, 1098, 234, 48),
    "SR-ATAD5": (9091, 338, 272, 25),
    "SR-HSE": (8150, 428, 267, 10),
    "SR-MMP": (7320, 1142, 238, 38),
    "SR-p53": (8634, 537, 269, 28),
}
TARGETS = tuple(_COUNTS)
_TRAINING_RECORDS, _LEADERBOARD_RECORDS = 11_764, 296


@dataclass(frozen=True, slots=True)
class Sample:
    """One record of an archive: its parent's SMILES and labels of shape ``(12,)``.

    ``not_applicable`` says why a model cannot judge it; empty if it can.
    """

    name: str
    parent: str
    labels: NDArray[np.float32]
    is_mixture: bool
    repaired: str
    not_applicable: str = ""


def load() -> Dataset:
    """Training and leaderboard sets, merged by parent; labels of shape ``(n, 12)``.

    Raises ``DataError`` if a file cannot be had, is altered, or its counts are not the published ones.
    """
    return merge("tox21", read_training(), read_leaderboard())


def load_twin() -> tuple[Dataset, Dataset]:
    """The training set without any parent of the leaderboard set, and the leaderboard set.

    A model fitted and chosen on the first may be evaluated on the second. Raises ``DataError``.
    """
    leaderboard = read_leaderboard()
    excluded = {sample.parent for sample in leaderboard}
    training = [sample for sample in read_training() if sample.parent not in excluded]
    return (
        merge("tox21-without-leaderboard", training, []),
        merge("tox21-leaderboard", [], leaderboard),
    )


def read_training() -> list[Sample]:
    """The 11,764 samples of the training archive."""
    published = [counts[:2] for counts in _COUNTS.values()]
    return _read_archive(TOX21_TRAINING, _TRAINING_RECORDS, published)


def read_leaderboard() -> list[Sample]:
    """The 296 samples of the leaderboard archive."""
    published = [counts[2:] for counts in _COUNTS.values()]
    return _read_archive(TOX21_LEADERBOARD, _LEADERBOARD_RECORDS, published)


def _read_archive(source: Source, records: int, published: list[tuple[int, int]]) -> list[Sample]:
    """Every record of the zip's one SDF; none is left out."""
    with zipfile.ZipFile(io.BytesIO(read(source))) as archive:
        (member,) = archive.namelist()
        content = archive.read(member)
    # Not sanitised by the reader, which would drop three platinum complexes silently.
    supplier = Chem.ForwardSDMolSupplier(io.BytesIO(content), sanitize=False, removeHs=False)
    with captured_rdkit_log():  # of ambiguous stereo, which parents do not have
        samples = [_sample(molecule, source) for molecule in supplier]
    labels = np.array([sample.labels for sample in samples])
    counts = list(
        zip((labels >= 0).sum(axis=0).tolist(), (labels == 1).sum(axis=0).tolist(), strict=True)
    )
    if len(samples) != records or counts != published:
        raise DataError(
            f"{source.name} holds {len(samples)} records with (measured, positive) {counts}, "
            f"published are {records} with {published}"
        )
    return samples


def _sample(molecule: Chem.Mol | None, source: Source) -> Sample:
    if molecule is None:
        raise DataError(f"{source.name} holds a record that is no MOL block")
    name = molecule.GetProp("_Name")
    labels = np.full(len(TARGETS), np.nan, dtype=np.float32)
    for column, target in enumerate(TARGETS):
        if molecule.HasProp(target):
            labels[column] = float(molecule.GetProp(target))
    try:
        found = parent_compound(molecule)
    except Unreadable as fault:
        raise DataError(f"{source.name}, record {name}: {fault}") from fault
    return Sample(name, found.smiles, labels, bool(found.removed), found.repaired, found.reason)


def merge(name: str, training: Sequence[Sample], leaderboard: Sequence[Sample]) -> Dataset:
    """One row per parent, in the order of first occurrence, merged as this module's docstring says."""
    records = [*training, *leaderboard]
    samples = [sample for sample in records if not sample.not_applicable]
    by_parent: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for sample in samples:
        by_parent[sample.parent].append(sample.labels)
    votes = [np.array(rows) for rows in by_parent.values()]
    positive = np.array([(rows == 1).sum(axis=0) for rows in votes])
    negative = np.array([(rows == 0).sum(axis=0) for rows in votes])
    labels = np.where(positive > negative, 1.0, 0.0).astype(np.float32)
    labels[positive == negative] = np.nan  # never measured, or an even split
    counts = (positive + negative).astype(np.float32)
    shares = np.full(labels.shape, np.nan, dtype=np.float32)
    np.divide(positive, counts, out=shares, where=counts > 0)
    conflicts = (positive > 0) & (negative > 0)
    parents = tuple(by_parent)
    sources = [(TOX21_TRAINING, training), (TOX21_LEADERBOARD, leaderboard)]
    apart = {sample.parent for sample in leaderboard} if training else set()
    return Dataset(
        name=name,
        featurizer="molecules-3",
        records=parents,
        labels=labels,
        targets=TARGETS,
        folds=folds_of_molecules(parents),
        replicates=Replicates(shares, counts),
        sources={source.name: source.sha256 for source, used in sources if used},
        parts={"leaderboard": np.array([one in apart for one in parents])} if apart else {},
        summary={
            "records": len(records),
            "records_not_applicable": len(records) - len(samples),
            "parents": len(parents),
            "records_with_fragments_removed": sum(sample.is_mixture for sample in samples),
            "records_repaired": [sample.name for sample in samples if sample.repaired],
            "conflicting_labels": int(conflicts.sum()),
            "conflicting_labels_without_majority": int((conflicts & np.isnan(labels)).sum()),
            "conflicting_labels_by_target": dict(
                zip(TARGETS, conflicts.sum(axis=0).tolist(), strict=True)
            ),
            "measured": int(np.isfinite(labels).sum()),
            "positive": int((labels == 1).sum()),
        },
    )
