"""When several workers change over to a new version: all at one moment, once each of them is ready."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from service.coordination.coordinator import WorkerCoordinator
from service.inference.served_models import ServedModel, ServedModels

#: A version that is ready here waits no longer than this for a worker that goes on loading it.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A version that is loaded and warm, and waits for the other workers to have it so."""

    served: ServedModel
    seconds: float
    at: float

    @property
    def version(self) -> int:
        return self.served.manifest.version


class CoordinatedCutover:
    """One worker's part in it: the versions that it has ready and does not serve yet."""

    def __init__(
        self,
        coordinator: WorkerCoordinator,
        served_models: ServedModels,
        clock: Callable[[], float],
        serve: Callable[[str, ServedModel, float], None],
        close: Callable[[ServedModel], None],
    ) -> None:
        """``serve`` takes a model, what is to serve and how long its loading took."""
        self._coordinator = coordinator
        self._served_models = served_models
        self._clock = clock
        self._serve = serve
        self._close = close
        self._prepared: dict[str, _Prepared] = {}

    @property
    def waiting(self) -> dict[str, int]:
        """The versions that wait, by model."""
        return self._coordinator.prepared

    def add(self, name: str, served: ServedModel, seconds: float) -> None:
        """Serve a version that has been loaded as soon as all can; a single worker can at once."""
        self._prepared[name] = prepared = _Prepared(served, seconds, self._clock())
        self._coordinator.prepared[name] = prepared.version
        self._offer(name, prepared)

    def look(self) -> None:
        """See how far the others are."""
        for name, prepared in list(self._prepared.items()):
            self._offer(name, prepared)

    def _offer(self, name: str, prepared: _Prepared) -> None:
        """Serve what is prepared if that is agreed, or see whether all are ready to agree on it."""
        coordinator, version = self._coordinator, prepared.version
        if self._prepared.get(name) is not prepared:
            return
        wait = 0.0
        if not coordinator.alone:
            decision = coordinator.decision(name)
            if decision is None or decision.unloaded or decision.version != version:
                first = self._served_models.state(name).served is None and not coordinator.serves(name)
                late = self._clock() > prepared.at + _PATIENCE_SECONDS
                if not first and coordinator.refuses(name, version):
                    self.discard(name)
                    return
                if not (first or late or coordinator.can_follow(name, version)):
                    return
                coordinator.decide(name, version, at_once=first)
                decision = coordinator.decision(name)
            if decision is None or decision.version != version:
                return  # another worker was deciding; the next look tells what
            wait = decision.at - monotonic()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._offer, name, prepared)
            return
        del self._prepared[name], coordinator.prepared[name]
        self._serve(name, prepared.served, prepared.seconds)

    def discard(self, name: str) -> None:
        """Close what was prepared for a model, if anything was."""
        self._coordinator.prepared.pop(name, None)
        prepared = self._prepared.pop(name, None)
        if prepared is not None:
            self._close(prepared.served)
