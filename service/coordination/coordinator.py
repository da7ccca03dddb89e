"""How the traffic of all workers together is judged, and the baselines that operators took of it."""

from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from models.health.windows.onset import Remembered
from service.coordination.agreement import WorkerAgreement
from service.coordination.shared_store import SharedStore
from service.coordination.statuses import ModelStatus, VerdictRecord, VerdictRecords
from service.coordination.window_sums import WindowSums, add_windows
from service.errors import NotEnoughTraffic, NotWatched
from service.health.baselines import Baselines, TakenBaseline
from service.health.change import Found
from service.health.monitor import NOT_WANTED, NOT_WATCHED, Health, Monitor
from service.health.outliers import OutlierRow, merged
from service.health.sequential_alarm import SequentialAlarms, alarmed
from service.health.sequential_state import Watch
from service.health.verdict import with_corruption, with_integrity
from service.inference.served_models import ServedModel, ServedModels
from service.observability.counters import ALARMS, Telemetry
from service.observability.logs import get_logger

#: Chance alone moves a baseline of fewer rows too far: 32 directions of 1,000 rows stray by 0.18.
BASELINE_ROWS = 1000

#: For how long a row that was computed wrongly makes its model suspect.
_CORRUPTED_SECONDS = 600.0

_log = get_logger()


