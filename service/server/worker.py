"""One worker process: answers requests until a signal, or the end of its supervisor, stops it.

A service of one worker is this process alone. A supervisor of several starts
``python -m service.server.worker`` for each. They share the listening sockets and the shared store.
"""

import asyncio
import contextlib
import gc
import os
import socket
import sys
from functools import partial
from pathlib import Path
from time import monotonic

import msgspec
import uvicorn
import uvloop

from service.api.transport.connection import ConnectionPolicy
from service.api.transport.protocol import HttpProtocol
from service.coordination.coordinator import WorkerCoordinator
from service.coordination.shared_store import SharedStore
from service.errors import DeviceUnavailable, SettingsError
from service.inference.backend.device import Device, choose_device
from service.lifecycle.memory import share_arenas
from service.observability import logs
from service.observability.looks import look_again
from service.server.assembly import Parts, assemble
from service.server.grpc_port import client_address_of, start_later
from service.server.listener import ConnectionCounts, SharedListener, most_connections
from service.server.sockets import address_of, inherited
from service.server.start_report import report_start
from service.server.supervisor_link import SupervisorLink
from service.server.tls import Tls, open_tls
from service.server.uvicorn_server import Server
from service.server.worker_process import FAILED, WorkerConfig, stop_signals
from service.settings import Settings, load_settings
from service.stores.mirror import Mirror, open_mirror

#: How long a thread may hold the interpreter while another waits. With Python's usual 5 ms, RDKit's
#: threads would delay every step of the event loop by as much.
_SWITCH_SECONDS = 0.0005
#: How often a worker posts its status where no request makes it do so.
_POST_SECONDS = 0.25
#: How long a successor may take to reach the other workers' versions before it accepts connections.
_SETTLE_SECONDS = 10.0
#: Allocations between two garbage collections: reference counts alone free a request's objects.
_COLLECT_AFTER = 20_000

_log = logs.get_logger()


def work(settings: Settings, listeners: list[socket.socket], config: WorkerConfig | None = None) -> None:
    """Serve until a signal asks to stop; ``config`` is None where there is no supervisor.

    Raises ``DeviceUnavailable``, and ``SettingsError`` for a key file that cannot be read.
    """
    share_arenas()
    device = choose_device(
        settings.device, memory_bytes=settings.cuda_memory_bytes, tf32=settings.cuda_tf32
    )
    number = None if config is None else config.number
    logs.configure(settings.log_level, number, shared=config is not None, form=settings.log_format)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What is loaded by now stays; the collector need not look at it again.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    uvloop.run(_serve(settings, device, listeners, config))
    logs.flush()


async def _serve(
    settings: Settings, device: Device, listeners: list[socket.socket], config: WorkerConfig | None
) -> None:
    if device.fallback is not None and settings.device == "auto":
        _log.info("no CUDA", reason=device.fallback, provider=device.provider)
    shared_store = None if config is None else SharedStore(Path(config.folder))
    tls = open_tls(settings)
    mirror = open_mirror(settings) if config is None or config.number == 1 else None
    parts = assemble(settings, device, shared_store, 1 if config is None else config.number)
    server = _server(parts, settings)
    stopping = asyncio.Event()
    for number in stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, _stop, stopping)
    background = [
        parts.recorder.run(),
        parts.challengers.run(),
        _follow_releases(parts, mirror, settings),
    ]
    if tls is not None:
        background.append(tls.follow())
    if parts.auto_rollback is not None:
        background.append(parts.auto_rollback.run())
    if config is None or (config.first and config.number == 1):
        report_start(settings)
    if parts.grpc is not None and (config is None or config.first):
        await parts.grpc.start()
    shared_listener, link = _shared_listener(config, listeners, server, settings, tls), None
    if config is None:
        for listener in listeners:
            _log.info("listening", **address_of(listener), models=str(settings.models))
        shared_listener.open()
    else:
        link = SupervisorLink(config, stopping)
        background += [
            look_again(partial(_post, parts.coordinator), _POST_SECONDS, "post failed"),
            _start_listening(config, parts, shared_listener),
        ]
    drain = asyncio.create_task(_drain(stopping, parts, server, settings, shared_listener))
    tasks = [drain, *(asyncio.create_task(coroutine) for coroutine in background)]
    try:
        await server.serve(sockets=[])
        await drain
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        parts.predictor.close()
        if parts.tracing is not None:
            await asyncio.to_thread(parts.tracing.recorder.close)
        await asyncio.to_thread(parts.reloader.close)
        _log.info("stopped")
        if link is not None:
            parts.coordinator.post()
            link.close()


