"""Runs the sequential detectors, one per served version, over what all workers' windows hold.

Detectors do not merge: workers write sums into buckets on one clock, and one process, the keeper,
reads each bucket once it gets no more rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from models.health.detector import Detector
from models.health.effect_size import Sums
from models.health.sequential import Sequential
from service.health.monitor import Baseline, Monitor
from service.health.sequential_state import Alarm, Watch
from service.health.windows import COUNTS, History, closed, latest

#: For how long an alarm degrades the verdict.
ALARM_SECONDS = 600.0


#: What an alarm says of where it is, if not in a member.
INPUTS = "the inputs"

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
        others: Sequence[History],
        models: int = 1,
    ) -> Watch | None:
        """Take in the buckets that are new; None where the reference knows no bounds."""
        detector, now = monitor.detector, monitor.now()
        cumulants = detector.reference.cumulants
        if cumulants is None:
            return None
        one = self._running.get(name)
        if one is None or one.version != version or one.baseline is not monitor.baseline:
            # Begin with what comes from now on: what came before may be of another centre.
            after = latest([monitor.history(), *others], now)
            one = _Running(version, monitor.baseline, Sequential(cumulants), after)
            self._running[name] = one
        if now - one.looked >= _EVERY_SECONDS:
            one.looked = now
            one.sequential.models = max(models, 1)
            self._take_in(one, detector, [monitor.history(), *others], now)
        if one.alarm is not None and now - one.alarm.at_clock > ALARM_SECONDS:
            one.alarm = None
        running = one.sequential
        level = round(running.level, 3)
        return Watch(running.requests, level, running.threshold, one.alarms, one.alarm)

    def _take_in(
        self, one: _Running, detector: Detector, histories: Sequence[History], now: float
    ) -> None:
        evidence = detector.layout.evidence
        for tick, requests, values in closed(histories, one.after, now):
            one.after = tick
            total = Sums.of(np.zeros(COUNTS), values, detector.layout).capped
            if one.baseline is not None:
                total = total - requests * one.baseline.offset[evidence]
            column = one.sequential.add(round(requests), total)
            if column is not None:
                one.alarms += one.alarm is None  # a fault that lasts is one
                one.alarm = Alarm(datetime.now(UTC), now, place_of(detector, column))


def place_of(detector: Detector, column: int) -> str:
    """What a column of evidence is of, in words."""
    layout = detector.layout
    at = column + layout.evidence.start
    if at < layout.departures.stop:
        place = (at - layout.departures.start) // 3
        return f"member {place // layout.layers}, layer {place % layout.layers + 1}"
    if at < layout.distances.stop:
        return f"member {at - layout.distances.start}"
    return INPUTS
