"""``python -m service``: reads the settings, opens the socket, starts one worker or a supervisor."""

import contextlib
import socket
import sys

import typer

from service.cli.keys import keys
from service.cli.models import models
from service.errors import DeviceUnavailable, SettingsError
from service.observability import logs
from service.scoring.command import score
from service.settings import Settings, load_settings

_BACKLOG = 2048

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
cli.command("score")(score)
cli.add_typer(keys, name="keys")
cli.add_typer(models, name="models")


@cli.callback(invoke_without_command=True)
def serve(context: typer.Context) -> None:
    """Start the server. Settings are environment variables, SNN_PORT=9000 for one; see the README."""
    if context.invoked_subcommand is not None:
        return
    try:
        settings = load_settings()
        with contextlib.closing(_listen(settings)) as listener:
            status = _run(settings, listener)
    except (SettingsError, DeviceUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from None
    logs.flush()
    raise typer.Exit(status)


def _run(settings: Settings, listener: socket.socket) -> int:
    # Imported here because a supervisor does not need onnxruntime.
    if settings.workers == 1:
        from service.server.worker import work

        work(settings, listener)
        return 0
    from service.server.supervisor import Supervisor

    logs.configure(settings.log_level, shared=True)
    return Supervisor(settings, listener).run()


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
