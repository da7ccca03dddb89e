"""Whose fault a departure is, by how far inputs and layers have moved."""

from dataclasses import replace

import numpy as np
import pytest

from models.health.effect_size import DEGRADED_AT, Effects, Shift, origin_of


def effects(inputs: float | None, *members: float) -> Effects:
    """Effects of a window, each surely of its size."""
    return Effects(
        by_layer=np.zeros((len(members), 2)),
        error=0.1,
        departures=np.array([[0.0, size] for size in members]),
        departure_margins=np.zeros((len(members), 2)),
        members=tuple(Shift(size, 0.0) for size in members),
        inputs=None if inputs is None else Shift(inputs, 0.0),
        features=None,
        rows=256,
        requests=256,
    )


@pytest.mark.parametrize(
    ("inputs", "layers", "origin"),
    [
        (0.0, 2.0, "model"),  # a broken network, ordinary traffic
        (0.04, 2.0, "model"),
        (0.2, 1.0, "input"),  # a tenth of the rows noisy: little by the inputs, more by the layers
        (0.2, 3.0, "model"),  # ordinary traffic's shift, and layers far beyond what it explains
        (0.45, 20.0, "model"),
        (DEGRADED_AT, 400.0, "input"),  # scaled twice: layers burst, and the inputs have said why
        (2.0, 0.0, "input"),
    ],
)
def test_inputs_explain_what_is_in_proportion(inputs: float, layers: float, origin: str) -> None:
    """Much of anything by inputs that turn the verdict, little by inputs that moved little."""
    assert origin_of(effects(inputs, layers, 0.9 * layers)) == origin


@pytest.mark.parametrize(
    ("inputs", "rows", "origin"),
    [
        (Shift(0.95, 25.0), 128, "input"),  # a swap, seen in two requests: the margin hides it
        (Shift(0.88, 1.17), 112, "input"),
        (Shift(0.38, 1000.0), 64, "model"),  # what chance does in 64 ordinary rows
        (Shift(0.28, 0.61), 64, "model"),
        (Shift(0.55, 0.28), 256, "input"),  # surely moved by 0.27
        (Shift(0.45, 0.40), 256, "model"),  # as chance may do
    ],
)
def test_inputs_that_have_likely_moved_are_not_passed_over(
    inputs: Shift, rows: int, origin: str
) -> None:
    """The network is not blamed by early rows, as long as they may well be those of other inputs."""
    early = replace(
        effects(0.0, 0.6, 0.55), inputs=inputs, rows=rows, features=np.array([inputs.effect, 0, 0, 0])
    )
    assert origin_of(early) == origin


def test_a_shift_that_is_hidden_behind_a_surer_smaller_one_counts() -> None:
    """A block of columns is missing: the features are far off, and the directions are surer of less."""
    surer, hidden = Shift(0.64, 0.3), Shift(4.18, 460.0)
    early = replace(effects(0.0, 64.0, 60.0), inputs=surer, input_parts=(surer, hidden))
    assert origin_of(early) == "input"
    assert origin_of(replace(early, input_parts=(surer,))) == "model"


def test_more_movement_of_the_inputs_never_makes_the_model_guilty() -> None:
    """The further the inputs have moved, the more they explain, whatever the layers do."""
    for layers in np.geomspace(0.01, 1000, 30):
        named = [origin_of(effects(moved, layers)) == "input" for moved in np.linspace(0, 1, 101)]
        assert named == sorted(named)


def test_one_member_that_departs_alone_is_at_fault() -> None:
    """Inputs are the same for all members: what one of several does alone, they do not explain."""
    assert origin_of(effects(0.6, 4.0, 0.3, 0.2)) == "model"
    assert origin_of(effects(0.6, 4.0, 3.0, 3.5)) == "input"


def test_without_inputs_the_first_layers_decide() -> None:
    """Where inputs are not watched, first layers that depart in most members speak for them."""
    first = effects(None, 2.0, 2.0)
    assert origin_of(first) == "model"
    moved = Effects(**{name: getattr(first, name) for name in first.__slots__} | {
        "departures": np.array([[2.0, 2.0], [2.0, 2.0]]),
    })  # fmt: skip
    assert origin_of(moved) == "input"


@pytest.mark.parametrize(
    ("inputs", "rows", "origin"),
    [
        (Shift(0.56, 0.53), 88, "input"),  # two of eight columns exchanged, at the first look
        (Shift(0.66, 0.80), 64, "input"),
        (Shift(0.40, 0.66), 88, "input"),
        (
            Shift(0.43, 0.61),
            64,
            "model",
        ),  # the furthest of eight ordinary columns, one time in a hundred
        (Shift(0.40, 0.66), 256, "model"),  # with more rows chance does less, and the margins tell
    ],
)
def test_at_the_first_look_the_network_is_not_blamed_for_a_swap(
    inputs: Shift, rows: int, origin: str
) -> None:
    """Margins of some ten rows hide everything: what chance hardly does counts as moved."""
    first = replace(effects(0.0, 0.5), inputs=inputs, features=np.zeros(8), rows=rows)
    assert origin_of(first) == origin
