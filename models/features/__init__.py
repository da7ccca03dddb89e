"""Raw records to feature rows, one module per kind of record.

Training and service call the same featurizer, rebuilt from the manifest by ``create``. Scaling and
imputation are in the ONNX graph, so features are raw values.
"""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import cast

from models.errors import FeaturizerError
from models.features.base import Accepted, Features, Featurizer, NotApplicable, Outcome, Rejected

__all__ = [
    "Accepted",
    "Features",
    "Featurizer",
    "FeaturizerError",
    "NotApplicable",
    "Outcome",
    "Rejected",
    "create",
]

# Classes are imported on first use: a service that serves pulsars alone does not load RDKit.
_CLASSES = {
    "molecules-1": "molecules.featurizer:MoleculeFeaturizer",
    "molecules-2": "molecules.featurizer:WiderMoleculeFeaturizer",
    "molecules-3": "molecules.featurizer:JudgingMoleculeFeaturizer",
    "pulsar-1": "tabular.pulsar:CandidateFeaturizer",
    "pulsar-2": "tabular.pulsar:SoundCandidateFeaturizer",
    "tables-1": "tabular.featurizer:TableFeaturizer",
    "tables-2": "tabular.featurizer:ExactTableFeaturizer",
    "tables-3": "tabular.written:WrittenTableFeaturizer",
}


def create(identifier: str, parameters: Mapping[str, object]) -> Featurizer:
    """Build the featurizer that a manifest names.

    Raises ``FeaturizerError`` if this build does not have the identifier, or if the parameters are
    not valid for it.
    """
    if identifier not in _CLASSES:
        raise FeaturizerError(
            f"unknown featurizer {identifier!r}: this build knows {', '.join(sorted(_CLASSES))}; "
            "serve the bundle with the release that made it, or retrain"
        )
    return cast(Featurizer, resolve_name(f"{__name__}.{_CLASSES[identifier]}")(parameters))
