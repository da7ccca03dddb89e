"""The training module's command line: ``python -m training``.

Heavy libraries are imported inside the commands: ``--help`` must not wait for torch.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from models.errors import LogUnwritable, ModelError, UnknownModel
from models.registry.release_log import command_line_user
from models.registry.releases import Releases
from models.registry.store import Repository
from training.cli.spelling import DayFirst, Decimal, Missing, Number, Rare, Thousands, spelling_of
from training.errors import TrainingError

if TYPE_CHECKING:
    from training.data.user_file import UserFile

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train self-normalizing networks, evaluate them, publish and promote them.",
)

_DEFAULT_MODELS = Path(__file__).resolve().parents[2] / "models" / "repository"
_DEFAULT_STATE = Path("state")

Model = Annotated[str, typer.Argument(help="htru2, tox21, or a name of your own, as in my-task.")]
Data = Annotated[Path | None, typer.Option(help="A table with your own rows, CSV or Parquet.")]
Target = Annotated[str | None, typer.Option(help="Column to predict; the champion's if left out.")]
_INSTEAD = "For htru2 and tox21: use DATA instead of the official set, or add it (the default)."
Instead = Annotated[bool | None, typer.Option("--instead/--add", help=_INSTEAD, show_default=False)]
Positive = Annotated[str | None, typer.Option(help="Which of two classes is the positive one.")]
Ignore = Annotated[list[str] | None, typer.Option(help="Column to leave out; repeatable.")]
_CATEGORY = "Column whose numbers are categories; repeatable."
Category = Annotated[list[str] | None, typer.Option(help=_CATEGORY)]
Models = Annotated[Path, typer.Option(envvar="SNN_MODELS", show_default=False, help="Model repository.")]
State = Annotated[
    Path, typer.Option(envvar="SNN_STATE", show_default=False, help="Release log's folder.")
]
Why = Annotated[str, typer.Option(help="Reason, for the release log.")]
_PROMOTE = "auto: if no check of the gate fails."
_MARGIN = (
    "Loss of mean AUC that the gate must exclude; .03 if left out, which rows of a thousand or more with"
    " similar models can show. The report says what these rows can."
)
_RECIPE = 'Hyperparameters from a JSON file, as in {"units": 128}.'
_STUDY = "File of the study; MODEL.study below SNN_STATE if left out."
_SPLIT = "out-of-fold; for tox21 also leaderboard (trains networks without that set) or final."
_NAME = "htru2, tox21, tox21-served, tables, uci, calibration, gate, signal, graph, integrity or health."
_THEORY = "Model whose measured layers are compared with the theory's predictions."


@app.command()
def train(
    model: Model,
    models: Models = _DEFAULT_MODELS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first member.")] = 0,
    promote: Annotated[Literal["auto", "always", "never"], typer.Option(help=_PROMOTE)] = "auto",
    margin: Annotated[float | None, typer.Option(help=_MARGIN)] = None,
    data: Data = None,
    instead: Instead = None,
    target: Target = None,
    positive: Positive = None,
    ignore: Ignore = None,
    category: Category = None,
    number: Number = None,
    missing: Missing = None,
    decimal: Decimal = ".",
    thousands: Thousands = "",
    day_first: DayFirst = False,
    rare: Rare = None,
    recipe: Annotated[Path | None, typer.Option(help=_RECIPE)] = None,
    search: Annotated[Path | None, typer.Option(help="Study whose best trial is trained.")] = None,
    state: State = _DEFAULT_STATE,
) -> None:
    """Train MODEL, publish a new version, and promote it if its gate lets it pass.

    htru2 and tox21 have official data; a model of any other name needs --data and --target.
    """
    from training.cli.commands import train_and_publish

    spelling = spelling_of(number, missing, decimal, thousands, rare, day_first=day_first)
    user_file = _user_file(data, target, positive, ignore, category, instead, spelling)
    train_and_publish(model, Repository(models), state, seed, promote, user_file, recipe, search, margin)


@app.command()
def search(
    model: Model,
    models: Models = _DEFAULT_MODELS,
    study: Annotated[Path | None, typer.Option(help=_STUDY)] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, with those done before.")] = 40,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds for this call.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sampler and the networks.")] = 0,
    data: Data = None,
    instead: Instead = None,
    target: Target = None,
    positive: Positive = None,
    ignore: Ignore = None,
    category: Category = None,
    number: Number = None,
    missing: Missing = None,
    decimal: Decimal = ".",
    thousands: Thousands = "",
    day_first: DayFirst = False,
    rare: Rare = None,
    state: State = _DEFAULT_STATE,
) -> None:
    """Search hyperparameters of MODEL on its folds; the same command resumes an unfinished search."""
    from training.cli.commands import search_recipe

    spelling = spelling_of(number, missing, decimal, thousands, rare, day_first=day_first)
    user_file = _user_file(data, target, positive, ignore, category, instead, spelling)
    path = study or state / f"{model}.study"
    search_recipe(model, Repository(models), path, trials, timeout, seed, user_file)


@app.command()
def evaluate(
    model: Model,
    version: Annotated[int | None, typer.Argument(help="A version; the champion if left out.")] = None,
    models: Models = _DEFAULT_MODELS,
    split: Annotated[
        Literal["out-of-fold", "leaderboard", "final"], typer.Option(help=_SPLIT)
    ] = "out-of-fold",
    data: Data = None,
) -> None:
    """Compute the metrics of a published version from its graph, and print them."""
    from training.cli.commands import evaluate_version
    from training.data.user_file import UserFile

    evaluate_version(model, version, Repository(models), split, UserFile(data) if data else None)


@app.command()
def benchmark(
    name: Annotated[str, typer.Argument(help=_NAME)],
    models: Models = _DEFAULT_MODELS,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, from 0.")] = 5,
    processes: Annotated[int, typer.Option(min=1, help="Parallel fits, each on one thread.")] = 2,
) -> None:
    """Compare the SNN with other methods, print the report and keep it in training/reports.

    Results are kept as they are computed: the same command resumes an unfinished benchmark.
    """
    from training.benchmarks import BENCHMARKS
    from training.benchmarks.harness import REPORTS

    if name not in BENCHMARKS:
        raise TrainingError(f"no benchmark is named {name!r}; there are {', '.join(BENCHMARKS)}")
    report = BENCHMARKS[name](Repository(models), seeds, processes, _log)
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / f"{name}.md").write_text(report + "\n", encoding="utf-8")
    typer.echo(report)


@app.command()
def theory(
    model: Annotated[str | None, typer.Argument(help=_THEORY)] = None,
    models: Models = _DEFAULT_MODELS,
) -> None:
    """Prove theorems 1 to 3 by ball arithmetic, or compare MODEL's layers with the theory."""
    if model is None:
        from training.theory.report import prove  # proving needs python-flint, training does not

        table, certified = prove(_log)
        typer.echo(table)
        if not certified:
            raise TrainingError("a bound was not certified: see the table's last column")
        return
    from models.bundle.loading import open_bundle
    from training.pipeline.task import load_task
    from training.theory.layer_table import bundle_theory

    repository = Repository(models)
    bundle = open_bundle(repository.bundle(model, repository.serving(model).champion))
    typer.echo(bundle_theory(bundle, load_task(model, None, repository)[0]))


