"""The judgement of all workers' traffic, and the baselines that operators took of it."""

from datetime import UTC, datetime
from time import monotonic

from service.coordination.judging import TrafficJudge
from service.coordination.shared_store import SharedStore
from service.coordination.window_sums import WindowSums, add_windows
from service.errors import NotEnoughTraffic, NotWatched
from service.health.baselines import Baselines, TakenBaseline
from service.health.monitor import Monitor
from service.health.outliers import OutlierRow, merged
from service.inference.served_models import ServedModels
from service.observability.counters import Telemetry
from service.observability.logs import get_logger

#: Chance alone moves a baseline of fewer rows too far: 32 directions of 1,000 rows stray by 0.18.
BASELINE_ROWS = 1000

_log = get_logger()


class WorkerCoordinator(TrafficJudge):
    """One worker's judgement of what went through all of them, by the baselines that hold."""

    def __init__(
        self,
        served_models: ServedModels,
        telemetry: Telemetry,
        shared_store: SharedStore | None = None,
        number: int = 1,
        baselines: Baselines | None = None,
    ) -> None:
        """As ``TrafficJudge``; without ``baselines`` none can be taken."""
        super().__init__(served_models, telemetry, shared_store, number)
        self._baselines = baselines

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
