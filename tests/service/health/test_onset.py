"""A change in the midst of good traffic: how soon it is seen, since when, and until when."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models.health.diagnosis.inputs import FeatureScales
from service.coordination.window_sums import WindowSums
from service.health.change import Health
from service.health.monitor import Monitor
from tests.service.health.test_monitor import Clock, monitor_of, outputs_of
from tests.service.health.test_pauses import REFERENCE, sent
from tests.support import bundles


def foreign(rows: int, seed: int = 0) -> np.ndarray:
    """Candidates of another survey: all features lie elsewhere."""
    return bundles.candidates(rows, seed) + 1.5 * bundles.SPREAD


@pytest.mark.parametrize("size", [1, 16, 64])
def test_what_came_after_a_change_is_judged_by_itself(size: int) -> None:
    """After 1,024 good rows, 256 others turn the verdict as they do alone, to the request."""
    clock, alone = Clock(), monitor_of(REFERENCE)
    sent(alone, Clock(), foreign(256), size)
    assert alone.health().judgement.verdict == "unhealthy"
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(1024, seed=1), size, 0.05)
    assert monitor.health().judgement.verdict == "healthy"
    began = clock.now
    sent(monitor, clock, foreign(256), size, 0.05)
    health = monitor.health()
    assert (health.judgement.verdict, health.judgement.origin) == ("unhealthy", "input")
    assert health.change is not None
    assert health.change.ended is None
    assert since(health, clock) == pytest.approx(clock.now - began, abs=40 / size * 0.05 + 0.2)


def since(health: Health, clock: Clock) -> float:
    """For how many seconds the change has lasted."""
    assert health.change is not None
    return (datetime.now(UTC) - health.change.began) / timedelta(seconds=1)


def test_a_change_is_over_within_two_minutes() -> None:
    """The verdict returns with clean rows enough, and says from when to when the change was."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(2000, seed=1), 20, 1.0)
    began = clock.now
    sent(monitor, clock, foreign(2000), 20, 1.0)
    assert monitor.health().judgement.verdict == "unhealthy"
    ended = clock.now
    for second in range(120):
        sent(monitor, clock, bundles.candidates(20, seed=100 + second), 20, 1.0)
        health = monitor.health()
        if health.judgement.verdict == "healthy":
            break
    assert clock.now - ended <= 120
    change = health.change
    assert change is not None
    assert change.ended is not None
    lasted = (change.ended - change.began) / timedelta(seconds=1)
    assert lasted == pytest.approx(ended - began, abs=15)
    assert change.shift.effect > 1
    assert health.windows["10m"].count > 2000  # which still has the rows of the change


def test_what_had_moved_has_moved_until_traffic_shows_that_it_is_over() -> None:
    """Few good rows, which mixed with the others hide them, do not return the verdict; 256 do."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(1024, seed=1), 16)
    sent(monitor, clock, foreign(160), 16)
    assert monitor.health().judgement.verdict != "healthy"
    verdicts = []
    for seed in range(16):
        sent(monitor, clock, bundles.candidates(16, seed=100 + seed), 16)
        verdicts.append(monitor.health().judgement.verdict)
    assert "healthy" not in verdicts[:3]
    assert verdicts[-1] == "healthy"
    assert verdicts == sorted(verdicts, key="healthy".__eq__)  # it returns once


@pytest.mark.parametrize(("shift", "bad", "turns"), [(0.6, 160, 16), (1.0, 96, 14), (1.5, 96, 10)])
def test_a_change_is_held_while_good_rows_mix_with_it(shift: float, bad: int, turns: int) -> None:
    """Four good rows at a time hide a small change, or a short one, long before they show its end."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(1024, seed=1), 16)
    sent(monitor, clock, bundles.candidates(bad, seed=2) + shift * bundles.SPREAD, 16)
    verdicts = [monitor.health().judgement.verdict]
    for seed in range(turns):
        sent(monitor, clock, bundles.candidates(4, seed=100 + seed), 1)
        verdicts.append(monitor.health().judgement.verdict)
    assert "healthy" not in verdicts


def test_a_second_change_is_seen_as_soon_as_the_first() -> None:
    """What was over before is no part of what requests are expected to be."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(1024, seed=1), 64)
    for turn in range(3):
        sent(monitor, clock, foreign(256, seed=10 + turn), 64)
        assert monitor.health().judgement.verdict == "unhealthy", turn
        sent(monitor, clock, bundles.candidates(640, seed=20 + turn), 64)
        health = monitor.health()
        assert health.judgement.verdict == "healthy", turn
        assert health.change is not None
        assert health.change.ended is not None


def test_a_baseline_ends_a_change_that_it_accepts() -> None:
    """What is declared healthy is remembered as a change no longer."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(1024, seed=1))
    sent(monitor, clock, foreign(4000, seed=2), 10, 0.02)
    assert monitor.health().judgement.verdict == "unhealthy"
    clean = monitor_of(REFERENCE, clock)
    sent(clean, clock, foreign(4000, seed=2))
    monitor.baseline = clean.baseline_of(clean.health().windows["start"], datetime.now(UTC))
    for seed in range(3, 9):
        sent(monitor, clock, foreign(500, seed=seed), 10, 1.0)
        monitor.health()
    assert monitor.health().judgement.verdict == "healthy"


