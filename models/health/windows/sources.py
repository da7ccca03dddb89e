"""Whose rows explain a change of traffic: those of one source alone, or of several."""

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import DEGRADED_AT
from models.health.layout import Layout
from models.health.reference import Reference
from models.health.windows.onset import FEWEST_ROWS
from models.health.windows.shifts import Moved, moved, moved_less
from models.health.windows.uncertainty import Evidence

Array = NDArray[np.float64]


def explained_alone(
    reference: Reference,
    layout: Layout,
    sources: Evidence,
    features: Array | None = None,
    offset: Array | None = None,
    feature_offset: Array | None = None,
) -> tuple[Moved, int | None]:
    """Return how far each of S sources has moved, and the number of the one that explains it alone.

    ``sources`` are sums over each one's rows since a change began, ``features`` (S, 2, F) sum the rows'
    standard scores and their squares; ``offset`` (E,) and ``feature_offset`` (2, F) are a baseline's
    means. A source explains a change alone if it has moved by itself, no other has, and the rows of all
    others together surely moved less wherever most of its own change is. None where no source does.
    """
    number = len(sources.counts)
    parts = sources.counts, sources.total, sources.squared, sources.within, sources.cells
    # Behind the sources: of each, the sum of all the others.
    both = Evidence(*(np.concatenate([part, part.sum(axis=0) - part]) for part in parts))
    means = None
    if features is not None:
        means = np.concatenate([features, features.sum(axis=0) - features]) / both.rows[:, None]
    every = moved(reference, layout, both, means, offset, feature_offset)
    rows = both.counts[:, 0]
    turned = (every.sure[:number].max(axis=1) >= DEGRADED_AT) & (rows[:number] >= FEWEST_ROWS)
    if np.count_nonzero(turned) != 1:
        return every, None
    one = int(turned.argmax())
    rest = number + one
    alone = rows[rest] < 1 or bool(moved_less(every, every, one)[rest])
    return every, one if alone else None
