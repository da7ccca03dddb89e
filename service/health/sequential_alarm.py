"""Runs the sequential detectors, one per served version, over the evidence of all workers.

Detectors do not merge: workers write sums into buckets on one clock, and one process reads each bucket
once it gets no more rows. An alarm says what the suffixes of traffic say, which see the same change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import origin_of
from models.health.layout import Layout
from models.health.sequential import DELTA, Sequential, cumulants_by_moments
from service.health.baselines import Baseline
from service.health.change import Found
from service.health.monitor import Monitor
from service.health.sequential_state import INPUTS, Alarm, Watch
from service.health.verdict import Alarmed
from service.health.windows import Buckets, closed, latest

#: For how long an alarm degrades the verdict.
ALARM_SECONDS = 600.0

#: By how much later than a change's end an alarm of it may come.
_LATE_SECONDS = 30.0

#: No detector is brought up to date more often.
_EVERY_SECONDS = 1.0


@dataclass(slots=True)
class _Running:
    """One version's detector: since which baseline, up to which bucket, and as of when."""

    version: int
    baseline: Baseline | None
    sequential: Sequential
    after: int
    looked: float = -np.inf
    alarms: int = 0
    alarm: Alarm | None = None


class SequentialAlarms:
    """The detectors of one process."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    def look(
        self,
        name: str,
        version: int,
        monitor: Monitor,
        others: Sequence[Buckets],
        models: int = 1,
        found: Found | None = None,
    ) -> Watch | None:
        """Take in the buckets that are new; ``models`` share the budget of false alarms.

        ``others`` are the other workers' evidence about the same centre, and ``found`` is what the
        suffixes of all workers' traffic show. Returns how the detector stands; None where it has no
        bounds: the reference has none, or the baseline was taken before its spread was kept.
        """
        now, cumulants = monitor.clock(), _bounds(monitor)
        if cumulants is None:
            return None
        evidence = [monitor.evidence(), *others]
        state = self._running.get(name)
        if state is None or state.version != version or state.baseline is not monitor.baseline:
            # Begin with what comes from now on: what came before may be of another centre.
            state = _Running(version, monitor.baseline, Sequential(cumulants), latest(evidence))
            self._running[name] = state
        if now - state.looked >= _EVERY_SECONDS:
            state.looked = now
            state.sequential.models = max(models, 1)
            for tick, requests, total in closed(evidence, state.after, now):
                state.after = tick
                column = state.sequential.add(round(requests), total)
                if column is not None:
                    state.alarms += state.alarm is None  # a fault that lasts is one
                    where = _explained(monitor.detector.layout, column, found)
                    state.alarm = Alarm(datetime.now(UTC), now, where)
        if state.alarm is not None and _is_over(state.alarm, now, found):
            state.alarm = None
        detector = state.sequential
        level = round(detector.level, 3)
        return Watch(detector.requests, level, detector.threshold, state.alarms, state.alarm)


def _bounds(monitor: Monitor) -> NDArray[np.float64] | None:
    """What capped evidence does by chance, about the centre that the monitor has."""
    baseline = monitor.baseline
    if baseline is None:
        return monitor.reference.cumulants
    if baseline.variance is None:
        return None
    return cumulants_by_moments(baseline.variance, baseline.requests)


def _explained(layout: Layout, column: int, found: Found | None) -> str:
    """Where an alarm is: the inputs, where they explain the layers that depart."""
    where = place_of(layout, column)
    if where == INPUTS or found is None:
        return where
    return INPUTS if origin_of(found.scan.now.effects) == "input" else where


def _is_over(alarm: Alarm, now: float, found: Found | None) -> bool:
    """Whether an alarm has passed: with time, or since traffic is surely where it was."""
    if now - alarm.at_clock > ALARM_SECONDS:
        return True
    if found is None or found.scan.has_moved:
        return False
    # A detector alarms some seconds after the change that it tells of.
    ended = found.ended is not None and found.ended > alarm.at_clock - _LATE_SECONDS
    return ended or (found.scan.steady and found.seconds < now - alarm.at_clock)


def place_of(layout: Layout, column: int) -> str:
    """Say in words what a column of evidence is of."""
    at = column + layout.evidence.start
    if at < layout.departures.stop:
        place = (at - layout.departures.start) // 3
        return f"member {place // layout.layers}, layer {place % layout.layers + 1}"
    if at < layout.distances.stop:
        return f"member {at - layout.distances.start}"
    return INPUTS


def alarmed(watch: Watch, alarm: Alarm) -> Alarmed:
    """Return what a verdict says of an alarm."""
    return Alarmed(
        f"the sequential detector found {alarm.where} departing by more than {DELTA} standard"
        f" deviations at {alarm.at.isoformat('T', 'seconds')}, after {watch.requests} requests",
        inputs=alarm.where == INPUTS,
    )
