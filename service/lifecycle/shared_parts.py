"""What the models of one worker share while versions come and go."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from service.coordination.coordinator import WorkerCoordinator
from service.inference.served_models import ServedModels
from service.lifecycle.audit_log import ReleaseAudit
from service.lifecycle.loader import Loader


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
