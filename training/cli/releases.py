"""The commands that list a model's versions and say which of them is served."""

from typing import Annotated

import typer

from models.errors import UnknownModel
from models.registry.release_log import command_line_user
from models.registry.releases import Releases
from models.registry.store import Repository
from training.cli.options import DEFAULT_MODELS, DEFAULT_STATE, Model, Models, State, Why


def versions(model: Model, models: Models = DEFAULT_MODELS) -> None:
    """List MODEL's published versions, the champion marked."""
    repository = Repository(models)
    numbers = repository.versions(model)
    if not numbers:
        raise UnknownModel(f"no version of {model!r} is published in {models}")
    try:
        champion = repository.serving(model).champion
    except UnknownModel:
        champion = None
    for number in numbers:
        typer.echo(f"{number}{'  champion' if number == champion else ''}")


def promote(
    model: Model,
    version: Annotated[int, typer.Argument(min=1, help="The version to serve.")],
    models: Models = DEFAULT_MODELS,
    state: State = DEFAULT_STATE,
    why: Why = "asked for by command",
) -> None:
    """Make VERSION the champion if its files are unaltered; a running service loads it by itself."""
    serving = Releases(Repository(models), state).promote(model, version, command_line_user(), why)
    typer.echo(f"{model}: version {serving.champion} is the champion")


def rollback(
    model: Model,
    models: Models = DEFAULT_MODELS,
    state: State = DEFAULT_STATE,
    why: Why = "asked for by command",
) -> None:
    """Make the champion's predecessor the champion again."""
    serving = Releases(Repository(models), state).roll_back(model, command_line_user(), why)
    typer.echo(f"{model}: rolled back to version {serving.champion}")