class WorkerCoordinator(WorkerAgreement):
    """One worker's judgement of what went through all of them."""

    def __init__(
        self,
        served_models: ServedModels,
        telemetry: Telemetry,
        shared_store: SharedStore | None = None,
        number: int = 1,
        baselines: Baselines | None = None,
    ) -> None:
        """As ``WorkerAgreement``; without ``baselines`` none can be taken."""
        super().__init__(served_models, telemetry, shared_store, number)
        self._baselines = baselines
        self._sequential_alarms = SequentialAlarms()

    def health(self, name: str) -> tuple[ServedModel, Health, datetime]:
        """Judge a model's traffic in all workers; also return since when the verdict holds.

        Raises ``ModelNotFound`` or ``ModelNotReady``.
        """
        served = self._served_models.get(name)
        monitor = served.monitor
        if monitor is None:
            health = NOT_WANTED if served.watch == "off" else NOT_WATCHED
            health = replace(health, judgement=with_integrity(health.judgement, self._intact(name)))
            return served, health, self._since(served, health, None)
        sums, now = self._sums_of_all(served, monitor), monotonic()
        record = self._shared_store.verdicts().get(name)
        same = record is not None and record.version == served.manifest.version
        known = record.remembered if record is not None and same else None
        found = monitor.scan([part.blocks for part in sums], now, known)
        watch = self._watch(served, monitor, sums, found)
        alarm = None if watch is None or watch.alarm is None else alarmed(watch, watch.alarm)
        windows = add_windows(part.windows_at(now) for part in sums)
        health = monitor.judged(windows, found, alarm)
        corrupted = self._corrupted(served, monitor, now)
        judgement = with_corruption(health.judgement, corrupted=corrupted)
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

    def departing(self, name: str) -> list[OutlierRow]:
        """Return the rows that departed furthest in the last hour, in all workers.

        Raises ``ModelNotFound`` or ``ModelNotReady``.
        """
        served = self._served_models.get(name)
        rows = [] if served.monitor is None else [served.monitor.departing()]
        return merged(rows + [model.departing for model in self._elsewhere(served)])

    def baseline(self, name: str) -> tuple[TakenBaseline | None, str | None]:
        """Return the baseline of the version that serves, None for none, and what is wrong with it.

        Raises ``ModelNotFound`` or ``ModelNotReady``.
        """
        served = self._served_models.get(name)
        if self._baselines is None or served.monitor is None:
            return None, None
        taken, wrong = self._baselines.read(name)
        if taken is None or taken.version != served.manifest.version:
            return None, wrong
        layout, inputs = served.monitor.detector.layout, served.monitor.reference.inputs
        sizes = [] if inputs is None else [len(inputs.centre)] * 2
        evidence = {0, layout.width - layout.evidence.start}
        fits = len(taken.offset) == layout.width and {
            len(taken.centre or []), len(taken.variance or [])
        } <= evidence  # fmt: skip
        if not fits or [len(row) for row in taken.features or []] != sizes:
            return None, f"the baseline of {name} does not fit version {taken.version} and is ignored"
        return taken, None

    def take_baseline(self, name: str, by: str) -> TakenBaseline:
        """Declare the latest traffic healthy, so that this version is judged against it from now on.

        ``by`` names the operator. Raises ``ModelNotFound`` or ``ModelNotReady``, ``NotWatched`` for a
        model without taps, ``NotEnoughTraffic`` below ``BASELINE_ROWS`` rows, and ``NotKept`` where the
        state folder cannot be written.
        """
        served = self._served_models.get(name)
        version, monitor = served.manifest.version, served.monitor
        if monitor is None:
            raise NotWatched(f"version {version} of {name} gives no taps: there is nothing to watch")
        sums, now = self._sums_of_all(served, monitor), monotonic()
        windows = add_windows(part.windows_at(now) for part in sums)
        longest = next((span for span in ("10m", "start") if windows[span].count >= BASELINE_ROWS), None)
        if longest is None or self._baselines is None:
            rows = windows["start"].count
            raise NotEnoughTraffic(
                f"a baseline needs {BASELINE_ROWS} rows; version {version} of {name} has seen {rows}"
            )
        window = windows[longest]
        baseline = monitor.baseline_of(window, datetime.now(UTC))
        assert baseline.centre is not None
        assert baseline.variance is not None
        taken = TakenBaseline(
            model=name,
            version=version,
            rows=window.count,
            requests=window.requests,
            window=longest,
            taken_at=baseline.taken_at,
            by=by,
            offset=baseline.offset.tolist(),
            features=None if baseline.features is None else baseline.features.tolist(),
            centre=baseline.centre.tolist(),
            variance=baseline.variance.tolist(),
        )
        self._baselines.write(taken)
        _log.info("baseline taken", model=served.label, rows=taken.rows, by=by)
        return taken

    def drop_baseline(self, name: str, by: str) -> bool:
        """Judge against the training reference again; return False if there was no baseline.

        ``by`` names the operator. Raises ``ModelNotFound``, ``ModelNotReady``, or ``NotKept`` where the
        state folder cannot be written.
        """
        served = self._served_models.get(name)
        dropped = self._baselines is not None and self._baselines.drop(name)
        if dropped:
            _log.info("baseline dropped", model=served.label, by=by)
        return dropped

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

    def _sums(self, name: str, monitor: Monitor) -> WindowSums:
        """Sum up what this worker saw, about the baseline that holds now."""
        state = self._served_models.states().get(name)
        serves = state is not None and state.served is not None and state.served.monitor is monitor
        taken = self.baseline(name)[0] if serves else None
        if taken is None:
            if monitor.baseline is not None:
                monitor.baseline = None
        elif monitor.baseline is None or monitor.baseline.taken_at != taken.taken_at:
            monitor.baseline = taken.baseline()
        return super()._sums(name, monitor)

    def _corrupted(self, served: ServedModel, monitor: Monitor, now: float) -> bool:
        """Whether a row of the version that serves was computed wrongly of late, in any worker."""
        others = [model.corrupted_at for model in self._elsewhere(served)]
        times = [monitor.corrupted_at, *others]
        return any(at is not None and now - at <= _CORRUPTED_SECONDS for at in times)

    def _intact(self, name: str) -> bool | None:
        """Whether the model reproduced its golden rows when it was last checked, in every worker."""
        state = self._served_models.state(name).intact
        models = [status.models.get(name) for status in self._others().values()]
        known = [state, *(model.intact for model in models if model is not None)]
        return False if False in known else state

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
            log("verdict", model=served.label, verdict=verdict, reason=health.judgement.reason)
        return datetime.now(UTC) if record is None else record.since
