"""The models that are served now: one immutable object per name, replaced by one assignment."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from models.bundle.cutoffs import CutOffs
from models.bundle.loading import Bundle
from models.bundle.manifest import Manifest
from models.registry.serving_state import Challenger
from service.errors import ModelNotFound, ModelNotReady, VersionNotFound
from service.health.monitor import Monitor
from service.health.verdict import WatchMode
from service.inference.answers.decision import Decision
from service.inference.backend.onnx_session import Session
from service.inference.batcher import Batcher
from service.inference.integrity import Integrity, IntegrityFault
from service.inference.measurements.latency import LatencyEstimator
from service.inference.measurements.prediction_counter import PredictionCounter
from service.inference.measurements.row_sample import RowSample
from service.inference.trials.copies import Copies
from service.inference.trials.routing import Asker, Routing
from service.observability.counters import Traffic


class Leases:
    """How many requests use a served model. It is changed on the event loop only."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


@dataclass(slots=True)
class OnTrial:
    """The version on trial beside a served model, and which requests it answers; None for none.

    ``wanted`` is what was asked for. It is changed on the event loop only.
    """

    wanted: Challenger | None = None
    challenger: "ServedModel | None" = None
    routing: Routing | None = None


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One loaded, verified and warmed-up version of a model, with all objects that belong to it."""

    bundle: Bundle
    session: Session
    integrity: Integrity
    batcher: Batcher
    #: None for a model without taps, which has no activations to watch.
    monitor: Monitor | None
    #: The latest rows, while the model is on probation after a promotion.
    sample: RowSample
    #: Who else gets what it computes, while it is in a trial.
    copies: Copies
    #: The one thread for runs that are too long for the event loop.
    lane: ThreadPoolExecutor
    #: How long featurizing takes by the number of records.
    featurize_pace: LatencyEstimator
    traffic: Traffic
    predictions: PredictionCounter
    #: The names of the targets, and their cut-offs.
    targets: tuple[str, ...]
    decision: Decision
    #: How much of the traffic is watched, where the graph has taps.
    watch: WatchMode = "full"
    leases: Leases = field(default_factory=Leases)
    trial: OnTrial = field(default_factory=OnTrial)

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    @property
    def label(self) -> str:
        """``model@version``, as in logs."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def takes_smiles(self) -> bool:
        """Whether a record is a SMILES."""
        return self.manifest.featurizer.identifier.startswith("molecules-")

    def decide(self, cut_offs: CutOffs | None, *, interval: bool) -> Decision:
        """Return the decision that a request asks for; raises what ``Decision.of`` raises."""
        if cut_offs is None and not interval:
            return self.decision
        return Decision.of(self.bundle, cut_offs, interval=interval)

    def of_version(self, version: str | None) -> "ServedModel":
        """Return this model if it is of a version, or None is asked for, or the one that is on trial.

        Raises ``VersionNotFound``. No other version of a model is loaded.
        """
        loaded, challenger = str(self.manifest.version), self.trial.challenger
        if version is None or version == loaded:
            return self
        if challenger is not None and version == str(challenger.manifest.version):
            return challenger
        on_trial = "" if challenger is None else f", and {challenger.manifest.version} on trial"
        raise VersionNotFound(
            f"version {version[:20]!r} of model {self.manifest.name!r} is not loaded;"
            f" version {loaded} is{on_trial}"
        )

    def answering(self, version: str | None, request: Asker) -> "ServedModel":
        """Return the version that answers a request: of a canary's share the one on trial.

        Raises as ``of_version``.
        """
        routing, challenger = self.trial.routing, self.trial.challenger
        if version is None and routing is not None and challenger is not None:
            key = None if request.key is None else request.key.name
            return challenger if routing.takes(request.request_id, key) else self
        return self.of_version(version)

    @contextmanager
    def leased(self) -> Iterator[None]:
        """Keep the model open while a request uses it."""
        self.leases.count += 1
        try:
            yield
        finally:
            self.leases.count -= 1

    async def retire(self) -> None:
        """Close the model as soon as no request uses it."""
        while self.leases.count or not self.batcher.idle:
            await asyncio.sleep(0.02)
        self.lane.shutdown(wait=False)


