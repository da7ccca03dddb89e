"""What is served now: one immutable served model per name, swapped by one assignment."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle
from models.bundle.manifest import Manifest
from service.errors import ModelNotFound, ModelNotReady
from service.health.monitor import Monitor
from service.inference.backend.onnx_session import Session
from service.inference.batcher import Batcher
from service.inference.integrity import Fault, Integrity
from service.inference.latency import LatencyEstimator
from service.observability.counters import Traffic


class Leases:
    """How many requests are using a served model; a plain number, since all of them live on the loop."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One loaded, verified, warm version of a model, with everything that belongs to it alone."""

    bundle: Bundle
    session: Session
    integrity: Integrity
    batcher: Batcher
    #: None of a model without taps: there is nothing to watch inside it.
    monitor: Monitor | None
    #: The one thread in which runs too long for the event loop happen.
    lane: ThreadPoolExecutor
    #: How long featurizing takes, by the number of records.
    featurize_pace: LatencyEstimator
    traffic: Traffic
    #: The output columns' names, and the probability from which each is called positive.
    targets: tuple[str, ...]
    thresholds: NDArray[np.float64]
    leases: Leases = field(default_factory=Leases)

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    @property
    def label(self) -> str:
        """``model@version``, as logs name it."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def takes_smiles(self) -> bool:
        """Whether a record is a SMILES."""
        return self.manifest.featurizer.identifier.startswith("molecules-")

    @contextmanager
    def leased(self) -> Iterator[None]:
        """Keep the model open for as long as a request uses it."""
        self.leases.count += 1
        try:
            yield
        finally:
            self.leases.count -= 1

    async def retire(self) -> None:
        """Close the model once the requests that use it are answered."""
        while self.leases.count or not self.batcher.idle:
            await asyncio.sleep(0.02)
        self.lane.shutdown(wait=False)


@dataclass(frozen=True, slots=True)
class ModelState:
    """What is known of one model: what serves, what was wrong last, and whether it is intact."""

    served: ServedModel | None = None
    error: str | None = None
    #: Whether it was taken out of service on purpose, which is nothing wrong with the service.
    unloaded: bool = False
    intact: bool | None = None
    checked_at: datetime | None = None
    #: What the last check that failed found in this version; kept after a reload has mended it.
    fault: Fault | None = None
    #: What is wrong with the bundle's files, which what serves does not need any more.
    files_error: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the model can answer."""
        return self.served is not None


class ServedModels:
    """The models by name. Reading is a dictionary look-up; changing replaces one entry."""

    def __init__(self) -> None:
        self._states: dict[str, ModelState] = {}
        #: Why the repository as a whole cannot be read, if so.
        self.trouble: str | None = "the model repository has not been read yet"
        #: Set when the service is stopping: it still answers, but is not ready for more.
        self.draining = False

    def get(self, name: str) -> ServedModel:
        """Return what serves under a name; raises ``ModelNotFound`` or ``ModelNotReady``."""
        state = self._states.get(name)
        if state is None:
            if self.trouble is not None:
                raise ModelNotReady(f"the models are not loaded: {self.trouble}")
            known = ", ".join(sorted(self._states)) or "none"
            raise ModelNotFound(f"no model named {name[:80]!r} is served here; there is {known}")
        if state.served is None:
            raise ModelNotReady(f"model {name!r} cannot answer: {state.error or 'it is loading'}")
        return state.served

    def state(self, name: str) -> ModelState:
        """Return what is known of a name; raises ``ModelNotFound``."""
        if name not in self._states:
            self.get(name)
        return self._states[name]

    def states(self) -> dict[str, ModelState]:
        """Return what is known of every model, sorted by name."""
        return dict(sorted(self._states.items()))

    @property
    def ready(self) -> bool:
        """Whether every promoted model can answer, and the service is not stopping."""
        states = self._states.values()
        return (
            not self.draining and bool(states) and all(state.ready or state.unloaded for state in states)
        )

    def announce(self, name: str) -> None:
        """Make a name known before its model is loaded."""
        self._states.setdefault(name, ModelState())

    def put(self, name: str, served: ServedModel) -> ServedModel | None:
        """Serve a freshly loaded model; return the one that it replaces."""
        before = self._states.get(name, ModelState())
        old = before.served
        same = old is not None and old.manifest.version == served.manifest.version
        self._states[name] = ModelState(
            served,
            intact=True,
            checked_at=datetime.now(UTC),
            fault=before.fault if same else None,
        )
        return old

    def blame(self, name: str, error: str | None) -> None:
        """Note what is wrong with a model, or that nothing is; what serves goes on serving."""
        self._states[name] = replace(self._states.get(name, ModelState()), error=error)

    def checked(self, name: str, fault: Fault | None, files_error: str | None = None) -> None:
        """Note the outcome of a check; a fault found before is remembered."""
        state = self._states[name]
        self._states[name] = replace(
            state,
            intact=fault is None,
            checked_at=datetime.now(UTC),
            fault=fault or state.fault,
            files_error=files_error,
        )

    def withdraw(self, name: str, error: str) -> ServedModel | None:
        """Stop serving a model and say why; return what had been serving."""
        old = self._states[name]
        self._states[name] = replace(old, served=None, error=error, intact=False)
        return old.served

    def unload(self, name: str) -> ServedModel | None:
        """Stop serving a model on purpose; return what had been serving."""
        old = self.state(name)
        reason = "it was unloaded; POST /v2/repository/models/NAME/load serves it again"
        self._states[name] = replace(old, served=None, error=reason, unloaded=True)
        return old.served
