"""Against a live baseline the sequential detector judges what was declared healthy as healthy."""

from datetime import UTC, datetime

import numpy as np
import pytest

from models.health.sequential import RATES, capped, cumulants_by_moments
from service.health.baselines import Baseline, TakenBaseline
from service.health.monitor import Monitor
from service.health.sequential_alarm import SequentialAlarms
from service.health.sequential_state import Watch
from tests.service.health.test_monitor import Clock, monitor_of, outputs_of, requests
from tests.support import bundles

REFERENCE = bundles.reference()


def sent(monitor: Monitor, clock: Clock, rows: np.ndarray, sizes: list[int]) -> None:
    """Send rows in requests of these sizes, again and again, a hundred rows a second."""
    outputs, start, turn = outputs_of(rows.astype(np.float32)), 0, 0
    while start < len(rows):
        size = sizes[turn % len(sizes)]
        part = {name: array[start : start + size] for name, array in outputs.items()}
        monitor.observe(part, requests([len(part["taps"])]))
        clock.now += len(part["taps"]) / 100
        start, turn = start + size, turn + 1


def against_itself(made: object, sizes: list[int]) -> tuple[Watch, Watch]:
    """How the detector stands after traffic like its baseline, and then after other traffic."""
    clock, alarms = Clock(), SequentialAlarms()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, made(2000, 99), sizes)
    monitor.baseline = monitor.baseline_of(monitor.health().windows["start"], datetime.now(UTC))
    alarms.look("m", 1, monitor, [])
    watches = []
    for first, change in ((0, 0.0), (100, 2.5)):
        for seed in range(first, first + 12):
            sent(monitor, clock, made(250, seed) + change * bundles.SPREAD, sizes)
            watch = alarms.look("m", 1, monitor, [])
        clock.now += 15
        watch = alarms.look("m", 1, monitor, [])
        assert watch is not None
        watches.append(watch)
    return watches[0], watches[1]


def shifted(column: int, by: float) -> object:
    """Candidates of which one feature is moved by so many standard deviations."""

    def made(rows: int, seed: int) -> np.ndarray:
        values = bundles.candidates(rows, seed)
        values[:, column] += by * bundles.SPREAD[column]
        return values

    return made


@pytest.mark.parametrize("column", range(8))
@pytest.mark.parametrize("by", [2.0, 4.0, -30.0])
def test_accepted_traffic_never_alarms_at_any_offset(column: int, by: float) -> None:
    """However far one feature has moved, beyond the cap or not: 3,000 requests, and none alarms."""
    like, other = against_itself(shifted(column, by), [1])
    assert like.requests > 2500
    assert (like.alarms, like.alarm) == (0, None)
    assert other.alarms == 1


@pytest.mark.parametrize("spread", [2.0, 5.0, 20.0])
def test_accepted_traffic_never_alarms_with_wide_evidence(spread: float) -> None:
    """Rows that stray much further than the reference's are what the bounds are fitted to."""

    def made(rows: int, seed: int) -> np.ndarray:
        centre = bundles.CENTRE + 3 * bundles.SPREAD
        return centre + spread * (bundles.candidates(rows, seed) - bundles.CENTRE)

    like, _ = against_itself(made, [1])
    assert (like.alarms, like.alarm) == (0, None)


def test_accepted_traffic_of_unlike_requests_never_alarms() -> None:
    """Every request counts alike, so that small ones that differ from large ones are in the centre."""
    turn = 0

    def made(rows: int, seed: int) -> np.ndarray:
        nonlocal turn
        values = bundles.candidates(rows, seed)
        # Requests of one row and of 99 take turns; the single rows lie two standard deviations off.
        values[::100] += 2 * bundles.SPREAD
        return values

    clock, alarms = Clock(), SequentialAlarms()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, made(20_000, 99), [1, 99])
    monitor.baseline = monitor.baseline_of(monitor.health().windows["start"], datetime.now(UTC))
    alarms.look("m", 1, monitor, [])
    for seed in range(60):
        sent(monitor, clock, made(1000, seed), [1, 99])
        watch = alarms.look("m", 1, monitor, [])
    assert watch is not None
    assert watch.requests > 1000
    assert watch.alarms == 0


def test_a_baseline_from_before_its_spread_was_kept_has_no_detector() -> None:
    """What bounds it has nobody knows; the windows are judged against it all the same."""
    clock, alarms = Clock(), SequentialAlarms()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(1000), [10])
    whole = monitor.baseline_of(monitor.health().windows["start"], datetime.now(UTC))
    monitor.baseline = Baseline(whole.taken_at, whole.offset, whole.features)
    assert alarms.look("m", 1, monitor, []) is None
    assert monitor.health().judgement.verdict == "healthy"


def test_evidence_about_another_centre_is_dropped() -> None:
    """A baseline that is taken or dropped begins the evidence anew."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(1000), [10])
    taken = monitor.baseline_of(monitor.health().windows["start"], datetime.now(UTC))
    assert monitor.evidence().counts[:, 0].sum() == 1000
    monitor.baseline = taken
    assert monitor.evidence().counts[:, 0].sum() == 0
    sent(monitor, clock, bundles.candidates(500), [10])
    assert monitor.evidence().counts[:, 0].sum() == 500


@pytest.mark.parametrize("degrees", [1.5, 3.0, 50.0])
@pytest.mark.parametrize("scale", [0.2, 1.0, 4.0, 30.0])
def test_bounds_by_moments_hold_for_skewed_and_heavy_rows(degrees: float, scale: float) -> None:
    """What capped rows do on average is within the bound of their mean and variance, both ways."""
    rng = np.random.default_rng(0)
    rows = scale * (rng.chisquare(degrees, 400_000) - degrees) / np.sqrt(2 * degrees)
    bounds = cumulants_by_moments(np.array([rows.var()]), 10**9)[0]
    for number, sign in enumerate((1.0, -1.0)):
        growth = np.log(np.exp(sign * np.multiply.outer(RATES, capped(rows - rows.mean()))).mean(axis=1))
        assert (growth <= bounds[number]).all()


def test_fewer_requests_give_wider_bounds() -> None:
    """The mean and variance of a few requests are themselves uncertain."""
    bounds = [cumulants_by_moments(np.ones(1), requests)[0, 0] for requests in (4, 100, 10_000)]
    assert (bounds[0] > bounds[1]).all()
    assert (bounds[1] > bounds[2]).all()


def test_a_baseline_that_is_kept_is_the_one_that_was_taken() -> None:
    """Every number that monitors need comes back."""
    at = datetime.now(UTC)
    taken = TakenBaseline(
        "m", 1, 500, 20, "10m", at, "cli:me", [0.1], [[0.2], [0.3]], [0.4], [0.5]
    )  # fmt: skip
    made = taken.baseline()
    assert (made.taken_at, made.requests) == (at, 20)
    assert made.offset.tolist() == [0.1]
    assert made.features is not None
    assert made.features.tolist() == [[0.2], [0.3]]
    assert made.centre is not None
    assert made.variance is not None
    assert (made.centre.tolist(), made.variance.tolist()) == ([0.4], [0.5])
