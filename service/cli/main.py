"""``python -m service``: reads the settings, opens the socket, starts one worker or a supervisor."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from service.cli.doctor import doctor
from service.cli.keys import keys
from service.cli.models import models
from service.errors import DeviceUnavailable, SettingsError
from service.observability import logs
from service.scoring.command import score
from service.server.sockets import listening
from service.settings import Settings, load_settings

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Start the server. Settings are environment variables, SNN_PORT=9000 for one."""
    if context.invoked_subcommand is None:
        _serve()


def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    models: Annotated[Path | None, typer.Option(help="Model repository.")] = None,
    state: Annotated[Path | None, typer.Option(help="The folder that the service writes to.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes.")] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Where networks are computed.")
    ] = None,
    keys: Annotated[Path | None, typer.Option(help="File of the API keys' hashes.")] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, typer.Option(help="What is logged.")
    ] = None,
    log_format: Annotated[
        Literal["auto", "text", "json"] | None, typer.Option(help="auto: text on a terminal, else JSON.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --log-format json.")] = False,
) -> None:
    """Start the service. Every option is also an environment variable, SNN_PORT for --port.

    All others are variables alone; docs/reference/settings.md lists them.
    """
    chosen: dict[str, object] = {
        "PORT": port,
        "HOST": host,
        "MODELS": models,
        "STATE": state,
        "WORKERS": workers,
        "DEVICE": device,
        "API_KEYS_FILE": keys,
        "LOG_LEVEL": log_level,
        "LOG_FORMAT": "json" if json else log_format,
    }
    # The environment is what the processes of the workers read, too.
    os.environ.update({f"SNN_{name}": str(value) for name, value in chosen.items() if value is not None})
    _serve()


cli.command("serve")(serve)
cli.command("score")(score)
cli.command("doctor")(doctor)
cli.add_typer(keys, name="keys")
cli.add_typer(models, name="models")


def _serve() -> None:
    """Serve until a signal; a setting or a device that cannot be used is one sentence and status 2."""
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

    logs.configure(settings.log_level, shared=True, form=settings.log_format)
    return Supervisor(settings, listeners).run()
