"""Molecules that one request repeats: each is featurized and computed once."""

from collections.abc import Sequence

import numpy as np

from models.features import Accepted, Outcome
from service.inference.queue import Outputs


def without_repetitions(records: Sequence[object]) -> Sequence[object]:
    """Return the records once each if all are texts, or else the records."""
    return list(dict.fromkeys(records)) if set(map(type, records)) == {str} else records


def repeated(
    outcomes: Sequence[Outcome],
    outputs: Outputs,
    distinct: Sequence[object],
    records: Sequence[object],
) -> tuple[list[Outcome], Outputs]:
    """Return outcomes and outputs of ``records`` from those of the distinct ones among them."""
    place_of = {record: place for place, record in enumerate(distinct)}
    places = [place_of[record] for record in records]
    accepted = np.array([isinstance(outcome, Accepted) for outcome in outcomes])
    rows = np.cumsum(accepted) - 1  # the row of each record that has one
    wanted = rows[[place for place in places if accepted[place]]]
    return [outcomes[place] for place in places], {
        name: array[wanted] for name, array in outputs.items()
    }
