"""Raw records to feature rows, one module per kind of record.

Training and service call the same featurizer, rebuilt from the manifest by ``create``; scaling
and imputation are inside the graph, so what leaves here is raw.
"""

from collections.abc import Callable, Mapping

from models.errors import FeaturizerError
from models.features.base import Accepted, Features, Featurizer, Outcome, Rejected

__all__ = [
    "Accepted",
    "Features",
    "Featurizer",
    "FeaturizerError",
    "Outcome",
    "Rejected",
    "create",
]


def _pulsar(parameters: Mapping[str, object]) -> Featurizer:
    from models.features.tabular.pulsar import CandidateFeaturizer

    return CandidateFeaturizer(parameters)


def _molecules(parameters: Mapping[str, object]) -> Featurizer:
    from models.features.molecules.featurizer import MoleculeFeaturizer

    return MoleculeFeaturizer(parameters)


def _tables(parameters: Mapping[str, object]) -> Featurizer:
    from models.features.tabular.featurizer import TableFeaturizer

    return TableFeaturizer(parameters)


def _wider_molecules(parameters: Mapping[str, object]) -> Featurizer:
    from models.features.molecules.featurizer import WiderMoleculeFeaturizer

    return WiderMoleculeFeaturizer(parameters)


# Each kind is imported when asked for: a service of pulsars alone need not load RDKit.
_BUILDERS: dict[str, Callable[[Mapping[str, object]], Featurizer]] = {
    "molecules-1": _molecules,
    "molecules-2": _wider_molecules,
    "pulsar-1": _pulsar,
    "tables-1": _tables,
}


def create(identifier: str, parameters: Mapping[str, object]) -> Featurizer:
    """Rebuild the featurizer that a manifest names.

    Raises ``FeaturizerError`` for an identifier this build does not know and for parameters
    that are not the ones of that kind.
    """
    builder = _BUILDERS.get(identifier)
    if builder is None:
        known = ", ".join(sorted(_BUILDERS))
        raise FeaturizerError(
            f"unknown featurizer {identifier!r}: this build knows {known}; "
            "serve the bundle with the release that made it, or retrain"
        )
    return builder(parameters)
