"""How far a window of traffic has moved, in standard deviations of the reference rows, and how sure.

The unit of evidence is the request: rows of one request may be alike. A column's variance is split
into that within requests and the rest, which is between them, as in an analysis of variance; a request
of n rows then tells as much as n / (1 + (n - 1) * share between) of them. The variance counts as at
least the reference's, so that one request of alike rows, which has none within, is one piece of
evidence, not one without error.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Layout
from models.health.reference import Reference

Array = NDArray[np.float64]

#: Effects from which traffic counts as moved (models/HEALTH.md says why these).
DEGRADED_AT = 0.5
UNHEALTHY_AT = 1.0

#: An effect of a layer or of the inputs that says where a departure lies.
NAMED_AT = 0.25

#: Inputs that turn the verdict themselves explain whatever layers do. Inputs that have moved by less,
#: but surely by so much, explain layers that have departed up to so many times as far.
EXPLAINS_AT, EXPLAINED = 0.05, 10.0

#: Standard errors that an effect must exceed before it counts: with at most some hundreds of
#: statistics compared at once, 4.5 keeps chance alone below one alarm in a thousand windows.
MARGIN = 4.5

#: Where one of several members has departed by so much more than the rest, it is that member's fault.
_LONELY = 3.0

Origin = Literal["input", "model"]

#: Fewer rows that share a request say nothing of how alike such rows are: they count as alike.
_FEWEST_WITHIN = 8


@dataclass(frozen=True, slots=True)
class Sums:
    """Additive statistics of rows, about the reference's centre; W columns, E of them evidence.

    ``counts`` are rows, requests and Σ of squared rows per request. ``total`` and ``squared`` (W,) are
    over rows, ``within`` (E,) are squared deviations from each request's own mean, and ``capped`` (E,)
    sums the requests' capped means.
    """

    counts: Array
    total: Array
    squared: Array
    within: Array
    capped: Array

    @classmethod
    def of(cls, counts: Array, values: NDArray[np.floating], layout: Layout) -> Self:
        """Take apart what ``values`` put together."""
        width, evidence = layout.width, layout.evidence
        size = evidence.stop - evidence.start
        ends = np.cumsum([width, width, size])
        return cls(counts, *np.split(np.asarray(values, np.float64), ends))

    @property
    def values(self) -> Array:
        """All but the counts, in one array (2W + 2E,)."""
        return np.concatenate([self.total, self.squared, self.within, self.capped])

    @property
    def rows(self) -> int:
        """How many rows."""
        return int(float(self.counts[0]) + 0.5)

    @property
    def requests(self) -> int:
        """How many requests."""
        return int(float(self.counts[1]) + 0.5)


def values_width(layout: Layout) -> int:
    """The length of ``Sums.values``."""
    return int(2 * layout.width + 2 * (layout.evidence.stop - layout.evidence.start))


@dataclass(frozen=True, slots=True)
class Shift:
    """An effect and what chance may contribute to it; both in standard deviations."""

    effect: float
    margin: float

    @property
    def sure(self) -> float:
        """The effect less what chance may contribute; never negative."""
        return max(0.0, self.effect - self.margin)


@dataclass(frozen=True, slots=True)
class Effects:
    """A window's effects.

    ``by_layer`` (M, L) is the largest shift of a layer's three statistics, ``error`` its standard
    error. ``departures`` (M, L) are a layer's shifts given inputs and earlier layers, with what chance
    may contribute in ``departure_margins``. ``members`` are whole members' departures. ``inputs``, the
    largest shift of the inputs, is None where they are not watched; ``features`` (F,) are the features'
    largest shifts of mean or spread, None where the window keeps none.
    """

    by_layer: Array
    error: float
    departures: Array
    departure_margins: Array
    members: tuple[Shift, ...]
    inputs: Shift | None
    features: Array | None
    rows: int
    requests: int

    @property
    def shift(self) -> Shift:
        """The shift that is surest to be large."""
        every = [*self.members, *([] if self.inputs is None else [self.inputs])]
        return max(every, key=lambda shift: (shift.sure, shift.effect))

    @property
    def largest(self) -> float:
        """The largest effect, less what chance may contribute."""
        return self.shift.sure

    @property
    def member(self) -> int:
        """The member that has departed furthest."""
        numbered = enumerate(self.members)
        return max(numbered, key=lambda one: (one[1].sure, one[1].effect))[0]

    @property
    def first_departing(self) -> tuple[int, int] | None:
        """(member, layer), both from 0, of the shallowest layer that has departed, or None."""
        sure = self.departures - self.departure_margins
        layers = np.flatnonzero((sure >= NAMED_AT).any(axis=0))
        if not len(layers):
            return None
        return int(sure[:, layers[0]].argmax()), int(layers[0])


def assess(
    reference: Reference,
    layout: Layout,
    sums: Sums,
    features: Array | None = None,
    offset: Array | None = None,
    feature_offset: Array | None = None,
) -> Effects:
    """Return a window's effects.

    ``features`` (2, F) are means of the features' standard scores and of their squares, over the
    window. ``offset`` (W,) and ``feature_offset`` (2, F) are the means of a live baseline, which then
    is the centre.
    """
    rows = max(sums.rows, 1)
    mean = sums.total / rows
    spread = np.maximum(sums.squared / rows - np.square(mean), 0.0)
    if offset is not None:
        mean = mean - offset
    evidence = layout.evidence
    moved, variance = mean[evidence], np.maximum(spread[evidence], 1.0)
    error2 = _squared_errors(sums, variance)
    start = evidence.start
    by_member = _columns(layout.departures, start, layout.members)
    distances = range(layout.distances.start - start, layout.distances.stop - start)
    members = tuple(
        _larger(_distance(moved[part], error2[part]), _single(moved[column], error2[column]))
        for part, column in zip(by_member, distances, strict=True)
    )
    by_layer = [
        _distance(moved[part], error2[part])
        for part in _columns(layout.departures, start, layout.members * layout.layers)
    ]
    shape = (layout.members, layout.layers)
    inflation = float(np.sqrt(np.mean(error2 / variance)))
    inputs, shifts = None, None
    if layout.inputs:
        part = slice(layout.directions.start - start, layout.directions.stop - start)
        inputs = _distance(moved[part], error2[part])
        for column in range(layout.singles.start - start, layout.singles.stop - start):
            inputs = _larger(inputs, _single(moved[column], error2[column]))
        if features is not None and reference.inputs is not None:
            shifts = feature_shifts(reference, features, feature_offset)
            inputs = _larger(inputs, Shift(float(shifts.max()), MARGIN * inflation))
    plain = np.abs(mean[layout.plain]) / reference.spread.ravel()
    return Effects(
        by_layer=plain.reshape(*shape, 3).max(axis=2),
        error=inflation,
        departures=np.array([shift.effect for shift in by_layer]).reshape(shape),
        departure_margins=np.array([shift.margin for shift in by_layer]).reshape(shape),
        members=members,
        inputs=inputs,
        features=shifts,
        rows=sums.rows,
        requests=sums.requests,
    )


def origin_of(effect: Effects) -> Origin:
    """Whether the inputs or the network differ.

    Inputs that have moved explain layers that have; layers that depart from what the inputs lead one
    to expect, while the inputs are as usual, have moved by little in comparison, or the other members
    do not, are the network's.
    """
    sizes = sorted((member.sure for member in effect.members), reverse=True)
    if len(sizes) > 2 and sizes[0] >= DEGRADED_AT and sizes[0] > _LONELY * max(sizes[1], NAMED_AT):
        return "model"
    if effect.inputs is not None:
        moved = effect.inputs.sure
        explained = moved >= EXPLAINS_AT and EXPLAINED * moved >= sizes[0]
        return "input" if moved >= DEGRADED_AT or explained else "model"
    first = effect.departures[:, 0] - effect.departure_margins[:, 0] >= NAMED_AT
    return "input" if first.mean() > 0.5 else "model"


def feature_shifts(reference: Reference, features: Array, offset: Array | None = None) -> Array:
    """Each feature's largest shift (F,): of its mean, or of its squared deviation from the centre."""
    inputs = reference.inputs
    assert inputs is not None
    centre = np.stack([np.zeros_like(inputs.square), inputs.square]) if offset is None else offset
    moved = np.abs(features - centre)
    shifts: Array = np.maximum(moved[0], moved[1] / inputs.square_spread)
    return shifts