def test_a_faulty_layer_is_seen_as_soon() -> None:
    """The network differs from one request to the next; the model is suspect, the traffic is not."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(1024, seed=1), 64)
    outputs = outputs_of(bundles.candidates(256), scale_layer=2.0)
    for start in range(0, 256, 64):
        monitor.observe({name: array[start : start + 64] for name, array in outputs.items()})
    judgement = monitor.health().judgement
    assert (judgement.model, judgement.traffic) == ("suspect", "like_training")
    assert judgement.verdict == "unhealthy"
    assert judgement.first_departing is not None
    assert judgement.first_departing[1] == 1
    assert "layer 2" in judgement.headline


def test_workers_see_a_change_together_that_each_sees_half_of() -> None:
    """Blocks that workers post are judged in the order in which their requests came."""
    clock = Clock()
    workers = [monitor_of(REFERENCE, clock) for _ in range(2)]
    for turn in range(32):
        sent(workers[turn % 2], clock, bundles.candidates(32, seed=turn), 32)
    shift = 0.45 * bundles.SPREAD
    for turn in range(16):
        sent(workers[turn % 2], clock, bundles.candidates(32, seed=99 + turn) + shift, 32)
    sums = [WindowSums.of(worker, clock.now) for worker in workers]
    together = workers[0].scan([part.blocks for part in sums], clock.now)
    assert together is not None
    assert together.scan.has_moved
    assert together.scan.now.effects.rows == pytest.approx(512, abs=96)


def test_the_same_few_rows_are_no_shift() -> None:
    """Three rows sent 22 times, strange as they are, are called what they are."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, np.tile(4 * bundles.candidates(3, seed=5), (22, 1)), 3)
    judgement = monitor.health().judgement
    assert judgement.verdict == "healthy"
    assert "the same few rows again and again" in judgement.reason
    assert judgement.headline.startswith("The same few rows again and again")


def test_the_same_few_rows_among_others_are_no_shift_either() -> None:
    """Rows that are one standard deviation off, sent again and again after good traffic."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(1024, seed=1))
    rows = bundles.candidates(3, seed=5) + bundles.SPREAD
    for _ in range(22):
        sent(monitor, clock, rows, 3)
        assert monitor.health().judgement.verdict == "healthy"


def test_distinct_strange_rows_are_a_shift() -> None:
    """The test above can fail: 66 rows that differ turn the verdict."""
    monitor = monitor_of(REFERENCE)
    sent(monitor, Clock(), 4 * bundles.candidates(66, seed=5), 3)
    assert monitor.health().judgement.verdict == "unhealthy"


def scales() -> FeatureScales | None:
    """The scales of the small network's features."""
    assert REFERENCE.inputs is not None
    return FeatureScales.of(REFERENCE.inputs, lambda rows: outputs_of(rows)["squashed"])


SCALES = scales()


def named(change: object) -> str:
    """The headline on 400 rows that are changed."""
    monitor = Monitor(REFERENCE, Clock(), names=NAMES, scales=SCALES)
    sent(monitor, Clock(), change(bundles.candidates(400, seed=11)))
    judgement = monitor.health().judgement
    assert (judgement.model, judgement.traffic) == ("intact", "unhealthy")
    assert len(judgement.headline.split()) <= 20
    assert judgement.advice
    return judgement.headline


NAMES = [
    f"{of}_{what}" for of in ("profile", "dm") for what in ("mean", "stdev", "skewness", "kurtosis")
]


def column(at: int, change: object) -> object:
    """A change of one column."""

    def apply(rows: np.ndarray) -> np.ndarray:
        rows = rows.copy()
        rows[:, at] = change(rows[:, at])
        return rows

    return apply


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:, [4, 5, 6, 7, 0, 1, 2, 3]], "profile_* look like dm_*: columns swapped?"),
        (
            lambda rows: rows[:, [0, 1, 2, 7, 4, 5, 6, 3]],
            "profile_kurtosis and dm_kurtosis look exchanged",
        ),
        (lambda rows: rows[:, [1, 2, 3, 4, 5, 6, 7, 0]], "columns shuffled?"),
        (column(0, lambda values: values + 75), "profile_mean is shifted"),
        (column(5, lambda values: values * 3), "dm_stdev is rescaled by about 3"),
        (column(2, lambda values: np.full_like(values, 3.0)), "profile_skewness is constant"),
    ],
)
def test_what_happened_to_the_columns_is_named(change: object, words: str) -> None:
    """Swapped, shuffled, shifted, rescaled and constant columns are told apart, in few words."""
    headline = named(change)
    assert headline.startswith("Inputs changed; the model is intact.")
    assert words in headline


@pytest.mark.parametrize("amid", [1, 8, 16, 31])
def test_what_happened_is_named_where_it_begins_amid_a_block(amid: int) -> None:
    """Columns that are exchanged from some single row on: those before it in its block hide nothing."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock, scales=SCALES)
    sent(monitor, clock, bundles.candidates(1024 + amid, seed=1), 1, 0.01)
    sent(monitor, clock, bundles.candidates(256, seed=2)[:, [7, 1, 2, 3, 4, 5, 6, 0]], 1, 0.01)
    headline = monitor.health().judgement.headline
    assert headline.endswith("f0 and f7 look exchanged: columns swapped?")