@app.command()
def adapt(
    model: Model,
    data: Annotated[Path, typer.Option(help="50 to 500 labelled rows of the other survey.")],
    name: Annotated[
        str | None, typer.Option(help="Publish it as this model; MODEL if left out.")
    ] = None,
    version: Annotated[int | None, typer.Option(min=1, help="A version; the champion.")] = None,
    target: Annotated[str | None, typer.Option(help="Column of the class, if it is not found.")] = None,
    fpr: Annotated[float, typer.Option(help="Share of false positives that calls may have.")] = 0.01,
    models: Models = _DEFAULT_MODELS,
    state: State = _DEFAULT_STATE,
) -> None:
    """Adapt MODEL to another survey by a few labelled rows; its networks stay as they are.

    Scale of the columns, calibration, cut-offs and the health's reference are made anew. The version is
    published, not promoted.
    """
    from training.cli.adapting import adapt_version

    adapt_version(model, version, name or model, data, target, fpr, Repository(models), state)


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
        typer.echo(f"{number}{'  champion' if number == champion else ''}")


@app.command()
def promote(
    model: Model,
    version: Annotated[int, typer.Argument(min=1, help="The version to serve.")],
    models: Models = _DEFAULT_MODELS,
    state: State = _DEFAULT_STATE,
    why: Why = "asked for by command",
) -> None:
    """Make VERSION the champion if its files are unaltered; a running service loads it by itself."""
    serving = Releases(Repository(models), state).promote(model, version, command_line_user(), why)
    typer.echo(f"{model}: version {serving.champion} is the champion")


@app.command()
def rollback(
    model: Model,
    models: Models = _DEFAULT_MODELS,
    state: State = _DEFAULT_STATE,
    why: Why = "asked for by command",
) -> None:
    """Make the champion's predecessor the champion again."""
    serving = Releases(Repository(models), state).roll_back(model, command_line_user(), why)
    typer.echo(f"{model}: rolled back to version {serving.champion}")


def _user_file(
    data: Path | None,
    target: str | None,
    positive: str | None,
    ignore: list[str] | None,
    category: list[str] | None,
    instead: bool | None,
    spelling: Mapping[str, Any],
) -> "UserFile | None":
    from training.data.user_file import UserFile

    if data is not None:
        columns = (tuple(ignore or ()), tuple(category or ()))
        return UserFile(data, target, positive, *columns, instead=instead, **spelling)
    if instead is not None or target or positive or ignore or category or spelling:
        raise TrainingError("--data FILE is missing: the other options say how it is to be read")
    return None


def _log(text: str) -> None:
    typer.echo(text, err=True)


@contextmanager
def _errors_reported() -> Iterator[None]:
    """Turn a known error into one sentence on standard error and exit status 1."""
    try:
        yield
    except LogUnwritable as warning:  # the step itself was taken
        _log(f"warning: {warning}")
    except (ModelError, TrainingError, OSError) as error:
        _log(f"error: {error}")
        sys.exit(1)


def main() -> None:
    """Run the command line."""
    with _errors_reported():
        app()


#: What training adds to the command ``snn``, whose own ``models`` has versions, promote and rollback.
snn_commands = typer.Typer(pretty_exceptions_enable=False)
snn_commands.command()(_errors_reported()(train))
snn_commands.command()(_errors_reported()(search))
snn_commands.command()(_errors_reported()(evaluate))
snn_commands.command()(_errors_reported()(benchmark))
snn_commands.command("bench", hidden=True)(_errors_reported()(benchmark))
snn_commands.command()(_errors_reported()(theory))
snn_commands.command()(_errors_reported()(adapt))
