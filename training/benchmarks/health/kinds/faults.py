"""Faults by their kind: every column and pair of columns, several sizes, every layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from training.benchmarks.health.faults import model_faults
from training.benchmarks.health.network import Network

Array32 = NDArray[np.float32]

#: The kinds, in the table's order; those of the inputs first.
OF_INPUTS = ("swapped", "shuffled", "shifted", "rescaled", "constant")
OF_MODEL = ("stale", "layer")

_SHIFTS = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
_UNITS = (0.1, 0.2, 0.5, 1.5, 2.0, 5.0, 10.0, 1000.0)
_WEIGHTS = (0.5, 0.8, 1.25, 1.5, 2.0)
_ORDERS = 20


@dataclass(frozen=True, slots=True)
class Wrong:
    """A fault: what it does to raw rows (n, F), or which networks and members compute instead.

    ``place`` are the columns or the layer that it is of, by number; empty where it is of all.
    """

    kind: str
    name: str
    place: tuple[int, ...] = ()
    apply: Callable[[Array32], Array32] | None = None
    network: Network | None = None
    members_off: int = 0


def wrong_inputs(names: Sequence[str], rows: Array32) -> list[Wrong]:
    """Faults of columns; ``rows`` are the whole data set's, for medians and spreads."""
    spread, middle, mean = rows.std(axis=0), np.median(rows, axis=0), rows.mean(axis=0)
    numbers = range(len(names))
    faults = [
        Wrong(
            "swapped", f"{names[one]} and {names[other]}", (one, other), _ordered((one, other), numbers)
        )
        for one, other in combinations(numbers, 2)
    ]
    half = len(names) // 2
    faults.append(Wrong("swapped", "the halves", tuple(numbers), lambda raw: np.roll(raw, half, axis=1)))
    rng = np.random.default_rng(0)
    for number in range(_ORDERS):
        of = rng.choice(len(names), 3 + number % (len(names) - 2), replace=False)
        ring = tuple(int(at) for at in of)
        faults.append(Wrong("shuffled", f"ring {number} of {len(ring)}", ring, _ordered(ring, numbers)))
    for at, name in enumerate(names):
        changes: list[tuple[str, str, Callable[[Array32], Array32]]] = [
            ("shifted", f"{by:+g} sd", partial(np.add, np.float32(by * spread[at]))) for by in _SHIFTS
        ]
        changes += [("rescaled", f"× {by:g}", partial(np.multiply, np.float32(by))) for by in _UNITS]
        changes += [
            ("constant", what, partial(np.full_like, fill_value=value))
            for what, value in (("0", 0.0), ("median", middle[at]), ("mean", mean[at]))
        ]
        faults += [Wrong(kind, f"{name} {what}", (at,), _column(at, do)) for kind, what, do in changes]
    return faults


def wrong_models(network: Network) -> list[Wrong]:
    """Faults of weights, in all members alike, and other members in their place."""
    faults = [
        Wrong("stale", f"members of the fold {off} on", network=network, members_off=off)
        for off in range(1, len(set(network.folds)))
    ]
    foreign = "a foreign model of the same shape"
    faults.append(Wrong("stale", foreign, network=model_faults(network)[foreign]))
    for number in range(network.hidden):
        for factor in _WEIGHTS:
            altered = network.altered(number, partial(np.multiply, factor))
            faults.append(Wrong("layer", f"layer {number + 1} × {factor:g}", (number,), network=altered))
    return faults


def _ordered(ring: Sequence[int], numbers: Sequence[int]) -> Callable[[Array32], Array32]:
    """Columns of a ring each in the next one's place, the others where they are."""
    order = np.array(numbers)
    order[list(ring)] = np.roll(ring, 1)
    return lambda raw: raw[:, order]


def _column(at: int, change: Callable[[Array32], Array32]) -> Callable[[Array32], Array32]:
    def apply(raw: Array32) -> Array32:
        raw = raw.copy()
        raw[:, at] = change(raw[:, at])
        return raw

    return apply
