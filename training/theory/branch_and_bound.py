"""Rigorous upper bounds of a function over a rectangle, by branch and bound on balls."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from flint import arb

#: From one box to the objective's balls: over all of the box, and at its centre.
Objective = Callable[["Box"], tuple[arb, arb]]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Ranges of m and v whose ends are balls, so that an end such as 1/10 is truly within."""

    m: tuple[arb, arb]
    v: tuple[arb, arb]


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a rectangle as balls ``m``, ``v``, and its centre ``m0``, ``v0``."""

    m: arb
    v: arb
    m0: arb
    v0: arb


@dataclass(frozen=True, slots=True)
class Bound:
    """An enclosure of a supremum: ``attained`` <= sup <= ``certified``, after ``boxes`` boxes."""

    attained: float
    certified: float
    boxes: int


# A box in the unit square: its corner and size are dyadic, so floats hold them exactly.
_Cell = tuple[float, float, float, float]


def supremum(
    objective: Objective, rectangle: Rectangle, tolerance: float, most_boxes: int = 200_000
) -> Bound:
    """Enclose the supremum of an objective over a rectangle to within ``tolerance``.

    The box with the highest bound is halved until that bound is within ``tolerance`` of a value
    attained, or ``most_boxes`` were looked at: the bound is rigorous then too, but wide.
    """
    order = count()
    heap: list[tuple[float, int, _Cell]] = []
    attained = float("-inf")
    boxes = 0

    def look(cell: _Cell) -> None:
        nonlocal attained, boxes
        over, at_centre = objective(_box(rectangle, cell))
        boxes += 1
        attained = max(attained, _down(at_centre))
        heapq.heappush(heap, (-_up(over), next(order), cell))

    look((0.0, 0.0, 1.0, 1.0))
    while -heap[0][0] - attained > tolerance and boxes < most_boxes:
        for half in _halves(heapq.heappop(heap)[2]):
            look(half)
    return Bound(attained, -heap[0][0], boxes)


def _halves(cell: _Cell) -> tuple[_Cell, _Cell]:
    x, y, width, height = cell
    if width >= height:
        return (x, y, width / 2, height), (x + width / 2, y, width / 2, height)
    return (x, y, width, height / 2), (x, y + height / 2, width, height / 2)


def _box(rectangle: Rectangle, cell: _Cell) -> Box:
    x, y, width, height = cell
    m, m0 = _range(rectangle.m, x, width)
    v, v0 = _range(rectangle.v, y, height)
    return Box(m, v, m0, v0)


def _range(ends: tuple[arb, arb], start: float, size: float) -> tuple[arb, arb]:
    """The ball over a part of a range, and the one around its middle."""
    low, high = ends
    middle = low + (high - low) * (start + size / 2)
    return low + (high - low) * arb(start + size / 2, size / 2), middle


def _up(ball: arb) -> float:
    """A float that no value in the ball exceeds; infinite where the ball is not finite."""
    if not ball.is_finite():
        return float("inf")
    # float() rounds to the nearest: one step further out is above.
    return math.nextafter(float(ball.upper()), math.inf)


def _down(ball: arb) -> float:
    if not ball.is_finite():
        return float("-inf")
    return math.nextafter(float(ball.lower()), -math.inf)
