"""What the models of one worker share while versions come and go."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from service.coordination.coordinator import WorkerCoordinator
from service.inference.served_models import ServedModel, ServedModels
from service.lifecycle.audit_log import ReleaseAudit
from service.lifecycle.loader import Loader
from service.lifecycle.memory import give_back


def load_beside(loader: Loader, coordinator: WorkerCoordinator, name: str, version: int) -> ServedModel:
    """Load a version beside others that serve: tried on its own first, one worker at a time.

    Loading takes several times the memory of what is loaded. Blocks; raises as ``Loader.load``.
    """
    with coordinator.turn():
        try:
            loader.try_once(name, version, coordinator.tried)
            return loader.load(name, version)
        finally:
            give_back()


@dataclass(frozen=True, slots=True)
class Worker:
    """The parts of a worker; ``start`` runs a job beside the event loop."""

    served_models: ServedModels
    loader: Loader
    coordinator: WorkerCoordinator
    audit: ReleaseAudit
    golden_seconds: float
    clock: Callable[[], float]
    start: Callable[[Coroutine[Any, Any, None]], None]

    @property
    def serves(self) -> bool:
        """Whether this worker serves any model."""
        return any(state.ready for state in self.served_models.states().values())

    def load(self, name: str, version: int, *, in_turn: bool) -> ServedModel:
        """Load a version, as ``Loader.load``.

        ``in_turn``: beside others that serve, as ``load_beside``.
        """
        if in_turn:
            return load_beside(self.loader, self.coordinator, name, version)
        try:
            return self.loader.load(name, version)
        finally:
            give_back()

    def close(self, model: ServedModel | None) -> None:
        """Close a model, if there is one, once no request uses it."""
        if model is not None:
            self.start(_closed(model))


async def _closed(model: ServedModel) -> None:
    await model.retire()
    del model
    await asyncio.to_thread(give_back)
