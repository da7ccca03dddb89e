"""From a promoted version on disk to a model that may serve: open, verify, warm up."""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle, Run, check_place, open_bundle
from models.errors import ModelError
from models.features import columns_of
from models.health.diagnosis.inputs import FeatureScales
from models.networks.outputs import SQUASHED
from models.registry.store import Repository
from service.health.monitor import Monitor
from service.health.verdict import WatchMode
from service.inference.answers.decision import Decision
from service.inference.backend.device import Device
from service.inference.backend.onnx_session import (
    Session,
    SizedSession,
    forms_of,
    open_session,
    without_taps,
)
from service.inference.backend.small_batches import MOST_BYTES, MOST_ROWS, small_batch_graph
from service.inference.batcher import Batcher, Limits
from service.inference.integrity import Integrity
from service.inference.measurements.latency import LatencyEstimator
from service.inference.measurements.prediction_counter import PredictionCounter
from service.inference.measurements.row_sample import RowSample
from service.inference.served_models import ServedModel
from service.inference.suspect_rows import SuspectRows
from service.inference.trials.copies import Copies
from service.inference.watched_run import counted, watched
from service.lifecycle.memory import give_back
from service.observability.counters import Telemetry

#: Names, sizes and times of a version's files: they tell one state of it from another, unread.
Files = tuple[tuple[str, int, int], ...]
OpenSession = Callable[[bytes, Device], Session]

#: Runs per batch size at warm-up: the first allocates memory, the last is timed.
_WARM_UP_RUNS = 3


