"""The training module's command line: ``python -m training``."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.errors import LogUnwritable, ModelError, UnknownModel
from models.registry.release_log import command_line_user
from models.registry.store import Repository
from training.data.user_file import UserFile
from training.errors import TrainingError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train self-normalizing networks, judge them, publish and promote them.",
)
# A pipe has no width of its own; tables need more than the 80 columns assumed then.
console = Console(width=None if sys.stdout.isatty() else 140)

_DEFAULT_MODELS = Path(__file__).resolve().parents[2] / "models" / "repository"

Model = Annotated[
    str, typer.Argument(help="Name of the model: htru2, tox21, or a task of your own, as in my-task.")
]
Data = Annotated[
    Path | None,
    typer.Option(help="Your own rows, CSV or Parquet; for a task of your own, its table."),
]
Target = Annotated[
    str | None,
    typer.Option(help="The column to predict, of a task of your own; may be left out next time."),
]
Instead = Annotated[
    bool | None,
    typer.Option(
        "--instead/--add",
        help="Of htru2 and tox21: use DATA instead of the official set, or add it (the default).",
        show_default=False,
    ),
]
Positive = Annotated[str | None, typer.Option(help="Which of two classes is the positive one.")]
Ignore = Annotated[
    list[str] | None, typer.Option(help="A column to leave out; may be given several times.")
]
Category = Annotated[
    list[str] | None,
    typer.Option(help="A column whose numbers are categories; may be given several times."),
]
Models = Annotated[
    Path, typer.Option(envvar="SNN_MODELS", help="The model repository's folder.", show_default=False)
]

_DEFAULT_STATE = Path("state")
State = Annotated[
    Path, typer.Option(envvar="SNN_STATE", help="The folder of the release log.", show_default=False)
]
Why = Annotated[str, typer.Option(help="The reason, for the release log.")]


@app.command()
def train(
    model: Model,
    models: Models = _DEFAULT_MODELS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first member.")] = 0,
    promote: Annotated[
        str, typer.Option(help="auto: unless worse than the champion; always; or never.")
    ] = "auto",
    data: Data = None,
    instead: Instead = None,
    target: Target = None,
    positive: Positive = None,
    ignore: Ignore = None,
    category: Category = None,
    recipe: Annotated[
        Path | None, typer.Option(help='Hyperparameters from a JSON file, as in {"units": 128}.')
    ] = None,
    search: Annotated[
        Path | None, typer.Option(help="The study of a search, whose winner is trained.")
    ] = None,
    state: State = _DEFAULT_STATE,
) -> None:
    """Train MODEL, publish a new version, and promote it unless it is worse.

    htru2 and tox21 have official data; any other name is a task of your own, from --data and --target.
    """
    from training.cli.commands import train_and_publish

    own = _own(data, instead, target, positive, ignore, category)
    train_and_publish(console, model, Repository(models), state, seed, promote, own, recipe, search)


@app.command()
def search(
    model: Model,
    models: Models = _DEFAULT_MODELS,
    study: Annotated[
        Path | None,
        typer.Option(
            help="The study's file; MODEL.study below SNN_STATE if left out.", show_default=False
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, with those done before.")] = 40,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds for this call.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of draws and networks.")] = 0,
    data: Data = None,
    instead: Instead = None,
    target: Target = None,
    positive: Positive = None,
    ignore: Ignore = None,
    category: Category = None,
    state: State = _DEFAULT_STATE,
) -> None:
    """Search hyperparameters of MODEL on its folds; the same command goes on with what was begun."""
    from training.cli.commands import search_recipe

    own = _own(data, instead, target, positive, ignore, category)
    path = study or state / f"{model}.study"
    search_recipe(console, model, Repository(models), path, trials, timeout, seed, own)


@app.command()
def evaluate(
    model: Model,
    version: Annotated[int | None, typer.Argument(help="A version; the champion if left out.")] = None,
    models: Models = _DEFAULT_MODELS,
    split: Annotated[
        str,
        typer.Option(
            help="out-of-fold; for tox21 also leaderboard (trains a twin that never saw it) or final."
        ),
    ] = "out-of-fold",
    data: Data = None,
) -> None:
    """Print the metrics of a published version, computed anew from its graph."""
    from training.cli.commands import evaluate_version

    evaluate_version(
        console, model, version, Repository(models), split, UserFile(data) if data else None
    )


@app.command()
def benchmark(
    name: Annotated[
        str,
        typer.Argument(
            help="htru2, tox21, tox21-served, tables, signal, integrity, health (last two: of faults)."
        ),
    ],
    models: Models = _DEFAULT_MODELS,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, from 0.")] = 5,
    processes: Annotated[int, typer.Option(min=1, help="Fits at a time, each on one thread.")] = 2,
) -> None:
    """Compare the SNN with other methods; results are kept and a run goes on where it was."""
    from training.cli.commands import run_benchmark

    run_benchmark(console, name, Repository(models), seeds, processes)


@app.command()
def theory(
    model: Annotated[
        str | None,
        typer.Argument(help="A model whose layers are compared with the theory's predictions."),
    ] = None,
    models: Models = _DEFAULT_MODELS,
) -> None:
    """Prove theorems 1 to 3 by ball arithmetic, or predict the layers of MODEL beside measurement."""
    from training.cli.commands import predict_layers, prove_theorems

    if model is None:
        prove_theorems(console)
    else:
        predict_layers(console, model, Repository(models))


@app.command()
def versions(model: Model, models: Models = _DEFAULT_MODELS) -> None:
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
        console.print(f"{number}{'  champion' if number == champion else ''}", highlight=False)


@app.command()
def promote(
    model: Model,
    version: Annotated[int, typer.Argument(min=1, help="The version to serve.")],
    models: Models = _DEFAULT_MODELS,
    state: State = _DEFAULT_STATE,
    why: Why = "asked for by command",
) -> None:
    """Make VERSION the champion if its files are whole; a running service takes it up by itself."""
    from models.registry.releases import Releases

    serving = Releases(Repository(models), state).promote(model, version, command_line_user(), why)
    console.print(f"{model}: version {serving.champion} is the champion", highlight=False)


@app.command()
def rollback(
    model: Model,
    models: Models = _DEFAULT_MODELS,
    state: State = _DEFAULT_STATE,
    why: Why = "asked for by command",
) -> None:
    """Make the champion's predecessor the champion again."""
    from models.registry.releases import Releases

    serving = Releases(Repository(models), state).roll_back(model, command_line_user(), why)
    console.print(f"{model}: rolled back to version {serving.champion}", highlight=False)


def _own(
    data: Path | None,
    instead: bool | None,
    target: str | None,
    positive: str | None,
    ignore: list[str] | None,
    category: list[str] | None,
) -> UserFile | None:
    if data is not None:
        return UserFile(data, target, positive, tuple(ignore or ()), tuple(category or ()), instead)
    if instead is not None or target or positive or ignore or category:
        raise TrainingError("--data FILE is missing: the other options say how it is to be read")
    return None


def main() -> None:
    """Run the command line; a known error is one sentence on stderr and exit status 1."""
    try:
        app()
    except LogUnwritable as warning:  # it was done, and done it stays
        Console(stderr=True, soft_wrap=True).print(f"warning: {warning}", highlight=False, markup=False)
    except (ModelError, TrainingError, OSError) as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", highlight=False, markup=False)
        sys.exit(1)