async def _follow_releases(parts: Parts, mirror: Mirror | None, settings: Settings) -> None:
    """Serve what is promoted; where a store is mirrored, by this worker, it is looked at before."""
    if mirror is None:
        await parts.reloader.run()
        return
    await mirror.look()
    await asyncio.gather(mirror.follow(settings.poll_seconds), parts.reloader.run())


def _stop(stopping: asyncio.Event) -> None:
    """Begin to drain; a second signal ends the process as it is."""
    if stopping.is_set():
        _log.warning("stopped at once")
        logs.flush()
        os._exit(0)
    stopping.set()


def _server(parts: Parts, settings: Settings) -> Server:
    return Server(
        uvicorn.Config(
            parts.app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here asks who or where the client is
            ws="none",
            http=HttpProtocol,
            timeout_graceful_shutdown=int(settings.drain_seconds) or 1,
        ),
        ConnectionPolicy(
            settings.client_seconds,
            settings.idle_seconds,
            client_address_of(settings),
        ),
    )


def _shared_listener(
    config: WorkerConfig | None,
    listeners: list[socket.socket],
    server: Server,
    settings: Settings,
    tls: Tls | None,
) -> SharedListener:
    most = most_connections(settings.max_connections)
    if most < settings.max_connections:
        _log.info("fewer connections", most=most, reason="the limit on open files")
    shared_listener = SharedListener(
        listeners,
        lambda: server.protocol(shared_listener.update_count),
        lambda: len(server.server_state.connections),
        None if config is None else ConnectionCounts(config.counts, config.workers),
        1 if config is None else config.number,
        most=most,
        make_room=server.make_room,
        tls=None if tls is None else lambda: tls.context,
        handshake_seconds=settings.client_seconds,
    )
    return shared_listener


async def _start_listening(config: WorkerConfig, parts: Parts, shared_listener: SharedListener) -> None:
    """Accept connections; a successor first loads its models, so that no request finds it without."""
    if not config.first:
        await parts.reloader.looked.wait()
        end = monotonic() + _SETTLE_SECONDS
        while not parts.reloader.settled and monotonic() < end:
            await asyncio.sleep(0.02)
        await start_later(parts.grpc)
    parts.coordinator.serving = True
    parts.coordinator.post()
    shared_listener.open()
    _log.info("worker serving")
    logs.flush()


async def _post(coordinator: WorkerCoordinator) -> None:
    """Post this worker's status if it has changed; until it serves its predecessor's last one stands."""
    if coordinator.serving:
        coordinator.post(force=False)


async def _drain(
    stopping: asyncio.Event, parts: Parts, server: Server, settings: Settings, listener: SharedListener
) -> None:
    """On a signal, stop being ready, answer on for some seconds, then finish what is in flight."""
    await stopping.wait()
    parts.served_models.draining = True
    server.drain()
    _log.info("draining", seconds=settings.drain_wait_seconds)
    logs.flush()
    await asyncio.sleep(settings.drain_wait_seconds)
    listener.close()
    server.should_exit = True
    if parts.grpc is not None:  # while the server of HTTP waits for what it has in flight
        await parts.grpc.stop(settings.drain_seconds)


def main(argument: str) -> int:
    """Run the worker that the supervisor describes in ``argument``; return the exit status."""
    config = msgspec.json.decode(argument, type=WorkerConfig)
    try:
        work(load_settings(), inherited(config.listeners), config)
    except (SettingsError, DeviceUnavailable) as error:
        with socket.socket(fileno=config.control) as control, contextlib.suppress(OSError):
            control.send(FAILED + str(error).encode())
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
