"""Runs the sequential detectors, one per served version, over what all workers' windows hold.

Detectors do not merge: workers write sums into buckets on one clock, and one process reads each bucket
once it gets no more rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from models.health.evidence import Sums
from models.health.layout import Layout
from models.health.sequential import Sequential, capped
from service.health.monitor import Baseline, Monitor
from service.health.sequential_state import Alarm, Watch
from service.health.windows import COUNTS, History, closed, latest

#: For how long an alarm degrades the verdict.
ALARM_SECONDS = 600.0

#: Where an alarm is that is of no member.
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
        """Take in the buckets that are new; ``models`` share the budget of false alarms.

        Returns how the detector stands; None where the reference has no bounds for it.
        """
        layout, now, cumulants = monitor.detector.layout, monitor.clock(), monitor.reference.cumulants
        if cumulants is None:
            return None
        histories = [monitor.history(), *others]
        state = self._running.get(name)
        if state is None or state.version != version or state.baseline is not monitor.baseline:
            # Begin with what comes from now on: what came before may be of another centre.
            state = _Running(version, monitor.baseline, Sequential(cumulants), latest(histories))
            self._running[name] = state
        if now - state.looked >= _EVERY_SECONDS:
            state.looked = now
            state.sequential.models = max(models, 1)
            for tick, requests, values in closed(histories, state.after, now):
                state.after = tick
                total = Sums.of(np.zeros(COUNTS), values, layout).capped
                if state.baseline is not None:
                    # Requests far beyond the cap count as the cap: so does the centre.
                    total = total - requests * capped(state.baseline.offset[layout.evidence])
                column = state.sequential.add(round(requests), total)
                if column is not None:
                    state.alarms += state.alarm is None  # a fault that lasts is one
                    state.alarm = Alarm(datetime.now(UTC), now, place_of(layout, column))
        if state.alarm is not None and now - state.alarm.at_clock > ALARM_SECONDS:
            state.alarm = None
        detector = state.sequential
        level = round(detector.level, 3)
        return Watch(detector.requests, level, detector.threshold, state.alarms, state.alarm)


def place_of(layout: Layout, column: int) -> str:
    """Say in words what a column of evidence is of."""
    at = column + layout.evidence.start
    if at < layout.departures.stop:
        place = (at - layout.departures.start) // 3
        return f"member {place // layout.layers}, layer {place % layout.layers + 1}"
    if at < layout.distances.stop:
        return f"member {at - layout.distances.start}"
    return INPUTS
