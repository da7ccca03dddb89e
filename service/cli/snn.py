"""``snn``: one command for the service, and for what other installed packages add to it.

A package adds commands by an entry point of the group ``snn.commands``, which names a Typer application.
Training does so; neither package imports the other.
"""

import os
import sys
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Annotated

import typer

#: The distribution that the service is installed by.
DISTRIBUTION = "snn-serving"
#: The entry points that add commands.
GROUP = "snn.commands"

#: What every command ends with.
EXIT_STATUSES = {
    0: "done",
    1: "what was asked for cannot be done; one sentence on standard error says why",
    2: "an argument, a setting or a device cannot be used; of score also its file or model",
    130: "interrupted",
}


def installed_version() -> str:
    """Return the version of the installed package, ``unknown`` for sources that were only copied."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"snn {installed_version()}\n")
        raise typer.Exit


def _describe(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Serve self-normalizing networks, score files, and train networks of your own."""


def build() -> typer.Typer:
    """Return the command with the service's own commands, and those of installed packages."""
    from service.cli.doctor import doctor
    from service.cli.keys import keys
    from service.cli.main import serve
    from service.cli.models import models
    from service.scoring.command import score

    statuses = "; ".join(f"{number}: {meaning}" for number, meaning in EXIT_STATUSES.items())
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        epilog=f"Exit status: {statuses}.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_describe)
    app.command("serve")(serve)
    app.command("score")(score)
    app.add_typer(models, name="models")
    app.add_typer(keys, name="keys")
    app.command("doctor")(doctor)
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            app.add_typer(entry.load())
        except ImportError as error:  # what others add must not keep the service from starting
            sys.stderr.write(f"warning: the commands of {entry.name!r} are left out: {error}\n")
    return app


def main() -> None:
    """Run the command; a package that a command needs and that is missing is one sentence."""
    if sys.argv[1:2] in (["serve"], ["score"]):
        # Matrix products are small: a second thread costs more to wake than it computes. Read by
        # OpenBLAS when numpy is loaded, so it comes first.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        build()(prog_name="snn")
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"error: this command needs the package {error.name!r}, which is not installed;"
            f" for training: pip install '{DISTRIBUTION}[train]'\n"
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
