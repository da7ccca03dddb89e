"""How far windows of traffic have moved, in standard deviations of the reference rows, and how sure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Effects from which traffic counts as moved (docs/explanation/activation-health.md says why these).
DEGRADED_AT = 0.5
UNHEALTHY_AT = 1.0

#: An effect of a layer or of the inputs that says where a departure lies.
NAMED_AT = 0.25

#: Inputs that turn the verdict themselves explain whatever layers do. Inputs that have moved by less,
#: but surely by so much, explain layers that have departed up to so many times as far.
EXPLAINS_AT, EXPLAINED = 0.05, 10.0

#: A shift of the inputs from which it is likely one beside what chance does, and the share of it from
#: which a margin hides it that is wider than so many rows alone would make it.
_LIKELY_AT, _HIDDEN, _WIDE = 0.35, 0.7, 9.0

#: Up to so many rows, inputs have likely moved if their shift is so many times what chance does.
_EARLY_ROWS, _BEYOND_CHANCE = 128, 1.5

#: How many times further than any other a member must depart to be at fault alone.
LONELY = 3.0

Origin = Literal["input", "model"]


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

    ``by_layer`` (M, L) is the largest shift of a layer's three statistics, less what chance may
    contribute; ``error`` is its standard error. ``departures`` (M, L) are a layer's shifts given inputs
    and earlier layers, with what chance may contribute in ``departure_margins``. ``members`` are each
    member's departure over all of its layers. ``inputs``, the largest shift of the inputs, is None
    where they are not watched; ``features`` (F,) are the features' largest shifts of mean or spread,
    less what chance may contribute, None where the window keeps none, and ``feature_means`` (2, F) what
    they were made of. ``distinct`` is as how many distinct rows the window's count. ``input_parts`` are
    the shifts of which ``inputs`` is the surest.
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
    distinct: float = np.inf
    feature_means: Array | None = None
    input_parts: tuple[Shift, ...] = ()

    @property
    def shift(self) -> Shift:
        """The shift that is surest to be large."""
        return largest_of([*self.members, *([] if self.inputs is None else [self.inputs])])

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


def origin_of(effect: Effects) -> Origin:
    """Whether the inputs or the network differ.

    Inputs that have moved explain layers that have; layers that depart from what the inputs lead one
    to expect, while the inputs are as usual, have moved by little in comparison, or the other members
    do not, are the network's.
    """
    sizes = sorted((member.sure for member in effect.members), reverse=True)
    if len(sizes) > 2 and sizes[0] >= DEGRADED_AT and departs_alone(effect):
        return "model"
    if effect.inputs is not None:
        likely = [
            part.effect for part in effect.input_parts or (effect.inputs,) if _likely(effect, part)
        ]
        moved = max(likely, default=effect.inputs.sure)
        explained = moved >= EXPLAINS_AT and EXPLAINED * moved >= sizes[0]
        return "input" if moved >= DEGRADED_AT or explained else "model"
    first = effect.departures[:, 0] - effect.departure_margins[:, 0] >= NAMED_AT
    return "input" if first.mean() > 0.5 else "model"


def _likely(effect: Effects, inputs: Shift) -> bool:
    """Whether inputs have likely moved, though not surely: too early to blame the network.

    With little evidence the margin hides a shift that is there; by chance alone the furthest of F
    features is about sqrt(2 log 2F) standard errors off.
    """
    features = 1 if effect.features is None else len(effect.features)
    rows = max(effect.rows, 1)
    by_chance = np.sqrt(2 * np.log(2 * features) / rows)
    early = effect.features is not None and rows <= _EARLY_ROWS
    if early and inputs.effect >= _BEYOND_CHANCE * by_chance:
        return True  # every margin is wide, and layers that depart did not wait for the inputs'
    hidden = inputs.margin >= max(_HIDDEN * inputs.effect, _WIDE / np.sqrt(rows))
    return bool(hidden and inputs.effect >= _LIKELY_AT + by_chance)


def departs_alone(effect: Effects) -> bool:
    """Whether one member departs much further than any other, for sure and as estimated."""
    for sizes in ([shift.sure for shift in effect.members], [shift.effect for shift in effect.members]):
        first, second = sorted(sizes, reverse=True)[:2]
        if first <= LONELY * max(second, NAMED_AT):
            return False
    return True


def largest_of(shifts: Iterable[Shift]) -> Shift:
    """The shift that is surest to be large; the first of those that are equal."""
    return max(shifts, key=lambda shift: (shift.sure, shift.effect))
