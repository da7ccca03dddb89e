"""``python -m service``: reads the settings, opens the socket, starts one worker or a supervisor."""

import socket
import sys

import typer

from service.cli.keys import keys
from service.cli.models import models
from service.errors import DeviceUnavailable, SettingsError
from service.observability import logs
from service.scoring.command import score
from service.server.sockets import listening
from service.settings import Settings, load_settings

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
        with listening(settings) as listeners:
            status = _run(settings, listeners)
    except (SettingsError, DeviceUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from None
    logs.flush()
    raise typer.Exit(status)


def _run(settings: Settings, listeners: list[socket.socket]) -> int:
    # Imported here because a supervisor does not need onnxruntime.
    if settings.workers == 1:
        from service.server.worker import work

        work(settings, listeners)
        return 0
    from service.server.supervisor import Supervisor

    logs.configure(settings.log_level, shared=True)
    return Supervisor(settings, listeners).run()
