"""The sequential detectors over what the windows hold: lasting departures, baselines, the cap."""

from datetime import UTC, datetime

import numpy as np
import pytest

from service.health.monitor import Monitor
from service.health.sequential_alarm import SequentialAlarms
from service.health.sequential_state import INPUTS, Watch
from tests.service.health.test_monitor import Clock, monitor_of, outputs_of
from tests.support import bundles

SHIFT = 0.8 * bundles.SPREAD


def watched(monitor: Monitor, clock: Clock, shift: np.ndarray | float = 0.0) -> Watch:
    """How the detector stands after 30 buckets of 200 rows that are moved."""
    alarms = SequentialAlarms()
    alarms.look("m", 1, monitor, [])
    for bucket in range(30):
        rows = bundles.candidates(200, seed=bucket) + shift
        monitor.observe(outputs_of(rows.astype(np.float32)))
        clock.now += 5
        watch = alarms.look("m", 1, monitor, [])
    assert watch is not None
    assert watch.requests > 4000
    return watch


def with_baseline(shift: np.ndarray) -> tuple[Monitor, Clock]:
    """A monitor whose baseline is of traffic that is moved."""
    clock = Clock()
    monitor = monitor_of(bundles.reference(), clock)
    rows = bundles.candidates(4000, seed=99) + shift
    monitor.observe(outputs_of(rows.astype(np.float32)))
    monitor.baseline = monitor.baseline_of(monitor.health().windows["start"], datetime.now(UTC))
    clock.now += 60
    return monitor, clock


@pytest.mark.parametrize(("options", "alarms"), [({}, 0), ({"scale_layer": 1.5}, 1)])
def test_a_lasting_departure_alarms_and_passes(options: dict, alarms: int) -> None:
    """A layer that computes otherwise alarms once; clean traffic does not; the alarm passes."""
    clock, detectors = Clock(), SequentialAlarms()
    monitor = monitor_of(bundles.reference(), clock)
    detectors.look("m", 1, monitor, [])
    for bucket in range(30):
        monitor.observe(outputs_of(bundles.candidates(200, seed=bucket), **options))
        clock.now += 5
        watch = detectors.look("m", 1, monitor, [])
    assert watch is not None
    assert (watch.requests > 4000, watch.alarms) == (True, alarms)
    if watch.alarm is not None:
        assert "layer 2" in watch.alarm.where
        assert watch.alarm.at.tzinfo is UTC
    for seconds in (20, 700):
        clock.now += seconds
        watch = detectors.look("m", 1, monitor, [])
    assert watch is not None
    assert watch.alarm is None


def test_a_baseline_is_the_centre_of_the_sequential_detector_too() -> None:
    """Traffic like the baseline never alarms, though the reference is far; the reference's does."""
    monitor, clock = with_baseline(SHIFT)
    assert watched(monitor, clock, SHIFT).alarms == 0
    monitor, clock = with_baseline(SHIFT)
    assert watched(monitor, clock).alarms == 1
    clock = Clock()
    assert watched(monitor_of(bundles.reference(), clock), clock, SHIFT).alarms == 1


def alarmed(monitor: Monitor, clock: Clock, **options: float) -> tuple[SequentialAlarms, Watch]:
    """The detectors with an alarm of rows that are moved, or of a layer that is altered."""
    detectors = SequentialAlarms()
    detectors.look("m", 1, monitor, [])
    watch, found = None, None
    shift = options.pop("shift", 0.0) * bundles.SPREAD
    for bucket in range(40):
        rows = (bundles.candidates(200, seed=bucket) + shift).astype(np.float32)
        monitor.observe(outputs_of(rows, **options))
        clock.now += 5
        found = monitor.scan(
            [monitor.blocks()], clock.now, None if found is None else found.scan.remembered
        )
        watch = detectors.look("m", 1, monitor, [], found=found)
        if watch is not None and watch.alarm is not None:
            return detectors, watch
    raise AssertionError("it did not alarm")


@pytest.mark.parametrize(
    ("options", "where"), [({"shift": 0.8}, INPUTS), ({"scale_layer": 1.5}, "layer 2")]
)
def test_an_alarm_is_where_the_verdict_says(options: dict, where: str) -> None:
    """Inputs that have moved explain layers that depart: the alarm names the inputs, too."""
    clock = Clock()
    monitor = monitor_of(bundles.reference(), clock)
    _, watch = alarmed(monitor, clock, **options)
    assert watch.alarm is not None
    assert where in watch.alarm.where
    origin = monitor.health().judgement.origin
    assert origin == ("input" if where == INPUTS else "model")


def test_an_alarm_passes_when_traffic_is_back() -> None:
    """Not after ten minutes alone: as soon as traffic surely is where it was."""
    clock = Clock()
    monitor = monitor_of(bundles.reference(), clock)
    detectors, watch = alarmed(monitor, clock, scale_layer=1.5)
    began, found = clock.now, monitor.scan([monitor.blocks()], clock.now)
    for bucket in range(24):
        monitor.observe(outputs_of(bundles.candidates(200, seed=500 + bucket)))
        clock.now += 5
        known = None if found is None else found.scan.remembered
        found = monitor.scan([monitor.blocks()], clock.now, known)
        watch = detectors.look("m", 1, monitor, [], found=found)
        assert watch is not None
        if watch.alarm is None:
            break
    assert clock.now - began <= 120
