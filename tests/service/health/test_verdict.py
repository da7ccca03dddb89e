"""Verdicts at the very cut-offs, and what their sentences name."""

from dataclasses import replace

import numpy as np
import pytest

from models.health.effect_size import DEGRADED_AT, NAMED_AT, UNHEALTHY_AT, Effects, Shift
from models.health.windows.onset import Remembered, Scan, Stretch
from service.health.verdict import (
    Alarmed,
    HealthVerdict,
    judge,
    with_corruption,
    with_integrity,
    with_refusals,
)
from service.health.windows import WINDOWS
from service.health.words import moved_features

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


def judged(
    of: Effects | None, alarm: Alarmed | None = None, seconds: float = 10.0, **windows: Effects
) -> HealthVerdict:
    """The verdict on traffic with these effects; the windows show the same unless they are given."""
    found = None if of is None else Scan(Stretch(0, 1, of), False, Remembered())
    shown = dict.fromkeys(WINDOWS, of or effects(0.0, rows=3)) | windows
    return judge(shown, found, ["f"], alarm, seconds=seconds)


@pytest.mark.parametrize(
    ("size", "verdict", "traffic"),
    [
        (BELOW[DEGRADED_AT], "healthy", "like_training"),
        (DEGRADED_AT, "degraded", "degraded"),
        (BELOW[UNHEALTHY_AT], "degraded", "degraded"),
        (UNHEALTHY_AT, "unhealthy", "unhealthy"),
    ],
)
def test_a_cut_off_belongs_to_the_worse_verdict(size: float, verdict: str, traffic: str) -> None:
    """An effect of exactly the cut-off turns the verdict, the next smaller number does not."""
    judgement = judged(effects(size))
    assert (judgement.verdict, judgement.model, judgement.traffic) == (verdict, "intact", traffic)


def test_too_few_rows_give_no_verdict() -> None:
    """Without enough rows to judge there is none on the traffic; the model counts as intact."""
    judgement = judged(None)
    assert (judgement.verdict, judgement.model, judgement.traffic) == (
        "warming_up", "intact", "warming_up",
    )  # fmt: skip
    assert judgement.headline == "Warming up: 3 of 64 rows seen."


@pytest.mark.parametrize(
    ("inputs", "layers", "verdict", "model", "traffic"),
    [
        (0.0, 2.0, "unhealthy", "suspect", "like_training"),
        (0.0, 0.7, "degraded", "suspect", "like_training"),
        (0.7, 9.0, "unhealthy", "intact", "unhealthy"),  # the inputs explain what the layers do
        (0.7, 0.0, "degraded", "intact", "degraded"),
    ],
)
def test_model_and_traffic_are_judged_apart(
    inputs: float, layers: float, verdict: str, model: str, traffic: str
) -> None:
    """The verdict is the worse of both; layers that inputs explain are no fault of the model."""
    of = replace(effects(inputs), members=(Shift(layers, 0.0), Shift(layers, 0.0)))
    judgement = judged(of)
    assert (judgement.verdict, judgement.model, judgement.traffic) == (verdict, model, traffic)
    assert (judgement.origin == "model") == (model == "suspect")


def test_a_model_that_fails_its_golden_rows_is_faulty_whatever_its_traffic() -> None:
    """Nothing else makes it faulty, and what traffic shows stays."""
    for of in (effects(0.0), effects(2.0), None):
        before = judged(of)
        assert with_integrity(before, True) == with_integrity(before, None) == before
        after = with_integrity(before, False)
        assert (after.verdict, after.model, after.traffic) == ("unhealthy", "faulty", before.traffic)


def test_the_window_that_is_named_reaches_back_to_the_change() -> None:
    """The shortest that does and has rows; statistics of layers are shown of it."""
    moved, thin = effects(2.0), effects(0.0, rows=0)
    assert judged(moved, seconds=59.0).window == "1m"
    assert judged(moved, seconds=61.0).window == "10m"
    assert judged(moved, None, 59.0, **{"1m": thin, "10m": thin}).window == "1h"
    assert judged(moved, seconds=9000.0).window == "start"


