"""Fit the bounds of a row to rows that each member never learned.

Each statistic is measured in the distance of its own outer percentiles from its median, above and below
apart. Of a row the furthest statistic counts, so that there is one distribution of one number to
model, and not hundreds. Its tail is a generalised Pareto distribution (Pickands 1975; by the method of
moments, Hosking and Wallis 1987), by which the bounds are where clean rows come beyond them at the
declared rate, and wider by a margin. They are no nearer than a quarter beyond the furthest row that
was seen.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.health.reference import SHARE_FLOOR
from models.health.rows.bounds import RowBounds

Array = NDArray[np.float64]

#: The share of clean rows that may be beyond any of their bounds: half of it for the taps, half for the
#: logits.
FALSE_ALARMS = 1e-4

#: The percentiles that are a statistic's unit, and the least unit of a layer's mean and variance, and
#: of a logit, so that float32's rounding is not beyond a bound.
_OUTER, _LEAST = 0.005, 1e-3

#: The tail is of this share of the rows, and of no fewer rows than ``_FEWEST`` (if that is a fifth of
#: all, at most). With fewer than ``_TOO_FEW`` of them it is not modelled.
_TAIL, _FEWEST, _TOO_FEW = 0.01, 50, 10
#: By how much wider bounds are than the model of the tail says: of 14,898 new candidates, 12 were beyond
#: bounds of 3,000 others without it, one with it.
_MARGIN = 1.4
#: By how much bounds are beyond the furthest row, with a tail and without.
_BEYOND, _FAR_BEYOND = 1.25, 3.0


def fit_row_bounds(
    taps: Sequence[NDArray[np.floating]],
    places: Sequence[NDArray[np.intp]],
    logits: NDArray[np.floating],
    rate: float = FALSE_ALARMS,
) -> RowBounds:
    """Fit them to each member's ``taps`` (n, L, 3) of the rows ``places`` (n,) that it never learned.

    ``logits`` (N, M, T) are all rows' by all members.
    """
    number = len(logits)
    deviations = logits.astype(np.float64) - logits.mean(axis=1, keepdims=True, dtype=np.float64)
    own = [deviations[rows, at] for at, rows in enumerate(places)]
    floors = np.array([_LEAST, _LEAST, SHARE_FLOOR])
    statistics = [part.astype(np.float64) for part in taps]
    lower, upper = _bounds(statistics, places, number, floors, rate / 2)
    below, above = np.zeros((2, *deviations.shape[1:]))
    if len(places) > 1:
        below, above = _bounds(own, places, number, np.array(_LEAST), rate / 2)
    return RowBounds(lower, upper, below, above, rate)


def _bounds(
    values: Sequence[Array], places: Sequence[NDArray[np.intp]], number: int, floor: Array, rate: float
) -> tuple[Array, Array]:
    """Bounds (M, …) of each member's values (n, …) of the rows ``places``, of ``number`` in all."""
    furthest, judges = np.zeros(number), np.zeros(number)
    units = []
    for own, rows in zip(values, places, strict=True):
        centre = np.median(own, axis=0)
        low, high = np.quantile(own, (_OUTER, 1 - _OUTER), axis=0)
        down, up = np.maximum(centre - low, floor), np.maximum(high - centre, floor)
        units.append((centre, down, up))
        moved = own - centre
        scores = np.where(moved > 0, moved / up, -moved / down).reshape(len(own), -1).max(axis=1)
        furthest[rows] = np.maximum(furthest[rows], scores)
        judges[rows] += 1
    seen = judges > 0
    # A row of the data is judged by the members that never learned it, a new one by all of them.
    share = float(judges[seen].mean()) / len(values)
    cut = _MARGIN * tail_quantile(furthest[seen], rate * share)
    centre, down, up = (np.stack(part) for part in zip(*units, strict=True))
    return centre - cut * down, centre + cut * up


def tail_quantile(scores: Array, rate: float) -> float:
    """Return the number that so small a share of scores like these (n,) is beyond."""
    ordered = np.sort(scores)[::-1]
    count = max(int(_TAIL * len(ordered)), min(_FEWEST, len(ordered) // 5))
    if count < _TOO_FEW:
        return _FAR_BEYOND * float(ordered[0])
    start = float(ordered[count])
    excess = ordered[:count] - start
    mean, variance = float(excess.mean()), float(excess.var()) + 1e-12
    ratio = mean * mean / variance
    shape = max(0.5 * (1 - ratio), 0.0)  # a tail that ends is taken for an exponential one
    scale = 0.5 * mean * (1 + ratio) if shape else mean
    left = rate * len(ordered) / count
    beyond = scale * (-np.log(left) if shape < 1e-6 else (left**-shape - 1) / shape)
    return max(start + float(beyond), _BEYOND * float(ordered[0]))
