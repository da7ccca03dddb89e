"""How the traffic of all workers together is judged, in a thread beside the event loop."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any

from models.health.windows.onset import Remembered
from service.coordination.agreement import WorkerAgreement
from service.coordination.refusals import RecentRefusals
from service.coordination.shared_store import SharedStore
from service.coordination.statuses import ModelStatus, VerdictRecord, VerdictRecords
from service.coordination.window_sums import WindowSums, add_windows
from service.health.change import Found, Health
from service.health.monitor import Monitor
from service.health.sequential_alarm import SequentialAlarms, alarmed
from service.health.sequential_state import Watch
from service.health.verdict import (
    SWITCHED_OFF,
    UNWATCHED,
    with_corruption,
    with_integrity,
    with_refusals,
)
from service.inference.served_models import ServedModel, ServedModels
from service.observability.counters import ALARMS, Telemetry
from service.observability.logs import get_logger

#: For how long a row that was computed wrongly makes its model suspect.
_CORRUPTED_SECONDS = 600.0

_log = get_logger()

#: A model, how its traffic is judged, and since when.
Judgement = tuple[ServedModel, Health, datetime]


class TrafficJudge(WorkerAgreement):
    """One worker's judgement of what went through all of them."""

    def __init__(
        self,
        served_models: ServedModels,
        telemetry: Telemetry,
        shared_store: SharedStore | None = None,
        number: int = 1,
    ) -> None:
        """As ``WorkerAgreement``."""
        super().__init__(served_models, telemetry, shared_store, number)
        self._sequential_alarms = SequentialAlarms()
        self._refusals: defaultdict[tuple[str, int], RecentRefusals] = defaultdict(RecentRefusals)

    async def health(self, name: str) -> Judgement:
        """Judge a model's traffic in all workers; also return since when the verdict holds.

        A thread judges: the event loop answers requests meanwhile. Raises ``ModelNotFound`` or
        ``ModelNotReady``.
        """
        steps, given = self._steps(name), None
        while True:
            try:
                given = await asyncio.to_thread(steps.send(given))
            except StopIteration as done:
                judgement: Judgement = done.value
                return judgement

    def _steps(self, name: str) -> Generator[Callable[[], Any], Any, Judgement]:
        """Judge a model's traffic; what is long, and needs nothing that may change, is yielded."""
        served = self._served_models.get(name)
        monitor = served.monitor
        if monitor is None:
            health = Health(SWITCHED_OFF if served.watch == "off" else UNWATCHED, {}, {})
            health = replace(health, judgement=with_integrity(health.judgement, self._intact(name)))
            return served, health, self._since(served, health, None)
        sums, now = self._sums_of_all(served, monitor), monotonic()
        record = self._shared_store.verdicts().get(name)
        same = record is not None and record.version == served.manifest.version
        known = record.remembered if record is not None and same else None
        blocks = [part.blocks for part in sums]
        found = yield partial(monitor.scan, blocks, now, known)
        watch = self._watch(served, monitor, sums, found)
        alarm = None if watch is None or watch.alarm is None else alarmed(watch, watch.alarm)
        windows = add_windows(part.windows_at(now) for part in sums)
        by_key = [part.clients for part in sums]
        health = yield partial(monitor.judged, windows, found, alarm, by_key)
        corrupted = self._corrupted(served, monitor, now)
        judgement = with_refusals(health.judgement, *self._refused(served, now))
        judgement = with_corruption(judgement, corrupted=corrupted)
        health = replace(health, judgement=with_integrity(judgement, self._intact(name)))
        known = None if found is None else found.scan.remembered
        return served, health, self._since(served, health, watch, known)

    def alarm(self, name: str, version: int, kind: str) -> None:
        """Count the begin of something for which an operator is called, one of ``ALARMS``."""
        self._telemetry.traffic(name, version).alarms[kind] += 1

    def watch(self, name: str) -> Watch | None:
        """Return the state of a model's sequential detector, None where none runs.

        Raises ``ModelNotFound`` or ``ModelNotReady``.
        """
        record = self._shared_store.verdicts().get(name)
        served = self._served_models.get(name)
        same = record is not None and record.version == served.manifest.version
        return record.watch if record is not None and same else None

    def verdict(self, name: str, version: int) -> str:
        """Return the last verdict on a version, by whichever worker, without judging again."""
        record = self._shared_store.verdicts().get(name)
        return record.verdict if record is not None and record.version == version else "warming_up"

    def _sums_of_all(self, served: ServedModel, monitor: Monitor) -> list[WindowSums]:
        """Return the window sums of the version that serves: this worker's, then the others'."""
        own = self._sums(served.manifest.name, monitor)
        others = [model.sums for model in self._elsewhere(served)]
        return [own] + [sums for sums in others if sums is not None and sums.fits(own)]

    def _elsewhere(self, served: ServedModel) -> list[ModelStatus]:
        """Return the states of the version that serves in all other workers."""
        models = [status.models.get(served.manifest.name) for status in self._others().values()]
        version = served.manifest.version
        return [model for model in models if model is not None and model.version == version]

    def _intact(self, name: str) -> bool | None:
        """Whether the model reproduced its golden rows when it was last checked, in every worker."""
        state = self._served_models.state(name).intact
        models = [status.models.get(name) for status in self._others().values()]
        known = [state, *(model.intact for model in models if model is not None)]
        return False if False in known else state

    def _refused(self, served: ServedModel, now: float) -> tuple[int, int]:
        """Records of about the last minute in all workers, and how many of them were refused."""
        version = served.manifest.name, served.manifest.version
        counted = [status.counted for status in self._others().values()]
        counters = [
            served.traffic,
            *(sums.by_version[version] for sums in counted if version in sums.by_version),
        ]
        rows = sum(traffic.rows for traffic in counters)
        refused = sum(sum(dict(traffic.rejected).values()) for traffic in counters)
        return self._refusals[version].look(now, rows, refused)

    def _corrupted(self, served: ServedModel, monitor: Monitor, now: float) -> bool:
        """Whether a row of the version that serves was computed wrongly of late, in any worker."""
        others = [model.corrupted_at for model in self._elsewhere(served)]
        times = [monitor.corrupted_at, *others]
        return any(at is not None and now - at <= _CORRUPTED_SECONDS for at in times)

    def _watch(
        self, served: ServedModel, monitor: Monitor, sums: list[WindowSums], found: Found | None
    ) -> Watch | None:
        """Bring the sequential detector up to date where this worker runs it, and return its state."""
        name, version = served.manifest.name, served.manifest.version
        if not self.keeper:
            return self.watch(name)
        states = [state.served for state in self._served_models.states().values()]
        watched = sum(other is not None and other.monitor is not None for other in states)
        own, *others = sums
        evidence = [part.evidence for part in others if part.centre == own.centre]
        return self._sequential_alarms.look(name, version, monitor, evidence, watched, found)

    def _since(
        self,
        served: ServedModel,
        health: Health,
        watch: Watch | None,
        known: Remembered | None = None,
    ) -> datetime:
        """Record the verdict for all workers, log a change once, and return since when it holds."""
        name, version = served.manifest.name, served.manifest.version
        verdict, changed = health.judgement.verdict, False

        def change(verdicts: VerdictRecords) -> None:
            nonlocal changed
            record = verdicts.get(name)
            since = datetime.now(UTC)
            if record is not None and (record.version, record.verdict) == (version, verdict):
                since = record.since
            else:
                changed = verdict != "warming_up"
            verdicts[name] = VerdictRecord(version, verdict, since, watch, known)

        record = self._shared_store.verdicts().get(name)
        if record is None or VerdictRecord(version, verdict, record.since, watch, known) != record:
            self._shared_store.change_verdicts(change)
            record = self._shared_store.verdicts().get(name)
        if changed:
            if verdict in ALARMS:  # counted by the one worker that recorded it
                self.alarm(name, version, verdict)
            log = _log.info if verdict in ("healthy", "unwatched") else _log.warning
            key = health.judgement.client
            named = {} if key is None else {"key": key}
            log("verdict", model=served.label, verdict=verdict, reason=health.judgement.reason, **named)
        return datetime.now(UTC) if record is None else record.since
