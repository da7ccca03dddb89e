"""The commands that list a model's versions and say which of them is served."""

import json
from typing import Annotated

import typer

from models.errors import UnknownModel
from models.registry.release_log import command_line_user
from models.registry.releases import Releases
from models.registry.serving_state import ServingState
from models.registry.store import Repository
from training.cli.options import DEFAULT_MODELS, DEFAULT_STATE, Model, Models, State, Why
from training.cli.results import AsJson


def versions(model: Model, models: Models = DEFAULT_MODELS, as_json: AsJson = False) -> None:
    """List MODEL's published versions, the champion marked."""
    repository = Repository(models)
    numbers = repository.versions(model)
    if not numbers:
        raise UnknownModel(f"no version of {model!r} is published in {models}")
    try:
        champion = repository.serving(model).champion
    except UnknownModel:
        champion = None
    if as_json:
        typer.echo(json.dumps({"model": model, "versions": numbers, "champion": champion}))
        return
    for number in numbers:
        typer.echo(f"{number}{'  champion' if number == champion else ''}")


def promote(
    model: Model,
    version: Annotated[int, typer.Argument(min=1, help="The version to serve.")],
    models: Models = DEFAULT_MODELS,
    state: State = DEFAULT_STATE,
    why: Why = "asked for by command",
    as_json: AsJson = False,
) -> None:
    """Make VERSION the champion if its files are unaltered; a running service loads it by itself."""
    serving = Releases(Repository(models), state).promote(model, version, command_line_user(), why)
    _tell(model, serving, as_json, f"version {serving.champion} is the champion")


def rollback(
    model: Model,
    models: Models = DEFAULT_MODELS,
    state: State = DEFAULT_STATE,
    why: Why = "asked for by command",
    as_json: AsJson = False,
) -> None:
    """Make the champion's predecessor the champion again."""
    serving = Releases(Repository(models), state).roll_back(model, command_line_user(), why)
    _tell(model, serving, as_json, f"rolled back to version {serving.champion}")


def _tell(model: str, serving: ServingState, as_json: bool, words: str) -> None:
    document = {"model": model, "champion": serving.champion}
    typer.echo(json.dumps(document) if as_json else f"{model}: {words}")
