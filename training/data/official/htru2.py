"""HTRU2: 17,898 pulsar candidates of the High Time Resolution Universe survey.

R. J. Lyon, B. W. Stappers, S. Cooper, J. M. Brooke, J. D. Knowles, *Fifty Years of Pulsar
Candidate Selection*, MNRAS 459 (2016) 1104; doi 10.24432/C5DK6R. Columns are taken by position:
the official Readme swaps the names of skewness and kurtosis.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.data.folds import folds_of_rows
from training.data.official.sources import HTRU2, read
from training.errors import DataError

TARGETS = ("pulsar",)
_COUNTS = {"candidates": 17_898, "pulsars": 1_639, "noise": 16_259}


def load() -> Dataset:
    """All candidates in file order: records of eight floats, labels of shape ``(17898, 1)``.

    Raises ``DataError`` if the file cannot be had, is altered, or miscounts.
    """
    # The official file ends lines with carriage returns alone: split at any white space.
    lines = read(HTRU2).decode("ascii").split()
    table = np.array([line.split(",") for line in lines], dtype=np.float64)
    values, classes = np.ascontiguousarray(table[:, :8]), table[:, 8]
    counts = {
        "candidates": len(table),
        "pulsars": int((classes == 1).sum()),
        "noise": int((classes == 0).sum()),
    }
    if counts != _COUNTS or not np.isfinite(table).all():
        raise DataError(f"{HTRU2.pinned} holds {counts}, expected {_COUNTS}, all finite")
    return candidates(values, classes, {HTRU2.pinned: HTRU2.sha256}, dict(counts))


def candidates(
    values: NDArray[np.float64],
    classes: NDArray[np.floating],
    sources: dict[str, str],
    summary: dict[str, object],
    **options: Any,
) -> Dataset:
    """A data set of candidates: eight numbers ``(n, 8)`` and a class ``(n,)``, 0 or 1, of each."""
    return Dataset(
        name="htru2",
        featurizer="pulsar-2",
        records=tuple(map(tuple, values.tolist())),
        labels=classes.astype(np.float32)[:, np.newaxis],
        targets=TARGETS,
        folds=folds_of_rows(values),
        sources=sources,
        summary=summary,
        **options,
    )
