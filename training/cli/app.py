"""The training module's command line: ``python -m training``.

Heavy libraries are imported inside the commands: ``--help`` must not wait for torch.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.errors import LogUnwritable, ModelError
from models.registry.store import Repository
from training.cli.options import (
    DEFAULT_MODELS,
    DEFAULT_STATE,
    Category,
    Data,
    Ignore,
    Instead,
    Model,
    Models,
    Positive,
    State,
    Target,
    user_file_of,
)
from training.cli.releases import promote, rollback, versions
from training.cli.rows import Fold, Group, Metric, Time, Weight, roles_of
from training.cli.spelling import DayFirst, Decimal, Missing, Number, Rare, Thousands, spelling_of
from training.errors import TrainingError

if TYPE_CHECKING:
    pass

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train self-normalizing networks, evaluate them, publish and promote them.",
)

_PROMOTE = "auto: if no check of the gate fails."
_MARGIN = (
    "Loss of mean AUC that the gate must exclude; .03 if left out, which rows of a thousand or more with"
    " similar models can show. The report says what these rows can."
)
_RECIPE = 'Hyperparameters from a JSON file, as in {"units": 128}.'
_STUDY = "File of the study; MODEL.study below SNN_STATE if left out."
_SPLIT = "out-of-fold; for tox21 also leaderboard (trains networks without that set) or final."
_SUITE = "Of health: beside outlier detectors on public tables."
_NAME = (
    "calibration, explain, gate, graph, health, health-delay, htru2, integrity, refits, rows, signal,"
    " tables, tox21, tox21-served or uci."
)
_THEORY = "Model whose measured layers are compared with the theory's predictions."


@app.command()
def train(
    model: Model,
    models: Models = DEFAULT_MODELS,
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
    group: Group = None,
    time: Time = None,
    fold: Fold = None,
    weight: Weight = None,
    metric: Metric = None,
    recipe: Annotated[Path | None, typer.Option(help=_RECIPE)] = None,
    search: Annotated[Path | None, typer.Option(help="Study whose best trial is trained.")] = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Train MODEL, publish a new version, and promote it if its gate lets it pass.

    htru2 and tox21 have official data; a model of any other name needs --data and --target.
    """
    from training.cli.commands import train_and_publish

    spelling = spelling_of(number, missing, decimal, thousands, rare, day_first=day_first)
    said = spelling | roles_of(group, time, fold, weight)
    user_file = user_file_of(data, target, positive, ignore, category, instead, said)
    train_and_publish(
        model, Repository(models), state, seed, promote, user_file, recipe, search, margin, metric
    )


@app.command()
def search(
    model: Model,
    models: Models = DEFAULT_MODELS,
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
    group: Group = None,
    time: Time = None,
    fold: Fold = None,
    weight: Weight = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Search hyperparameters of MODEL on its folds; the same command resumes an unfinished search."""
    from training.cli.commands import search_recipe

    spelling = spelling_of(number, missing, decimal, thousands, rare, day_first=day_first)
    said = spelling | roles_of(group, time, fold, weight)
    user_file = user_file_of(data, target, positive, ignore, category, instead, said)
    path = study or state / f"{model}.study"
    search_recipe(model, Repository(models), path, trials, timeout, seed, user_file)


@app.command()
def evaluate(
    model: Model,
    version: Annotated[int | None, typer.Argument(help="A version; the champion if left out.")] = None,
    models: Models = DEFAULT_MODELS,
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
    models: Models = DEFAULT_MODELS,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, from 0.")] = 5,
    processes: Annotated[int, typer.Option(min=1, help="Parallel fits, each on one thread.")] = 2,
    suite: Annotated[bool, typer.Option("--suite", help=_SUITE)] = False,
) -> None:
    """Compare the SNN with other methods, print the report and keep it in training/reports.

    Results are kept as they are computed: the same command resumes an unfinished benchmark.
    """
    from training.benchmarks import BENCHMARKS
    from training.benchmarks.harness import REPORTS

    name += "-suite" * suite
    if name not in BENCHMARKS:
        raise TrainingError(f"no benchmark is named {name!r}; there are {', '.join(BENCHMARKS)}")
    report = BENCHMARKS[name](Repository(models), seeds, processes, _log)
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / f"{name}.md").write_text(report + "\n", encoding="utf-8")
    typer.echo(report)


@app.command()
def theory(
    model: Annotated[str | None, typer.Argument(help=_THEORY)] = None,
    models: Models = DEFAULT_MODELS,
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
    models: Models = DEFAULT_MODELS,
    state: State = DEFAULT_STATE,
) -> None:
    """Adapt MODEL to another survey by a few labelled rows; its networks stay as they are.

    Scale of the columns, calibration, cut-offs and the health's reference are made anew. The version is
    published, not promoted.
    """
    from training.cli.adapting import adapt_version

    adapt_version(model, version, name or model, data, target, fpr, Repository(models), state)


for command in (versions, promote, rollback):
    app.command()(command)


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
