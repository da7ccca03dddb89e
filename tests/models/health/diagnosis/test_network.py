"""Whether one member, one layer or all of a network differs."""

import numpy as np
import pytest

from models.health.diagnosis.network import altered
from models.health.effect_size import Effects, Shift


def effects(departures: list[list[float]], members: list[float] | None = None) -> Effects:
    """A window's effects, by member and layer."""
    by_layer = np.array(departures)
    sizes = by_layer.max(axis=1) if members is None else members
    return Effects(
        by_layer=by_layer,
        error=0.1,
        departures=by_layer,
        departure_margins=np.zeros_like(by_layer),
        members=tuple(Shift(size, 0.0) for size in sizes),
        inputs=Shift(0.0, 0.1),
        features=None,
        rows=256,
        requests=256,
    )


@pytest.mark.parametrize(
    ("departures", "expected"),
    [
        ([34.2, 6.5, 11.7, 6.6], ("layer", 0)),  # the first layer's weights doubled
        ([0.1, 0.0, 23.1, 6.7], ("layer", 2)),
        ([0.1, 0.0, 0.0, 2.5], ("layer", 3)),
        ([0.1, 0.0, 9177.9, 11_588.9], ("layer", 2)),  # an exponent's bit
        ([0.0, 1.2, 6.4, 2.1], ("stale", 0)),  # another version's weights
        ([0.0, 2.5, 9.8, 9.4], ("stale", 0)),
        ([6.5, 4.7, 2.2, 1.2, 2.0, 2.0, 1.2, 1.1], ("layer", 0)),  # the first of eight layers × 1.5
        ([5.9, 4.1, 1.7, 2.8, 2.4, 2.8, 4.8, 3.6], ("stale", 0)),  # other weights of eight layers
    ],
)
def test_a_layer_is_told_from_a_whole_network(
    departures: list[float], expected: tuple[str, int]
) -> None:
    """An altered layer departs most itself; other weights depart the further the deeper they are."""
    assert altered(effects([departures, departures])) == expected


def test_one_member_alone_is_named() -> None:
    """Whatever its layers do."""
    assert altered(effects([[0.0, 0.1], [3.0, 3.0], [0.1, 0.0]])) == ("member", 1)


def test_a_deeper_layer_that_departs_much_further_tells_a_whole_network() -> None:
    """Even where the last layer departs little again."""
    assert altered(effects([[2.0, 9.0, 0.1], [2.0, 9.0, 0.1]])) == ("stale", 0)
    assert altered(effects([[2.0, 3.0, 0.1], [2.0, 3.0, 0.1]])) == ("layer", 0)
