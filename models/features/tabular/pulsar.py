"""Pulsar candidates: eight statistics of the integrated pulse profile and of the DM-SNR curve.

The order is that of HTRU2's data file (R. J. Lyon et al., MNRAS 459 (2016) 1104). The names are those
of its ARFF header: the data set's Readme swaps skewness and kurtosis
(``docs/reference/pulsar-features.md``).
"""

from collections.abc import Mapping

from models.errors import FeaturizerError
from models.features.base import Features
from models.features.tabular.records import NumberRows, Records, RecordShape

NAMES: tuple[str, ...] = (
    "profile_mean", "profile_stdev", "profile_skewness", "profile_kurtosis",
    "dm_mean", "dm_stdev", "dm_skewness", "dm_kurtosis",
)  # fmt: skip
_ROWS = NumberRows(RecordShape(NAMES, "a candidate", "feature", "numbers"), [False] * len(NAMES))


class CandidateFeaturizer:
    """``pulsar-1``: a record is eight finite numbers in file order, or a mapping by name.

    Takes no parameters. The features are the numbers themselves, as float32.
    """

    identifier = "pulsar-1"
    names = fields = NAMES
    texts: frozenset[str] = frozenset()
    judges_applicability = False

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
