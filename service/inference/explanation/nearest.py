"""The measured compounds that are nearest to the molecules of a request, for who asks for them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from models.features import Accepted, NotApplicable, Outcome
from models.features.molecules.featurizer import MoleculeFeaturizer
from service.errors import InvalidRequest
from service.inference.predictor import Prediction
from service.inference.served_models import ServedModel

#: Molecules of a request that asks for their nearest compounds, and compounds for each of them.
MOST_MOLECULES, MOST_NEAREST = 100, 10


def check_nearest(served: ServedModel, molecules: int) -> None:
    """Raise ``InvalidRequest`` if the model has no compounds to compare with, or there are too many."""
    if served.bundle.featurizer.domain is None:
        raise InvalidRequest(
            f"model {served.manifest.name!r} has no index of compounds; leave 'nearest' out"
        )
    if molecules > MOST_MOLECULES:
        raise InvalidRequest(
            f"{molecules} molecules with 'nearest'; the most is {MOST_MOLECULES}, send several requests"
        )


def with_nearest(prediction: Prediction, records: Sequence[object], number: int) -> Prediction:
    """Add ``nearest``, of ``number`` compounds, to the details of each record that could be read."""
    featurizer = cast(MoleculeFeaturizer, prediction.served.bundle.featurizer)

    def added(record: object, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Accepted | NotApplicable):
            return outcome
        nearest = featurizer.nearest(record, number)
        return replace(outcome, details=outcome.details | {"nearest": nearest})

    outcomes = [added(*pair) for pair in zip(records, prediction.outcomes, strict=True)]
    return replace(prediction, outcomes=outcomes)