@pytest.mark.parametrize(
    ("one_minute", "ten_minutes", "named"),
    [((0.1, 200), (0.2, 200), "10m"), ((0.2, 200), (0.1, 200), "1m"), ((0.2, 3), (0.1, 200), "10m")],
)
def test_healthy_traffic_is_named_by_its_worse_recent_window(
    one_minute: tuple[float, int], ten_minutes: tuple[float, int], named: str
) -> None:
    """Of those that have rows enough, whatever the longer ones hold."""
    windows = {"1m": effects(*one_minute), "10m": effects(*ten_minutes), "start": effects(0.25)}
    judgement = judged(effects(0.1), **windows)
    assert (judgement.verdict, judgement.window) == ("healthy", named)


def test_an_alarm_never_lessens_a_verdict() -> None:
    """What traffic shows already is not replaced by what the sequential detector found."""
    assert judged(effects(2.0), Alarmed("it departs", inputs=True)) == judged(effects(2.0))


def test_an_alarm_degrades_and_never_more() -> None:
    """Of the traffic or of the model, whichever it says; a headline goes with it."""
    for inputs, origin, model, traffic in (
        (False, "model", "suspect", "like_training"),
        (True, "input", "intact", "degraded"),
    ):
        judgement = judged(effects(0.1), Alarmed("it departs", inputs=inputs))
        assert (judgement.verdict, judgement.reason) == ("degraded", "it departs")
        assert (judgement.origin, judgement.model, judgement.traffic) == (origin, model, traffic)
        assert judgement.advice


def test_few_distinct_rows_are_called_that() -> None:
    """They are no shift, and the reader is told why nothing is said of one."""
    judgement = judged(replace(effects(0.0), distinct=3.0))
    assert judgement.verdict == "healthy"
    assert "the same few rows again and again" in judgement.reason
    assert judgement.headline.startswith("The same few rows again and again")


def test_features_are_named_from_the_cut_off_on() -> None:
    """The three that moved furthest are named, furthest first, if they moved enough."""
    moved = effects(1.0, features=np.array([NAMED_AT, 0.9, BELOW[NAMED_AT], 0.5]))
    assert moved_features(moved, list("abcd")) == [("b", 0.9), ("d", 0.5), ("a", NAMED_AT)]
    assert moved_features(effects(1.0, features=np.array([BELOW[NAMED_AT]])), ["a"]) == []


@pytest.mark.parametrize("size", [0.0, DEGRADED_AT, UNHEALTHY_AT])
def test_rows_that_were_computed_wrongly_make_the_model_suspect(size: float) -> None:
    """Whatever the traffic: the verdict is at least degraded, and the traffic's own stays."""
    before = judged(effects(size))
    assert with_corruption(before, corrupted=False) is before
    after = with_corruption(before, corrupted=True)
    assert (after.model, after.origin, after.traffic) == ("suspect", "model", before.traffic)
    assert after.verdict == ("unhealthy" if size == UNHEALTHY_AT else "degraded")
    assert len(after.headline.split()) <= 20
    faulty = with_integrity(after, intact=False)
    assert faulty.model == "faulty"
    assert with_corruption(faulty, corrupted=True) is faulty


def test_the_reason_of_a_faulty_model_says_that_golden_rows_failed() -> None:
    """And keeps what traffic shows behind it."""
    before = judged(effects(2.0))
    assert with_integrity(before, False).reason == (f"golden rows are not reproduced; {before.reason}")


@pytest.mark.parametrize("size", [0.0, DEGRADED_AT, UNHEALTHY_AT])
def test_refused_records_never_lessen_a_verdict(size: float) -> None:
    """A healthy verdict is degraded by them; one that is worse for another reason stays."""
    before = judged(effects(size))
    after = with_refusals(before, records=100, refused=50)
    assert after.verdict == ("unhealthy" if size == UNHEALTHY_AT else "degraded")
    assert after.traffic == after.verdict
    assert after.reason == f"50 of the latest 100 records were refused; {before.reason}"
    # What the other records show comes first.
    assert (after.headline == before.headline) == (size >= DEGRADED_AT)
    assert with_refusals(before, records=100, refused=49) is before
