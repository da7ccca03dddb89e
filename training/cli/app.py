"""The training module's command line: ``python -m training``.

Heavy libraries are imported inside the commands: ``--help`` must not wait for torch.
"""

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

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
from training.cli.reports import benchmark, theory
from training.cli.results import AsJson, tell
from training.cli.rows import Fold, Group, Metric, Task, Time, Unit, Weight, roles_of
from training.cli.spelling import DayFirst, Decimal, Missing, Number, Rare, Thousands, spelling_of
from training.errors import TrainingError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train self-normalizing networks, evaluate them, publish and promote them.",
)

_PROMOTE = "auto: if no check of the gate fails."
_MARGIN = (
    "Loss of mean AUC, or of a quantity's RMSE in standard deviations, that the gate must exclude; .03"
    " if left out, which rows of a thousand or more with similar models can show. The report says what"
    " these rows can."
)
_RECIPE = 'Hyperparameters from a JSON file, as in {"units": 128}.'
_STUDY = "File of the study; MODEL.study below SNN_STATE if left out."
_SPLIT = "out-of-fold; for tox21 also leaderboard (trains networks without that set) or final."


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
    task: Task = None,
    unit: Unit = None,
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
    as_json: AsJson = False,
) -> None:
    """Train MODEL, publish a new version, and promote it if its gate lets it pass.

    htru2 and tox21 have official data; a model of any other name needs --data and --target.
    """
    from training.cli.commands import train_and_publish

    spelling = spelling_of(number, missing, decimal, thousands, rare, day_first=day_first)
    said = spelling | roles_of(group, time, fold, weight, task, unit)
    user_file = user_file_of(model, data, target, positive, ignore, category, instead, said)
    how = (user_file, recipe, search, margin, metric)
    tell(as_json, lambda: train_and_publish(model, Repository(models), state, seed, promote, *how))


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
    task: Task = None,
    unit: Unit = None,
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
    as_json: AsJson = False,
) -> None:
    """Search hyperparameters of MODEL on its folds; the same command resumes an unfinished search."""
    from training.cli.commands import search_recipe

    spelling = spelling_of(number, missing, decimal, thousands, rare, day_first=day_first)
    said = spelling | roles_of(group, time, fold, weight, task, unit)
    user_file = user_file_of(model, data, target, positive, ignore, category, instead, said)
    path = study or state / f"{model}.study"
    repository = Repository(models)
    tell(as_json, lambda: search_recipe(model, repository, path, trials, timeout, seed, user_file))


@app.command()
def evaluate(
    model: Model,
    version: Annotated[int | None, typer.Argument(help="A version; the champion if left out.")] = None,
    models: Models = DEFAULT_MODELS,
    split: Annotated[
        Literal["out-of-fold", "leaderboard", "final"], typer.Option(help=_SPLIT)
    ] = "out-of-fold",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Compute the metrics of a published version from its graph, and print them."""
    from training.cli.commands import evaluate_version
    from training.data.user_file import UserFile

    rows = UserFile(data) if data else None
    tell(as_json, lambda: evaluate_version(model, version, Repository(models), split, rows))


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
    as_json: AsJson = False,
) -> None:
    """Adapt MODEL to another survey by a few labelled rows; its networks stay as they are.

    Scale of the columns, calibration, cut-offs and the health's reference are made anew. The version is
    published, not promoted.
    """
    from training.cli.adapting import adapt_version

    what = (model, version, name or model, data, target, fpr)
    tell(as_json, lambda: adapt_version(*what, Repository(models), state))


for command in (benchmark, theory, versions, promote, rollback):
    app.command()(command)


def _log(text: str) -> None:
    typer.echo(text, err=True)


def _stop(number: int, _frame: object) -> None:
    """End by an exception, so that pools and semaphores are given back; fits are not waited for."""
    for child in multiprocessing.active_children():
        child.terminate()
    _log("stopped by SIGTERM")
    sys.exit(128 + number)


@contextmanager
def _errors_reported() -> Iterator[None]:
    """Turn a known error into one sentence on standard error and exit status 1.

    SIGTERM ends the command with status 143, and its processes before it.
    """
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except LogUnwritable as warning:  # the step itself was taken
        _log(f"warning: {warning}")
    except (ModelError, TrainingError, OSError) as error:
        _log(f"error: {error}")
        sys.exit(1)
    finally:
        signal.signal(signal.SIGTERM, before)


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
