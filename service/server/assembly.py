"""Makes the parts of one worker from the settings, and connects them to each other."""

from dataclasses import dataclass

from starlette.types import ASGIApp

from models.cores import cores
from models.registry.releases import Releases
from service.api.app import create_app
from service.api.auth.keys import KeyStore
from service.api.routes.admin import Administration
from service.coordination.coordinator import WorkerCoordinator
from service.coordination.history_recorder import HistoryRecorder
from service.coordination.shared_store import SharedStore
from service.errors import SettingsError
from service.health.baselines import Baselines
from service.inference.backend.device import Device
from service.inference.batcher import Limits
from service.inference.featurization.executor import FeaturizationExecutor
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModels
from service.lifecycle.auto_rollback import AutoRollback
from service.lifecycle.loader import Loader
from service.lifecycle.reloader import Reloader
from service.lifecycle.trial import try_bundle
from service.lifecycle.trials.challengers import Challengers
from service.observability.counters import Telemetry
from service.observability.tracing import Tracing
from service.server.traces import open_tracing
from service.settings import Settings
from service.stores.mirror import repository_of

#: Processes of a worker that featurize; each takes some 100 MB while it has work.
_MOST_FEATURIZERS = 8


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker runs; ``auto_rollback`` is None where promotions are not watched."""

    app: ASGIApp
    served_models: ServedModels
    coordinator: WorkerCoordinator
    recorder: HistoryRecorder
    reloader: Reloader
    predictor: Predictor
    auto_rollback: AutoRollback | None
    challengers: Challengers
    tracing: Tracing | None


def assemble(settings: Settings, device: Device, shared_store: SharedStore | None, number: int) -> Parts:
    """Make the parts of worker ``number``, which is alone without ``shared_store``.

    Must run inside the event loop. Raises ``SettingsError`` for a key file that cannot be read.
    """
    key_store, tracing = _open_key_store(settings), open_tracing()
    served_models, telemetry = ServedModels(), Telemetry()
    baselines = Baselines(settings.state)
    shared_store = SharedStore() if shared_store is None else shared_store
    coordinator = WorkerCoordinator(served_models, telemetry, shared_store, number, baselines)
    recorder = HistoryRecorder(coordinator, shared_store)
    repository = repository_of(settings)
    releases = Releases(repository, settings.state)
    loader = Loader(
        repository,
        device,
        telemetry,
        Limits(queue_rows=settings.max_queue_rows),
        keep_features=settings.show_departing_features,
        recompute=settings.recompute_suspect,
        watch=settings.watch,
        trial=try_bundle,
    )
    executor = FeaturizationExecutor(_featurizers(settings), settings.cache_bytes)
    predictor = Predictor(
        served_models, settings.max_rows, executor, applicability=settings.applicability
    )
    reloader = Reloader(
        served_models,
        loader,
        repository,
        settings.poll_seconds,
        settings.golden_seconds,
        coordinator=coordinator,
        releases=releases,
    )
    app = create_app(
        served_models,
        predictor,
        telemetry,
        max_rows=settings.max_rows,
        max_bytes=settings.max_bytes,
        max_stream_bytes=settings.max_stream_bytes,
        spool=settings.state / "spool",
        control=reloader if settings.repository_control or key_store is not None else None,
        coordinator=coordinator,
        deadline_seconds=settings.deadline_seconds,
        key_store=key_store,
        origins=settings.cors_origins,
        root_path=settings.root_path,
        tracing=tracing,
        administration=Administration(releases, reloader),
        recorder=recorder,
    )
    auto_rollback = None
    if settings.probation_seconds:
        auto_rollback = AutoRollback(
            served_models, coordinator, releases, loader, settings.probation_seconds
        )
    return Parts(
        app,
        served_models,
        coordinator,
        recorder,
        reloader,
        predictor,
        auto_rollback,
        Challengers(served_models, coordinator, releases, loader),
        tracing,
    )


def _open_key_store(settings: Settings) -> KeyStore | None:
    if settings.api_keys_file is None:
        return None
    try:
        return KeyStore(settings.api_keys_file, settings.workers)
    except SettingsError as error:
        raise SettingsError(f"SNN_API_KEYS_FILE: {error}") from error


def _featurizers(settings: Settings) -> int:
    """Return how many processes a worker may have for featurizing: its share of the cores."""
    if settings.featurize_processes is not None:
        return settings.featurize_processes
    return max(1, min(_MOST_FEATURIZERS, cores() // settings.workers))
