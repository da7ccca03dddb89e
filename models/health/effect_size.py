"""How far a window of traffic has moved, in standard deviations of the reference rows, and how sure.

The unit of evidence is the request: rows of one request may be alike. A column's variance is split
into that within requests and the rest, which is between them, as in an analysis of variance; a request
of n rows then tells as much as n / (1 + (n - 1) * share between) of them. The variance counts as at
least the reference's, so that one request of alike rows, which has none within, is one piece of
evidence, not one without error.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.health.evidence import Sums
from models.health.inputs import Inputs
from models.health.layout import Layout
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

#: How many times further than any other a member must depart to be at fault alone.
_LONELY = 3.0

Origin = Literal["input", "model"]

#: With fewer rows beyond one per request, the variance within requests is not known and counts as 0.
_FEWEST_WITHIN = 8


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
    may contribute in ``departure_margins``. ``members`` are each member's departure over all of its
    layers. ``inputs``, the largest shift of the inputs, is None where they are not watched;
    ``features`` (F,) are the features' largest shifts of mean or spread, None where the window keeps
    none.
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
        return _largest([*self.members, *([] if self.inputs is None else [self.inputs])])

    @property
    def largest(self) -> float:
        """The largest effect, less what chance may contribute."""
        return self.shift.sure

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
    rows, evidence, shape = max(sums.rows, 1), layout.evidence, (layout.members, layout.layers)
    mean = sums.total / rows
    spread = np.maximum(sums.squared / rows - np.square(mean), 0.0)
    if offset is not None:
        mean = mean - offset
    moved, variance = mean[evidence], np.maximum(spread[evidence], 1.0)
    error2 = _squared_errors(sums, variance)

    def distances(part: slice, pieces: int) -> list[Shift]:
        places = layout.in_evidence(part, pieces)
        return [_distance(moved[place], error2[place]) for place in places]

    def singles(part: slice) -> list[Shift]:
        (place,) = layout.in_evidence(part)
        pairs = zip(np.abs(moved[place]), MARGIN * np.sqrt(error2[place]), strict=True)
        return [Shift(float(effect), float(margin)) for effect, margin in pairs]

    departures = distances(layout.departures, layout.members)
    pairs = zip(departures, singles(layout.distances), strict=True)
    by_layer = distances(layout.departures, layout.members * layout.layers)
    inflation = float(np.sqrt(np.mean(error2 / variance)))
    inputs, shifts = None, None
    if layout.has_inputs:
        of_inputs = distances(layout.directions, 1) + singles(layout.singles)
        if features is not None and reference.inputs is not None:
            shifts = feature_shifts(reference.inputs, features, feature_offset)
            of_inputs.append(Shift(float(shifts.max()), MARGIN * inflation))
        inputs = _largest(of_inputs)
    plain = np.abs(mean[layout.plain]) / reference.spread.ravel()
    return Effects(
        by_layer=plain.reshape(*shape, 3).max(axis=2),
        error=inflation,
        departures=np.array([shift.effect for shift in by_layer]).reshape(shape),
        departure_margins=np.array([shift.margin for shift in by_layer]).reshape(shape),
        members=tuple(_largest(pair) for pair in pairs),
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


def feature_shifts(inputs: Inputs, features: Array, offset: Array | None = None) -> Array:
    """Return each feature's largest shift (F,): of its mean, or of its squares' mean.

    ``features`` and ``offset`` (2, F) are as ``assess`` takes them.
    """
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
    squares = np.square(moved)
    length = float(squares.sum())
    effect = float(np.sqrt(max(length - float(error2.sum()), 0.0)))
    along = float(squares @ error2) / max(length, 1e-300)
    margin = np.sqrt(MARGIN**2 * along + MARGIN * np.sqrt(2 * float(np.square(error2).sum())))
    return Shift(effect, float(margin))


def _largest(shifts: Iterable[Shift]) -> Shift:
    """The shift that is surest to be large; the first of those that are equal."""
    return max(shifts, key=lambda shift: (shift.sure, shift.effect))
