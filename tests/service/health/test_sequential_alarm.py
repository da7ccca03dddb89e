"""The sequential detectors over what the windows hold: lasting departures, baselines, the cap."""

from datetime import UTC, datetime

import numpy as np
import pytest

from service.health.monitor import Monitor
from service.health.sequential_alarm import SequentialAlarms
from service.health.sequential_state import Watch
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
