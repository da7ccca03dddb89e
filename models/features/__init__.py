"""Raw records to feature rows, one module per kind of record.

Training and service call the same featurizer, rebuilt from the manifest by ``create``. Scaling and
imputation are in the ONNX graph, so features are raw values.
"""

from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import Protocol, Self, cast

from models.domain.measured import MeasuredCompounds
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
    "columns_of",
    "create",
    "within",
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


class _OfTables(Protocol):
    sources: tuple[str, ...]


def columns_of(featurizer: Featurizer) -> Sequence[str]:
    """By feature, the name that clients know: of tables the column's, otherwise the feature's own."""
    if featurizer.identifier.startswith("tables-"):
        return cast(_OfTables, featurizer).sources
    return featurizer.names


class _OfMolecules(Protocol):
    def within(self, domain: MeasuredCompounds) -> Self: ...


def within(featurizer: Featurizer, domain: MeasuredCompounds) -> Featurizer:
    """The same featurizer, which also tells how near each molecule is to those of ``domain``.

    Raises ``FeaturizerError`` if it is no featurizer of molecules, or counts other fragments.
    """
    if not featurizer.identifier.startswith("molecules-"):
        raise FeaturizerError(f"featurizer {featurizer.identifier} has no domain of molecules")
    return cast(Featurizer, cast(_OfMolecules, featurizer).within(domain))
