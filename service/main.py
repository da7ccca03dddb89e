"""Starts the service, keeps it running, and stops it without losing a request."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Iterator

import typer
import uvicorn
import uvloop

from models.store import Repository
from service import logs
from service.api.app import create_app
from service.batcher import Limits
from service.catalog import Catalog
from service.errors import DeviceUnavailable, SettingsError
from service.loader import Loader
from service.predictor import Predictor
from service.reloader import Reloader
from service.session import Device, choose_device
from service.settings import Settings, load_settings
from service.telemetry import Telemetry

#: How long a thread may keep the interpreter while another waits: RDKit's would otherwise hold up
#: every step of the event loop by Python's usual 5 ms.
_SWITCH_SECONDS = 0.0005
_FLUSH_SECONDS = 0.2
#: Allocations between two collections: a request's objects are freed by their counts alone.
_COLLECT_AFTER = 20_000
_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75

_log = logs.get_logger()

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.callback(invoke_without_command=True)
def serve(context: typer.Context) -> None:
    """Start the server. Settings are environment variables, SNN_PORT=9000 for one; see the README."""
    if context.invoked_subcommand is not None:
        return
    try:
        settings = load_settings()
        device = choose_device(settings.device)
        listener = _listen(settings)
    except (SettingsError, DeviceUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from None
    logs.configure(settings.log_level)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What is loaded by now stays; the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    with contextlib.closing(listener):
        uvloop.run(_serve(settings, device, listener))
    logs.flush()


async def _serve(settings: Settings, device: Device, listener: socket.socket) -> None:
    """Wire everything together and run until a signal ends it."""
    if device.fallback is not None and settings.device == "auto":
        _log.info("no CUDA", reason=device.fallback, provider=device.provider)
    catalog, telemetry = Catalog(), Telemetry()
    repository = Repository(settings.models)
    loader = Loader(repository, device, telemetry, Limits(queue_rows=settings.max_queue_rows))
    predictor = Predictor(catalog, settings.max_rows)
    reloader = Reloader(catalog, loader, repository, settings.poll_seconds, settings.golden_seconds)
    app = create_app(
        catalog,
        predictor,
        telemetry,
        max_rows=settings.max_rows,
        max_bytes=settings.max_bytes,
        max_stream_bytes=settings.max_stream_bytes,
        spool=settings.state / "spool",
        control=reloader if settings.repository_control else None,
    )
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            http="httptools",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(settings.drain_seconds) or 1,
            backlog=_BACKLOG,
        )
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    background = [
        asyncio.create_task(reloader.run()),
        asyncio.create_task(_flush_logs()),
        asyncio.create_task(_drain(stopping, catalog, server, settings.drain_wait_seconds)),
    ]
    host, port = listener.getsockname()[:2]
    _log.info("listening", host=host, port=port, models=str(settings.models))
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        predictor.close()
        _log.info("stopped")


async def _drain(stopping: asyncio.Event, catalog: Catalog, server: uvicorn.Server, wait: float) -> None:
    """On a signal: say "not ready", go on answering for a moment, then finish what is in flight."""
    await stopping.wait()
    catalog.draining = True
    _log.info("draining", seconds=wait)
    logs.flush()
    await asyncio.sleep(wait)
    server.should_exit = True


async def _flush_logs() -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        logs.flush()


def _listen(settings: Settings) -> socket.socket:
    """Open the listening socket; raises ``SettingsError`` naming the variable to change."""
    try:
        family, *_, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SettingsError(f"SNN_HOST={settings.host}: {error.strerror}") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"SNN_PORT={settings.port}: cannot listen on {settings.host}: {error.strerror}"
        ) from error
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server, whose signals are ours: it would end the process by the signal, not with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield
