"""The sequential detectors over what the windows hold: lasting departures, baselines, the cap."""

from datetime import UTC, datetime

import numpy as np
import pytest

from models.health.evidence import values_width
from models.health.sequential import CAP
from service.health.accumulator import StatisticsAccumulator
from service.health.monitor import Baseline, Monitor
from service.health.outliers import OutlierLog
from service.health.sequential_alarm import SequentialAlarms
from service.health.sequential_state import Watch
from service.health.windows import Windows
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
    centre = monitor.centre_of(monitor.health().windows["start"])
    monitor.baseline = Baseline(datetime.now(UTC), *centre)
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


def test_a_baseline_beyond_the_cap_is_no_departure() -> None:
    """Evidence counts as the cap at most, and so does its centre: what lies at both is as usual."""
    clock = Clock()
    monitor, alarms = monitor_of(bundles.reference(), clock), SequentialAlarms()
    layout = monitor.detector.layout
    offset = np.zeros(layout.width)
    offset[layout.evidence] = 5.0
    monitor.baseline = Baseline(datetime.now(UTC), offset, None)
    _, _, features, _ = StatisticsAccumulator(monitor.detector, OutlierLog()).take(0.0)
    windows, values = Windows(values_width(layout), len(features)), np.zeros(values_width(layout))
    values[2 * layout.width + layout.evidence.stop - layout.evidence.start :] = 100 * CAP
    for _ in range(30):
        windows.add(np.array([100.0, 100.0, 100.0]), values, features, clock.now)
        clock.now += 5
        watch = alarms.look("m", 1, monitor, [windows.history()])
    assert watch is not None
    assert (watch.requests, watch.alarms) == (2800, 0)