class Loader:
    """Loads and checks models. Its methods block: call them in a thread."""

    def __init__(
        self,
        repository: Repository,
        device: Device,
        telemetry: Telemetry,
        limits: Limits,
        open_session: OpenSession = open_session,
        *,
        keep_features: bool = False,
        recompute: bool = True,
        watch: WatchMode = "full",
        trial: Callable[[Path, str, int], None] | None = None,
    ) -> None:
        """``keep_features`` lets monitors show the features of rows that departed.

        With ``recompute`` rows beyond their bounds are computed once more. ``watch`` says how much of
        the traffic monitors see.
        ``trial`` raises ``BundleRefused`` for a bundle that must not be loaded here.
        """
        self._repository = repository
        self._device = device
        self._telemetry = telemetry
        self._limits = limits
        self._open_session = open_session
        self._keep_features = keep_features
        self._recompute = recompute
        self._watch = watch
        self._trial = trial
        #: The files of versions that were loaded without harm.
        self._loaded: dict[tuple[str, int], Files] = {}

    def try_once(
        self, name: str, version: int, tried: Callable[[str], AbstractContextManager[bool]]
    ) -> None:
        """Try a version, unless it was loaded here before or another worker has tried it.

        ``tried`` tells whether something of a name was done, and notes that it is at its end. Raises
        ``ModelError`` with the reason.
        """
        files = self.files(name, version)
        if self._trial is not None and self._loaded.get((name, version)) != files:
            state = hashlib.sha256(repr(files).encode()).hexdigest()
            with tried(f"tried-{name}-{version}-{state}") as done:
                if not done:
                    self._trial(self._repository.bundle(name, version), name, version)

    def load(self, name: str, version: int) -> ServedModel:
        """Load one version; raises ``ModelError`` or ``ServiceError`` with the reason."""
        folder, files = self._repository.bundle(name, version), self.files(name, version)
        bundle = open_bundle(folder)
        manifest = bundle.manifest
        check_place(manifest, name, version)
        session = self._open_session(bundle.model, self._device)
        watch: WatchMode = "full" if bundle.reference is None else self._watch
        if watch == "off":
            # The layers are checked once, before a graph without their statistics takes over.
            bundle.check_golden(session.run, self._device.tolerance)
            session = self._open_session(without_taps(bundle.model), self._device)
            bundle = replace(bundle, reference=None)
        unwatched, few = None, self._few_rows_session(bundle, session)
        if watch == "sampled" and len(bundle.model) <= MOST_BYTES:
            unwatched = self._open_session(without_taps(bundle.model), self._device)
        # The session has the weights; keeping the file's bytes would hold them twice.
        bundle = replace(bundle, model=b"")
        if few is not None:
            session = SizedSession(session, few, MOST_ROWS)
        integrity = Integrity(
            bundle,
            folder,
            *forms_of(session),
            tolerance=self._device.tolerance,
            exact=not session.may_block,
        )
        batch_pace, featurize_pace = LatencyEstimator(), LatencyEstimator()
        _warm_up(bundle, session, self._limits, batch_pace, featurize_pace)
        give_back()  # what reading the graph took: more than the session itself
        traffic = self._telemetry.traffic(name, version)
        monitor = None
        if bundle.reference is not None:
            monitor = Monitor(
                bundle.reference,
                traffic=traffic,
                names=columns_of(bundle.featurizer),
                keep_features=self._keep_features,
                scales=_scales_of(bundle, session),
                sampled=watch == "sampled",
            )
        suspect_rows = None
        if monitor is not None:
            suspect_rows = SuspectRows(session.run, monitor, traffic, again=self._recompute)
        lane = ThreadPoolExecutor(1, thread_name_prefix=f"{name}@{version}")
        sample, copies = RowSample(), Copies()
        decision = Decision.of(bundle)
        predictions = PredictionCounter(traffic, decision.thresholds, exclusive=manifest.exclusive)
        compute = watched(session, monitor, sample, copies, predictions, suspect_rows, unwatched)
        limits = replace(self._limits, inline_seconds=-1.0) if session.may_block else self._limits
        self._loaded[name, version] = files
        return ServedModel(
            bundle=bundle,
            session=session,
            integrity=integrity,
            batcher=Batcher(
                counted(compute, traffic),
                lane,
                traffic,
                limits,
                batch_pace,
            ),
            monitor=monitor,
            sample=sample,
            copies=copies,
            lane=lane,
            featurize_pace=featurize_pace,
            traffic=traffic,
            predictions=predictions,
            targets=tuple(manifest.target_names),
            decision=decision,
            watch=watch,
        )

    def _few_rows_session(self, bundle: Bundle, session: Session) -> Session | None:
        """Return a session for small batches; None where the graph has no form for them."""
        if bundle.reference is None or session.may_block:
            return None
        graph = small_batch_graph(bundle.model, bundle.reference)
        if graph is None:
            return None
        try:
            few = self._open_session(graph, self._device)
            bundle.check_golden(few.run, self._device.tolerance)
        except ModelError:  # its layers are of a kind that this form does not know
            return None
        return few

    def check(self, served: ServedModel) -> str | None:
        """Compare a serving session with what was published; raises ``BundleRefused`` if it differs.

        Returns what is wrong with the bundle's files, which what serves does not need any more. Runs are
        made in the model's own thread, among those of requests.
        """
        served.integrity.check(
            *(partial(_in_lane, served.lane, form) for form in forms_of(served.session))
        )
        try:
            served.integrity.check_files()
        except (ModelError, OSError) as error:
            return str(error)
        return None

    def files(self, name: str, version: int) -> Files:
        """The state of a version's files now; empty where they cannot be looked at."""
        try:
            folder = self._repository.bundle(name, version)
            found = [(path.name, path.lstat()) for path in sorted(folder.iterdir())]
        except (ModelError, OSError):
            return ()
        return tuple((file, status.st_size, status.st_mtime_ns) for file, status in found)


def _in_lane(
    lane: ThreadPoolExecutor, run: Run, rows: NDArray[np.float32]
) -> Mapping[str, NDArray[np.float32]]:
    return lane.submit(run, rows).result()


def _scales_of(bundle: Bundle, session: Session) -> FeatureScales | None:
    """How raw features become what the first layer sees; None where the graph does not tell."""
    inputs = None if bundle.reference is None else bundle.reference.inputs
    if inputs is None or bundle.featurizer.identifier.startswith("molecules-"):
        return None
    return FeatureScales.of(inputs, lambda rows: session.run(rows)[SQUASHED])


def _warm_up(
    bundle: Bundle,
    session: Session,
    limits: Limits,
    batch_pace: LatencyEstimator,
    featurize_pace: LatencyEstimator,
) -> None:
    """Run batches of 1, 4, 16, … rows, and learn how long each takes, and how long featurizing."""
    records = bundle.golden.records
    started = perf_counter()
    bundle.featurizer.featurize(records)
    featurize_pace.learn(len(records), perf_counter() - started)
    size = 1
    while size <= limits.batch_rows:
        rows = np.ascontiguousarray(np.resize(bundle.golden.features, (size, bundle.manifest.features)))
        for _ in range(_WARM_UP_RUNS):
            started = perf_counter()
            session.run(rows)
            elapsed = perf_counter() - started
        batch_pace.learn(size, elapsed)
        size *= 4
