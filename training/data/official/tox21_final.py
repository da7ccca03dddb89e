"""The 647 compounds of Tox21's final evaluation, with the labels that JKU published.

They may evaluate a finished model and nothing else: no choice, fit or threshold may depend on them.
The official protocol keeps the compounds that also occur in the training set.
"""

import csv
import gzip
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.official.sources import TOX21_FINAL, TOX21_FINAL_LABELS, read
from training.data.official.tox21 import TARGETS
from training.errors import DataError

# Measured and positive, as published.
_COUNTS = {
    "NR-AR": (586, 12),
    "NR-AR-LBD": (582, 8),
    "NR-AhR": (610, 73),
    "NR-Aromatase": (528, 39),
    "NR-ER": (516, 51),
    "NR-ER-LBD": (600, 20),
    "NR-PPAR-gamma": (605, 31),
    "SR-ARE": (555, 93),
    "SR-ATAD5": (622, 38),
    "SR-HSE": (610, 22),
    "SR-MMP": (543, 60),
    "SR-p53": (616, 41),
}


@dataclass(frozen=True)
class FinalEvaluation:
    """SMILES as published, and labels of shape ``(n, 12)`` in the order of ``TARGETS``.

    Row i of ``labels`` belongs to ``smiles[i]``; NaN where not measured.
    """

    smiles: tuple[str, ...]
    labels: NDArray[np.float32]


def load() -> FinalEvaluation:
    """The official set. Raises ``DataError`` if a file cannot be had, is altered, or miscounts."""
    final = parse(read(TOX21_FINAL), read(TOX21_FINAL_LABELS))
    measured, positive = np.isfinite(final.labels).sum(axis=0), (final.labels == 1).sum(axis=0)
    counts = dict(zip(TARGETS, zip(measured.tolist(), positive.tolist(), strict=True), strict=True))
    if counts != _COUNTS:
        raise DataError(f"{TOX21_FINAL_LABELS.name} holds {counts}, published are {_COUNTS}")
    return final


def parse(compounds: bytes, labels: bytes) -> FinalEvaluation:
    """Join the compounds (tab separated, with a header) and the labels (gzipped csv) by sample id.

    Raises ``DataError`` if either has another format or a compound has no labels.
    """
    lines = compounds.decode("ascii").splitlines()
    rows = [line.split("\t") for line in lines[1:] if line.strip()]
    if lines[0].split("\t") != ["#SMILES", "Sample ID"] or any(len(row) != 2 for row in rows):
        raise DataError(f"{TOX21_FINAL.name} is not a table of #SMILES and Sample ID")
    by_sample = _labels_by_sample(labels)
    missing = [sample for _, sample in rows if sample not in by_sample]
    if missing:
        raise DataError(
            f"{TOX21_FINAL_LABELS.name} has no row for {len(missing)} compounds, first {missing[0]}"
        )
    return FinalEvaluation(
        smiles=tuple(smiles for smiles, _ in rows),
        labels=np.array([by_sample[sample] for _, sample in rows], dtype=np.float32),
    )


def _labels_by_sample(content: bytes) -> dict[str, list[float]]:
    """Each sample's labels in the order of ``TARGETS``.

    The header names the targets with dots for hyphens; the first column, the
    sample id, has an empty name or none.
    """
    name = TOX21_FINAL_LABELS.name
    try:
        header, *rows = csv.reader(io.StringIO(gzip.decompress(content).decode("ascii")))
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{name} is not a gzipped csv table: {error}") from error
    columns = {
        target.replace(".", "-"): place for place, target in enumerate(header[-len(TARGETS) :], 1)
    }
    if set(columns) != set(TARGETS):
        raise DataError(f"{name} has the columns {', '.join(header)}, not the twelve targets")
    values = {"0": 0.0, "1": 1.0, "NA": np.nan}
    try:
        return {row[0]: [values[row[columns[target]]] for target in TARGETS] for row in rows if row}
    except (KeyError, IndexError) as error:
        raise DataError(f"{name} holds a row that is not a sample id and 0, 1 or NA") from error