def _squared_errors(sums: Sums, variance: Array) -> Array:
    """Each column's squared standard error of the window's mean."""
    rows, requests, squares = sums.counts
    freedom = rows - requests
    within = np.zeros_like(variance)
    if freedom >= _FEWEST_WITHIN:
        within = np.minimum(sums.within / freedom, variance)
    result: Array = (squares * (variance - within) + rows * within) / max(rows, 1.0) ** 2
    return result


def _distance(moved: Array, error2: Array) -> Shift:
    """How far a window's mean lies from the centre, over several columns together."""
    noise = float(error2.sum())
    length = float(np.square(moved).sum())
    effect = float(np.sqrt(max(length - noise, 0.0)))
    along = float(np.square(moved) @ error2) / max(length, 1e-300)
    margin = np.sqrt(MARGIN**2 * along + MARGIN * np.sqrt(2 * float(np.square(error2).sum())))
    return Shift(effect, float(margin))


def _single(moved: float, error2: float) -> Shift:
    return Shift(abs(float(moved)), MARGIN * float(np.sqrt(error2)))


def _larger(one: Shift, other: Shift) -> Shift:
    return max(one, other, key=lambda shift: (shift.sure, shift.effect))


def _columns(part: slice, start: int, pieces: int) -> list[slice]:
    size = (part.stop - part.start) // pieces
    first = part.start - start
    return [slice(first + n * size, first + (n + 1) * size) for n in range(pieces)]
