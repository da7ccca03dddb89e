"""Verdicts at the very cut-offs, and what their sentences name."""

import numpy as np
import pytest

from models.health.effect_size import DEGRADED_AT, NAMED_AT, UNHEALTHY_AT, Effects, Shift
from service.health.verdict import WARM_UP_ROWS, Alarmed, judge, moved_features
from service.health.windows import WINDOWS

BELOW = {at: float(np.nextafter(at, 0)) for at in (DEGRADED_AT, UNHEALTHY_AT, NAMED_AT)}


def effects(size: float, rows: int = 256, features: np.ndarray | None = None) -> Effects:
    """A window's effects: the inputs have moved by so much for sure."""
    return Effects(
        by_layer=np.zeros((1, 1)),
        error=0.1,
        departures=np.zeros((1, 1)),
        departure_margins=np.zeros((1, 1)),
        members=(Shift(0.0, 0.0),),
        inputs=Shift(size, 0.0),
        features=features,
        rows=rows,
        requests=rows,
    )


@pytest.mark.parametrize(
    ("size", "verdict"),
    [
        (BELOW[DEGRADED_AT], "healthy"),
        (DEGRADED_AT, "degraded"),
        (BELOW[UNHEALTHY_AT], "degraded"),
        (UNHEALTHY_AT, "unhealthy"),
    ],
)
def test_a_cut_off_belongs_to_the_worse_verdict(size: float, verdict: str) -> None:
    """An effect of exactly the cut-off turns the verdict, the next smaller number does not."""
    assert judge(dict.fromkeys(WINDOWS, effects(size)), ["f"]).verdict == verdict


@pytest.mark.parametrize(
    ("rows", "verdict"), [(WARM_UP_ROWS - 1, "warming_up"), (WARM_UP_ROWS, "healthy")]
)
def test_so_many_rows_are_enough_for_a_verdict(rows: int, verdict: str) -> None:
    """With the number of rows that is asked for there is a verdict, with one less there is none."""
    assert judge(dict.fromkeys(WINDOWS, effects(0.0, rows)), ["f"]).verdict == verdict


def test_the_worse_of_the_recent_windows_decides_and_longer_ones_only_without() -> None:
    """The last minute and the last ten decide; the hour does where both are too thin."""
    windows = {
        "1m": effects(0.6, rows=10), "10m": effects(0.1), "1h": effects(2.0), "start": effects(3.0),
    }  # fmt: skip
    assert (judge(windows, ["f"]).verdict, judge(windows, ["f"]).window) == ("healthy", "10m")
    windows["1m"] = effects(0.6)
    assert (judge(windows, ["f"]).verdict, judge(windows, ["f"]).window) == ("degraded", "1m")
    windows["1m"] = windows["10m"] = effects(0.0, rows=10)
    assert (judge(windows, ["f"]).verdict, judge(windows, ["f"]).window) == ("unhealthy", "1h")


def test_an_alarm_never_lessens_a_verdict() -> None:
    """What the windows show already is not replaced by what the sequential detector found."""
    windows = dict.fromkeys(WINDOWS, effects(2.0))
    assert judge(windows, ["f"], Alarmed("it departs", inputs=True)) == judge(windows, ["f"])


def test_features_are_named_from_the_cut_off_on() -> None:
    """The three that moved furthest are named, furthest first, if they moved enough."""
    moved = effects(1.0, features=np.array([NAMED_AT, 0.9, BELOW[NAMED_AT], 0.5]))
    assert moved_features(moved, list("abcd")) == [("b", 0.9), ("d", 0.5), ("a", NAMED_AT)]
    assert moved_features(effects(1.0, features=np.array([BELOW[NAMED_AT]])), ["a"]) == []
