"""The part of a change that has none of the traffic from before it: by this it is named."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.health.windows.onset import Stretch, Traffic


@dataclass(frozen=True, slots=True)
class PurePart:
    """Blocks of a stretch from ``begin`` on: their rows, and means of their features (2, F).

    ``means`` is None where the traffic has no features.
    """

    begin: int
    rows: int
    means: NDArray[np.float64] | None


def pure_part(traffic: Traffic, stretch: Stretch) -> PurePart:
    """Return the blocks of a stretch that hold nothing else.

    A change begins within a block, unless that is one request or the first of all. A few rows from
    before it hide what it is: they give a spread to a column that has none any more.
    """
    first = stretch.begin
    whole = first == 0 or traffic.blocks.counts[first, 1] < 2 or first + 1 == stretch.end
    begin = first if whole else first + 1
    rows = float(traffic.blocks.counts[begin : stretch.end, 0].sum())
    means = None
    if traffic.features is not None:
        means = traffic.features[begin : stretch.end].sum(axis=0) / max(rows, 1.0)
    return PurePart(begin, round(rows), means)
