"""One worker: everything that answers requests, wired together and run until a signal ends it.

It is the whole service where there is one. Where there are several, the supervisor starts
``python -m service.server.worker`` for each. They share the listening socket and the shared store, and
a worker ends when its link to the supervisor does.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from pathlib import Path
from time import monotonic

import msgspec
import uvicorn
import uvloop

from models.registry.releases import Releases
from models.registry.store import Repository
from service.api.app import create_app
from service.api.auth.keys import KeyStore
from service.api.routes.admin import Administration
from service.api.transport.protocol import HttpProtocol
from service.coordination.coordinator import WorkerCoordinator
from service.coordination.shared_store import SharedStore
from service.errors import DeviceUnavailable, SettingsError
from service.health.baselines import Baselines
from service.inference.backend.device import Device, choose_device
from service.inference.batcher import Limits
from service.inference.featurization.executor import FeaturizationExecutor
from service.inference.predictor import Predictor
from service.inference.processes import cores
from service.inference.served_models import ServedModels
from service.lifecycle.auto_rollback import AutoRollback
from service.lifecycle.loader import Loader
from service.lifecycle.reloader import Reloader
from service.observability import logs
from service.observability.counters import Telemetry
from service.server.listener import ConnectionCounts, SharedListener, inherited
from service.server.supervisor import FAILED, SCALE, WorkerConfig
from service.server.supervisor_link import SupervisorLink
from service.server.uvicorn_server import Server
from service.settings import Settings, load_settings

#: How long a thread may keep the interpreter while another waits: RDKit's would otherwise hold up
#: every step of the event loop by Python's usual 5 ms.
_SWITCH_SECONDS = 0.0005
_FLUSH_SECONDS = 0.2
#: How often a worker says how it is, where nobody asks.
_POST_SECONDS = 0.25
#: How long a successor may take to catch up with the others before it takes connections.
_SETTLE_SECONDS = 10.0
#: Allocations between two collections: a request's objects are freed by their counts alone.
_COLLECT_AFTER = 20_000
_KEEP_ALIVE_SECONDS = 75
#: Processes that featurize, each with some 100 MB while there is work for it.
_MOST_READERS = 8

_log = logs.get_logger()


def work(settings: Settings, listener: socket.socket, place: WorkerConfig | None = None) -> None:
    """Serve until told to stop; ``place`` is among which others. Raises ``DeviceUnavailable``."""
    device = choose_device(
        settings.device, memory_bytes=settings.cuda_memory_bytes, tf32=settings.cuda_tf32
    )
    logs.configure(settings.log_level, worker=None if place is None else place.number)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What is loaded by now stays; the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    uvloop.run(_serve(settings, device, listener, place))
    logs.flush()


def open_key_store(settings: Settings) -> KeyStore | None:
    """The API keys, where they are asked for; raises ``SettingsError``."""
    if settings.api_keys_file is None:
        return None
    try:
        return KeyStore(settings.api_keys_file, settings.workers)
    except SettingsError as error:
        raise SettingsError(f"SNN_API_KEYS_FILE: {error}") from error


def _readers(settings: Settings) -> int:
    """How many processes a worker may have for featurizing: its share of the cores."""
    if settings.featurize_processes is not None:
        return settings.featurize_processes
    return max(1, min(_MOST_READERS, cores() // settings.workers))


async def _serve(
    settings: Settings, device: Device, listener: socket.socket, place: WorkerConfig | None
) -> None:
    if device.fallback is not None and settings.device == "auto":
        _log.info("no CUDA", reason=device.fallback, provider=device.provider)
    key_store = open_key_store(settings)
    served_models, telemetry = ServedModels(), Telemetry()
    shared_store = None if place is None else SharedStore(Path(place.folder))
    number = 1 if place is None else place.number
    coordinator = WorkerCoordinator(
        served_models, telemetry, shared_store, number, Baselines(settings.state)
    )
    repository = Repository(settings.models)
    releases = Releases(repository, settings.state)
    loader = Loader(
        repository,
        device,
        telemetry,
        Limits(queue_rows=settings.max_queue_rows),
        keep_features=settings.show_departing_features,
    )
    executor = FeaturizationExecutor(_readers(settings), settings.cache_bytes)
    predictor = Predictor(served_models, settings.max_rows, executor)
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
        administration=Administration(releases, reloader),
    )
    server = Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here asks who or where the client is
            ws="none",
            http=HttpProtocol,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(settings.drain_seconds) or 1,
        )
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    background = [reloader.run(), _flush_logs()]
    if settings.probation_seconds:
        background.append(
            AutoRollback(served_models, coordinator, releases, settings.probation_seconds).run()
        )
    if place is None:
        background.append(
            _drain(stopping, served_models, coordinator, server, settings.drain_wait_seconds)
        )
        host, port = listener.getsockname()[:2]
        _log.info("listening", host=host, port=port, models=str(settings.models))
        sockets = [listener]
    else:
        shared_listener = _shared_listener(place, listener, server)
        line = SupervisorLink(place, stopping)
        background += [
            _post(coordinator),
            _admit(place, reloader, coordinator, shared_listener),
            _drain(
                stopping,
                served_models,
                coordinator,
                server,
                settings.drain_wait_seconds,
                shared_listener,
            ),
        ]
        sockets = []
    tasks = [asyncio.create_task(each) for each in background]
    try:
        await server.serve(sockets=sockets)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        predictor.close()
        await asyncio.to_thread(reloader.close)
        _log.info("stopped")
        if place is not None:
            with contextlib.suppress(OSError):
                coordinator.post()
            line.close()


def _shared_listener(place: WorkerConfig, listener: socket.socket, server: Server) -> SharedListener:
    scale = ConnectionCounts(Path(place.folder) / SCALE, place.workers)
    shared_listener = SharedListener(
        listener,
        lambda: server.protocol(shared_listener.settle),
        lambda: len(server.server_state.connections),
        scale,
        place.number,
    )
    return shared_listener


async def _admit(
    place: WorkerConfig,
    reloader: Reloader,
    coordinator: WorkerCoordinator,
    shared_listener: SharedListener,
) -> None:
    """Open the door; a successor first has its models, so that nobody meets one without."""
    if not place.first:
        await reloader.looked.wait()
        end = monotonic() + _SETTLE_SECONDS
        while not reloader.settled and monotonic() < end:
            await asyncio.sleep(0.02)
    coordinator.serving = True
    shared_listener.open()  # before the others are told: they cannot be where the store is full
    with contextlib.suppress(OSError):  # ``_post`` goes on trying, and logs it
        coordinator.post()
    _log.info("worker serving")
    logs.flush()


async def _post(coordinator: WorkerCoordinator) -> None:
    """Tell the other workers how this one is; a store that cannot be written is logged once."""
    told = None
    while True:
        await asyncio.sleep(_POST_SECONDS)
        if not coordinator.serving:  # until then its predecessor's last word stands
            continue
        try:
            coordinator.post(force=told is not None)
            told = None
        except OSError as error:
            if told != str(error):
                told = str(error)
                _log.error("shared store unwritable", reason=told)


async def _drain(
    stopping: asyncio.Event,
    served_models: ServedModels,
    coordinator: WorkerCoordinator,
    server: uvicorn.Server,
    wait: float,
    shared_listener: SharedListener | None = None,
) -> None:
    """On a signal: say "not ready", go on answering for a moment, then finish what is in flight."""
    await stopping.wait()
    served_models.draining = True
    _log.info("draining", seconds=wait)
    logs.flush()
    await asyncio.sleep(wait)
    if shared_listener is not None:
        shared_listener.close()
    server.should_exit = True


async def _flush_logs() -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        logs.flush()


def main(argument: str) -> int:
    """Take the place that the supervisor has made; return the exit status."""
    place = msgspec.json.decode(argument, type=WorkerConfig)
    try:
        work(load_settings(), inherited(place.listener), place)
    except (SettingsError, DeviceUnavailable) as error:
        with socket.socket(fileno=place.control) as line, contextlib.suppress(OSError):
            line.send(FAILED + str(error).encode())
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