@dataclass(frozen=True, slots=True)
class ModelState:
    """The state of one model: what is served, the last error, and the last integrity check."""

    served: ServedModel | None = None
    error: str | None = None
    #: Whether it was unloaded on purpose, which does not affect readiness.
    unloaded: bool = False
    #: Whether the service is ready only with this model: it was promoted when the service began.
    promised: bool = False
    #: Whether a version has served in this process.
    has_served: bool = False
    #: Whether it serves although the repository promotes no version of it any more.
    vanished: bool = False
    intact: bool | None = None
    checked_at: datetime | None = None
    #: The fault that the last failed check of this version found; kept after a reload has repaired it.
    fault: IntegrityFault | None = None
    #: What is wrong with the bundle's files, which the model in memory does not need any more.
    files_error: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the model can answer."""
        return self.served is not None


class ServedModels:
    """The state of every model by name. A change replaces one entry of a dictionary."""

    def __init__(self) -> None:
        self._states: dict[str, ModelState] = {}
        #: Why the model repository cannot be read; None if it can.
        self.trouble: str | None = "the model repository has not been read yet"
        #: Set when the service is stopping: it still answers, but is not ready.
        self.draining = False

    def get(self, name: str) -> ServedModel:
        """Return the served model of a name; raises ``ModelNotFound`` or ``ModelNotReady``."""
        state = self._states.get(name)
        if state is None:
            if self.trouble is not None:
                raise ModelNotReady(f"the models are not loaded: {self.trouble}")
            names = ", ".join(sorted(self._states)) or "none"
            raise ModelNotFound(f"no model named {name[:80]!r} is served here; there is {names}")
        if state.served is None:
            raise ModelNotReady(f"model {name!r} cannot answer: {state.error or 'it is loading'}")
        return state.served

    def state(self, name: str) -> ModelState:
        """Return the state of a model; raises ``ModelNotFound`` or ``ModelNotReady``."""
        if name not in self._states:
            self.get(name)
        return self._states[name]

    def states(self) -> dict[str, ModelState]:
        """Return the state of every model, sorted by name."""
        return dict(sorted(self._states.items()))

    def announce(self, name: str, *, promised: bool = True) -> None:
        """Add a model that is not loaded yet; ``promised``: the service is not ready without it."""
        self._states.setdefault(name, ModelState(promised=promised))

    def forget(self, name: str) -> None:
        """Remove a model that does not serve."""
        self._states.pop(name, None)

    def put(self, name: str, served: ServedModel) -> ServedModel | None:
        """Serve a newly loaded model; return the one that it replaces, if any."""
        previous = self._states.get(name, ModelState())
        old = previous.served
        same = old is not None and old.manifest.version == served.manifest.version
        self._states[name] = ModelState(
            served,
            promised=previous.promised,
            has_served=True,
            intact=True,
            checked_at=datetime.now(UTC),
            fault=previous.fault if same else None,
        )
        return old

    def blame(self, name: str, error: str | None, *, vanished: bool = False) -> None:
        """Set or clear a model's error; what is served stays."""
        state = self._states.get(name, ModelState())
        self._states[name] = replace(state, error=error, vanished=vanished)

    def checked(self, name: str, fault: IntegrityFault | None, files_error: str | None = None) -> None:
        """Record an integrity check; an earlier fault is kept if this one found none."""
        state = self._states[name]
        self._states[name] = replace(
            state,
            intact=fault is None,
            checked_at=datetime.now(UTC),
            fault=fault or state.fault,
            files_error=files_error,
        )

    def withdraw(self, name: str, error: str) -> ServedModel | None:
        """Stop serving a model because of an error; return what was served, if anything."""
        old = self._states[name]
        self._states[name] = replace(old, served=None, error=error, intact=False)
        return old.served

    def unload(self, name: str) -> ServedModel | None:
        """Stop serving a model on request; return what was served. Raises ``ModelNotFound``."""
        old = self.state(name)
        reason = "it was unloaded; POST /v2/repository/models/NAME/load serves it again"
        self._states[name] = replace(old, served=None, error=reason, unloaded=True)
        return old.served
