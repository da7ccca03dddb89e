"""All workers of the service as one: what any of them answers about the whole.

A worker that is asked first posts its own notice, then adds the others' latest to it. So whatever
one answer has shown is on the board before the next is made, by whichever worker: no counter ever
falls. The last notice of a worker that died counts until its successor, which begins with it, posts
its own. With a single worker there is no board, and the whole is that worker.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from time import monotonic

import msgspec
import numpy as np

from models.health.sequential import DELTA
from service.coordination.aggregate import ClusterStatus, aggregate
from service.coordination.shared_store import (
    CutoverDecision,
    CutoverDecisions,
    ModelStatus,
    Roster,
    SharedStore,
    VerdictRecord,
    VerdictRecords,
    WorkerSlot,
    WorkerStatus,
    encode_status,
)
from service.errors import NotEnoughTraffic, NotWatched
from service.health.baselines import Baselines, TakenBaseline
from service.health.monitor import NOT_WATCHED, Baseline, Health, Monitor
from service.health.outliers import OutlierRow, merged
from service.health.sequential_alarm import INPUTS, SequentialAlarms
from service.health.sequential_state import Alarm, Watch
from service.health.verdict import Alarmed
from service.health.windows import History
from service.inference.served_models import ServedModel, ServedModels
from service.observability.counters import ALARMS, Telemetry
from service.observability.logs import get_logger
from service.observability.process import counters, total, usage

#: Between a decision and the moment from which all follow it: long enough to be seen by all.
_NOTICE_SECONDS = 0.15

#: A baseline of fewer rows would be too much chance itself: 32 directions of 1,000 rows stray by 0.18.
BASELINE_ROWS = 1000

_log = get_logger()


class WorkerCoordinator:
    """One worker's sight of them all."""

    def __init__(
        self,
        served_models: ServedModels,
        telemetry: Telemetry,
        shared_store: SharedStore | None = None,
        number: int = 1,
        baselines: Baselines | None = None,
    ) -> None:
        """``number`` counts from 1; what its last holder counted is taken over.

        Without ``baselines`` none can be taken.
        """
        self._baselines = baselines
        self._sequential_alarms = SequentialAlarms()
        self._served_models = served_models
        self._telemetry = telemetry
        self._shared_store = shared_store
        self._number = number
        self._posted = b""
        self._verdicts: VerdictRecords = {}
        self._past = None if shared_store is None else shared_store.notice(number)
        self._past_process: dict[str, float] = {}
        if self._past is not None:
            telemetry.merge(self._past.counted)
            self._past_process = counters(self._past.process)
        #: Whether this worker takes connections.
        self.serving = shared_store is None
        #: Versions that this worker could serve at once, and those that it could not load.
        self.prepared: dict[str, int] = {}
        self.refused: dict[str, int] = {}

    @property
    def alone(self) -> bool:
        """Whether there are no other workers to agree with."""
        return self._shared_store is None

    @property
    def keeper(self) -> bool:
        """Whether this is the one that looks after what one worker has to: the lowest number."""
        return self._shared_store is None or self._number == min(
            self._shared_store.roster().slots, default=0
        )

    def post(self, *, force: bool = True) -> WorkerStatus:
        """Say how this worker is; without ``force`` only if that has changed since."""
        notice = self._notice()
        content = encode_status(notice)
        if self._shared_store is not None and (force or content != self._posted):
            self._posted = content
            notice = msgspec.structs.replace(notice, process=total([self._past_process, usage()]))
            self._shared_store.post(self._number, encode_status(notice))
        return notice

    def whole(self) -> ClusterStatus:
        """Everything, over all workers."""
        if self._shared_store is None:
            own = msgspec.structs.replace(self._notice(), process=usage())
            roster = Roster({1: WorkerSlot(own.pid, first=True)})
            return aggregate({1: own}, roster, draining=self._served_models.draining)
        notices = {self._number: self.post(), **self._others()}
        return aggregate(notices, self._shared_store.roster(), draining=self._served_models.draining)

    def health(self, name: str) -> tuple[ServedModel, Health, datetime]:
        """Judge what went through a model in all workers; also return since when it is judged so.

        Raises ``ModelNotFound`` or ``ModelNotReady``.
        """
        served = self._served_models.get(name)
        version = served.manifest.version
        monitor = served.monitor
        if monitor is None:
            return served, NOT_WATCHED, self._since(served, NOT_WATCHED, None)
        histories = self._histories(name, version)
        self._apply_baseline(name, monitor)
        watch = self._watch(served, monitor, histories)
        alarm = None if watch is None or watch.alarm is None else _alarmed(watch, watch.alarm)
        health = monitor.health(histories, alarm)
        return served, health, self._since(served, health, watch)

    def alarm(self, name: str, version: int, kind: str) -> None:
        """Count that something began for which an operator is called, one of ``ALARMS``."""
        self._telemetry.traffic(name, version).alarms[kind] += 1

    def watch(self, name: str) -> Watch | None:
        """How a model's sequential detector stands, as the keeper last said; None for none."""
        held = self._held().get(name)
        served = self._served_models.get(name)
        return held.watch if held is not None and held.version == served.manifest.version else None

    def departing(self, name: str) -> list[OutlierRow]:
        """The rows that departed furthest of late, in all workers."""
        served = self._served_models.get(name)
        parts = [] if served.monitor is None else [served.monitor.departing()]
        for notice in self._others().values():
            model = notice.models.get(name)
            if model is not None and model.version == served.manifest.version:
                parts.append(model.departing)
        return merged(parts)

    def baseline(self, name: str) -> tuple[TakenBaseline | None, str | None]:
        """The baseline of the version that serves, None if it has none, and what is wrong with it."""
        served = self._served_models.get(name)
        if self._baselines is None or served.monitor is None:
            return None, None
        taken, wrong = self._baselines.read(name)
        if taken is None or taken.version != served.manifest.version:
            return None, wrong
        width = served.monitor.detector.layout.width
        inputs = served.monitor.reference.inputs
        sizes = [] if inputs is None else [len(inputs.centre)] * 2
        if len(taken.offset) != width or [len(each) for each in taken.features or []] != sizes:
            return None, f"the baseline of {name} does not fit version {taken.version} and is ignored"
        return taken, None

    def take_baseline(self, name: str, by: str) -> TakenBaseline:
        """Declare the latest traffic healthy: it is the centre from now on, for this version.

        Raises ``NotEnoughTraffic``, ``NotWatched``, and ``ServiceError`` where it cannot be kept.
        """
        served = self._served_models.get(name)
        version = served.manifest.version
        if served.monitor is None:
            raise NotWatched(f"version {version} of {name} gives no taps: there is nothing to watch")
        windows = served.monitor.health(self._histories(name, version)).windows
        window = next((each for each in ("10m", "start") if windows[each].count >= BASELINE_ROWS), None)
        if window is None or self._baselines is None:
            rows = windows["start"].count
            raise NotEnoughTraffic(
                f"a baseline needs {BASELINE_ROWS} rows; version {version} of {name} has seen {rows}"
            )
        offset, features = served.monitor.centre_of(windows[window])
        taken = TakenBaseline(
            model=name,
            version=version,
            rows=windows[window].count,
            requests=windows[window].requests,
            window=window,
            taken_at=datetime.now(UTC),
            by=by,
            offset=offset.tolist(),
            features=None if features is None else features.tolist(),
        )
        self._baselines.write(taken)
        _log.info("baseline taken", model=served.label, rows=taken.rows, by=by)
        return taken

    def drop_baseline(self, name: str, by: str) -> bool:
        """Return to the training reference; False if there was no baseline."""
        served = self._served_models.get(name)
        there = self._baselines is not None and self._baselines.drop(name)
        if there:
            _log.info("baseline dropped", model=served.label, by=by)
        return there

    def _histories(self, name: str, version: int) -> list[History]:
        return [
            model.history
            for notice in self._others().values()
            for model in [notice.models.get(name)]
            if model is not None and model.version == version and model.history is not None
        ]

    def _apply_baseline(self, name: str, monitor: Monitor) -> None:
        taken, _ = self.baseline(name)
        held = monitor.baseline
        if taken is None:
            monitor.baseline = None
        elif held is None or held.taken_at != taken.taken_at:
            features = None if taken.features is None else np.array(taken.features)
            monitor.baseline = Baseline(taken.taken_at, np.array(taken.offset), features)

    def _watch(self, served: ServedModel, monitor: Monitor, histories: list[History]) -> Watch | None:
        name, version = served.manifest.name, served.manifest.version
        if not self.keeper:
            return self.watch(name)
        others = (state.served for state in self._served_models.states().values())
        models = sum(other is not None and other.monitor is not None for other in others)
        return self._sequential_alarms.look(name, version, monitor, histories, models)

    def _held(self) -> VerdictRecords:
        return self._verdicts if self._shared_store is None else self._shared_store.verdicts()

    def verdict(self, name: str, version: int) -> str:
        """What was last found of a version, by whichever worker; costs no judgement of its own."""
        verdicts = self._verdicts if self._shared_store is None else self._shared_store.verdicts()
        held = verdicts.get(name)
        return held.verdict if held is not None and held.version == version else "warming_up"

    def take_over(self, served: ServedModel) -> None:
        """Count what serves from now on; go on with the windows of this number's last holder.

        That is, if it served the same version.
        """
        self._telemetry.serves(served.manifest.name, served.manifest.version, served.traffic)
        past = None if self._past is None else self._past.models.pop(served.manifest.name, None)
        monitor = served.monitor
        if past is None or past.history is None or monitor is None:
            return
        if past.version == served.manifest.version:
            monitor.take_over(past.history)

    def decision(self, name: str) -> CutoverDecision | None:
        """What all have agreed to serve."""
        return None if self._shared_store is None else self._shared_store.decisions().get(name)

    def decide(self, name: str, version: int, *, unloaded: bool = False, at_once: bool = False) -> bool:
        """Let all serve a version, or none; False if another worker is deciding just now."""
        if self._shared_store is None:
            return True

        def change(decisions: CutoverDecisions) -> None:
            held = decisions.get(name)
            if held is None or (held.version, held.unloaded) != (version, unloaded):
                at = monotonic() + (0.0 if at_once else _NOTICE_SECONDS)
                decisions[name] = CutoverDecision(version, at, unloaded)

        return self._shared_store.decide(change)

    def ask_for_check(self, name: str) -> bool:
        """Let every worker check its model at once; False if another worker is deciding just now."""
        if self._shared_store is None:
            return True
        now = monotonic()

        def change(decisions: CutoverDecisions) -> None:
            if name in decisions:
                decisions[name] = msgspec.structs.replace(decisions[name], check=now)

        return self._shared_store.decide(change)

    def can_follow(self, name: str, version: int) -> bool:
        """Whether every other worker that runs could serve this version at once, or does."""
        return all(
            notice is not None
            and (
                notice.prepared.get(name) == version
                or (name in notice.models and notice.models[name].version == version)
            )
            for notice in self._running()
        )

    def serves(self, name: str) -> bool:
        """Whether any other worker serves a model."""
        return any(
            notice is not None and name in notice.models and notice.models[name].version is not None
            for notice in self._running()
        )

    def refuses(self, name: str, version: int) -> bool:
        """Whether any other worker could not load this version."""
        return any(
            notice is not None and notice.refused.get(name) == version for notice in self._running()
        )

    def _running(self) -> Iterable[WorkerStatus | None]:
        """What every other worker says that takes part in a decision; None if it said nothing yet.

        A successor that takes no connections yet has no part: it will follow what is decided.
        """
        if self._shared_store is None:
            return []
        roster, running = self._shared_store.roster(), []
        for number, slot in roster.slots.items():
            if number != self._number:
                notice = self._shared_store.notice(number)
                current = notice is not None and notice.pid == slot.pid
                if slot.first or (current and notice is not None and notice.serving):
                    running.append(notice if current else None)
        return running

    def _others(self) -> dict[int, WorkerStatus]:
        """The latest notice under every other number, of the living and the dead."""
        if self._shared_store is None:
            return {}
        numbers = range(1, self._shared_store.roster().wanted + 1)
        found = {
            number: self._shared_store.notice(number) for number in numbers if number != self._number
        }
        return {number: notice for number, notice in found.items() if notice is not None}

    def _notice(self) -> WorkerStatus:
        models = {}
        for name, state in self._served_models.states().items():
            served = state.served
            monitor = None if served is None else served.monitor
            models[name] = ModelStatus(
                version=None if served is None else served.manifest.version,
                provider=None if served is None else served.session.provider,
                error=state.error,
                unloaded=state.unloaded,
                intact=state.intact,
                checked_at=state.checked_at,
                fault=state.fault,
                files_error=state.files_error,
                waiting=0 if served is None else served.batcher.waiting,
                history=None if monitor is None else monitor.history(),
                departing=[] if monitor is None else monitor.departing(),
            )
        # After the histories: reading those brings the latest rows into the sums.
        return WorkerStatus(
            pid=os.getpid(),
            serving=self.serving,
            trouble=self._served_models.trouble,
            models=models,
            prepared=dict(self.prepared),
            refused=dict(self.refused),
            counted=self._telemetry,
            process={},
        )

    def _since(self, served: ServedModel, health: Health, watch: Watch | None) -> datetime:
        """Since when the verdict holds: one memory for all workers, and one log line."""
        name, version = served.manifest.name, served.manifest.version
        judgement, changed = health.judgement, []

        def change(verdicts: VerdictRecords) -> None:
            held = verdicts.get(name)
            if held is not None and (held.version, held.verdict) == (version, judgement.verdict):
                verdicts[name] = msgspec.structs.replace(held, watch=watch)
            else:
                verdicts[name] = VerdictRecord(version, judgement.verdict, datetime.now(UTC), watch)
                if judgement.verdict != "warming_up":
                    changed.append(name)

        verdicts = self._held()
        held = verdicts.get(name)
        now = (version, judgement.verdict, watch)
        if held is None or (held.version, held.verdict, held.watch) != now:
            if self._shared_store is None:
                change(verdicts)
            elif self._shared_store.stand(change):
                verdicts = self._shared_store.verdicts()
        if changed:
            if judgement.verdict in ALARMS:  # by the one worker that wrote it down
                self.alarm(name, version, judgement.verdict)
            log = _log.info if judgement.verdict in ("healthy", "unwatched") else _log.warning
            log("verdict", model=served.label, verdict=judgement.verdict, reason=judgement.reason)
        held = verdicts.get(name)
        return datetime.now(UTC) if held is None else held.since


def _alarmed(watch: Watch, alarm: Alarm) -> Alarmed:
    return Alarmed(
        f"the sequential detector found {alarm.where} departing by more than {DELTA} standard"
        f" deviations at {alarm.at.isoformat('T', 'seconds')}, after {watch.requests} requests",
        inputs=alarm.where == INPUTS,
    )
