"""Pulsar candidates: eight statistics of a folded profile and its DM-SNR curve.

The order is that of HTRU2's data file (Lyon et al. 2016, MNRAS 459, 1104). The names are those
of its ARFF header: the Readme swaps skewness and kurtosis, see the data notes of the README.
"""

from collections.abc import Mapping

from models.errors import FeaturizerError
from models.features.base import Features
from models.features.tabular.records import NumberRows, Records, RecordShape

NAMES = (
    "profile_mean",
    "profile_stdev",
    "profile_skewness",
    "profile_kurtosis",
    "dm_mean",
    "dm_stdev",
    "dm_skewness",
    "dm_kurtosis",
)
_ROWS = NumberRows(RecordShape(NAMES, "a candidate", "feature", "numbers"), [False] * len(NAMES))


class CandidateFeaturizer:
    """``pulsar-1``: a record is eight finite numbers in file order, or a mapping by name.

    Takes no parameters. Features are the numbers themselves, as float32.
    """

    identifier = "pulsar-1"
    names = NAMES
    fields = NAMES
    texts: frozenset[str] = frozenset()

    def __init__(self, parameters: Mapping[str, object] | None = None) -> None:
        """Raises ``FeaturizerError`` for any parameter: this kind has none."""
        if parameters:
            raise FeaturizerError(
                f"featurizer {self.identifier} takes no parameters, got {', '.join(parameters)}"
            )
        self.parameters: dict[str, object] = {}

    def featurize(self, records: Records) -> Features:
        """Rows of shape ``(accepted, 8)``; an array of shape ``(n, 8)`` is read without a loop."""
        return _ROWS.read(records)
