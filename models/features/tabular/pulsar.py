"""Pulsar candidates: eight statistics of the integrated pulse profile and of the DM-SNR curve.

The order is that of HTRU2's data file (R. J. Lyon et al., MNRAS 459 (2016) 1104). The names are those
of its ARFF header: the data set's Readme swaps skewness and kurtosis
(``docs/reference/pulsar-features.md``).
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.errors import FeaturizerError
from models.features.base import Features, Rejected
from models.features.tabular.cells import number
from models.features.tabular.records import NumberRows, Records, RecordShape

NAMES: tuple[str, ...] = (
    "profile_mean", "profile_stdev", "profile_skewness", "profile_kurtosis",
    "dm_mean", "dm_stdev", "dm_skewness", "dm_kurtosis",
)  # fmt: skip
_WIDTH = len(NAMES)
_ROWS = NumberRows(RecordShape(NAMES, "a candidate", "feature", "numbers"), [False] * _WIDTH)
#: Positions of standard deviation, skewness and excess kurtosis of the two curves, each of which has
#: half of the features.
CURVES = (("profile", 1, 2, 3), ("DM-SNR curve", 5, 6, 7))
#: Of a kurtosis below its bound, how much rounded digits may explain, in units of 1 + skewness².
_ROUNDED = 2e-3


class CandidateFeaturizer:
    """``pulsar-1``: a record is eight finite numbers in file order, or a mapping by name.

    Takes no parameters. The features are the numbers themselves, as float32.
    """

    identifier = "pulsar-1"
    names = fields = NAMES
    texts: frozenset[str] = frozenset()
    readers: tuple[Callable[[str], object], ...] = (number,) * _WIDTH
    judges_applicability = False
    domain = None

    def __init__(self, parameters: Mapping[str, object] | None = None) -> None:
        """Raises ``FeaturizerError`` if there are any parameters."""
        if parameters:
            raise FeaturizerError(
                f"featurizer {self.identifier} takes no parameters, got {', '.join(parameters)}"
            )
        self.parameters: dict[str, object] = {}

    def featurize(self, records: Records) -> Features:
        """Rows of shape ``(accepted, 8)``; ``records`` may be an array of shape ``(n, 8)``."""
        return _ROWS.read(records)


class SoundCandidateFeaturizer(CandidateFeaturizer):
    """``pulsar-2``: as ``pulsar-1``, but a record of moments that no sample can have is an error."""

    identifier = "pulsar-2"

    def featurize(self, records: Records) -> Features:
        """Rows of shape ``(accepted, 8)``; ``records`` may be an array of shape ``(n, 8)``."""
        read = _ROWS.read(records)
        if len(read.rows) == len(records) == 1:  # numpy's steps take longer than all of the numbers do
            fault = _fault(read.rows[0].tolist())
            return read if fault is None else Features(read.rows[:0], [Rejected(fault)])
        faulty = impossible(read.rows.astype(np.float64))
        if not faulty.any():
            return read
        unsound = np.flatnonzero(faulty.any(axis=1))
        accepted = [place for place, each in enumerate(read.outcomes) if type(each) is not Rejected]
        outcomes = list(read.outcomes)
        for row in unsound.tolist():
            outcomes[accepted[row]] = Rejected(str(_fault(read.rows[row].tolist())))
        return Features(np.delete(read.rows, unsound, axis=0), outcomes)


def impossible(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which moments no sample can have: ``(n, 2)`` by curve, of candidates ``(n, 8)``.

    A standard deviation is not negative, a sample without spread has no skewness and no kurtosis (0 is
    taken for none), and the excess kurtosis of any sample is at least its squared skewness - 2
    (K. Pearson, Phil. Trans. R. Soc. A 216 (1916) 429).
    """
    # Both curves at once, since a block of rows costs what its steps cost.
    by_curve = rows.reshape(-1, len(CURVES), _WIDTH // len(CURVES))
    stdev, skewness, kurtosis = (by_curve[:, :, place] for place in CURVES[0][1:])
    square = np.square(skewness)
    found: NDArray[np.bool_] = kurtosis < square - 2 - _ROUNDED * (1 + square)
    if (stdev <= 0).any():
        found |= (stdev == 0) & ((skewness != 0) | (kurtosis != 0)) | (stdev < 0)
    return found


def _fault(row: list[float]) -> str | None:
    """What is wrong with the first curve of a candidate that is ``impossible``; None if none is."""
    for curve, stdev, skewness, kurtosis in CURVES:
        if row[stdev] < 0:
            return f"feature {NAMES[stdev]} is {row[stdev]:g}; a standard deviation is not negative"
        if row[stdev] == 0 and (row[skewness] or row[kurtosis]):
            return (
                f"feature {NAMES[stdev]} is 0, but a constant {curve} has neither skewness nor kurtosis;"
                f" given are {row[skewness]:g} and {row[kurtosis]:g}"
            )
        if row[kurtosis] < (least := row[skewness] ** 2 - 2) - _ROUNDED * (1 + row[skewness] ** 2):
            return (
                f"no {curve} has skewness {row[skewness]:g} and excess kurtosis {row[kurtosis]:g}, which"
                f" is at least skewness² - 2 = {least:g}; perhaps they are exchanged"
            )
    return None
