"""The command line of offline scoring, and its progress bar."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from models.errors import ModelError
from service.errors import ServiceError

if TYPE_CHECKING:
    from service.scoring.run import Progress

_INTERRUPTED = 130
#: The p-value below which a row counts as unlike the training data, and their share among rows like it.
_EXPECTED = 0.01
#: So many times that share, and so many rows beside, are no chance any more.
_FAR, _BY_CHANCE = 3, 2


def score(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV, ARFF, xlsx, SMI, NDJSON, SDF or Parquet, by its name's ending; or .gz or"
            " .zip of it."
        ),
    ],
    model: Annotated[str, typer.Option(help="Which model.")] = "tox21",
    version: Annotated[int | None, typer.Option(min=1, help="Which version; the champion.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="CSV, TSV, NDJSON or Parquet; FILE.scored.csv or so if not given."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores.")] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="The cores of this machine, or Ray Data: the cluster of RAY_ADDRESS."),
    ] = "local",
    applicability: Annotated[
        Literal["judge", "ignore"] | None,
        typer.Option(
            help="With ignore also numbers for what the model cannot judge; SNN_APPLICABILITY."
        ),
    ] = None,
    smiles_column: Annotated[
        str | None,
        typer.Option(help="The column of SMILES; by default the one that is named like it."),
    ] = None,
    result_columns: Annotated[
        Literal["refuse", "replace", "prefix"],
        typer.Option(help="What becomes of columns that are named as a result's."),
    ] = "refuse",
    threshold: Annotated[
        str | None,
        typer.Option(help='Call from this probability on, or {"NR-AR": 0.2, …}; the model\'s own.'),
    ] = None,
    recall: Annotated[
        str | None, typer.Option(help="Call so that this share of positives is found, as .99.")
    ] = None,
    fpr: Annotated[
        str | None, typer.Option(help="Call so that at most this share of negatives is, as .01.")
    ] = None,
    interval: Annotated[
        bool, typer.Option("--interval", help="Add what nine of ten refits would answer.")
    ] = False,
    sort: Annotated[
        str | None, typer.Option(help="Rank by the probability of this target, the highest first.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start over.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say at the end what was done as JSON.")
    ] = False,
) -> None:
    """Score a file without a server; the same command goes on where a killed one was.

    Every column is carried to the output, and the results come after them, in order; a row that
    cannot be read or predicted has the reason under "error". Reads SNN_MODELS, SNN_DEVICE and
    SNN_APPLICABILITY.
    """
    # Imported here, because the server imports this module for its command line.
    from models.registry.store import Repository
    from service.inference.answers.decision import cut_offs_of
    from service.inference.backend.device import choose_device
    from service.scoring.run import score_file
    from service.settings import load_settings

    started, target, console = monotonic(), output or _beside(file), Console(stderr=True)
    before: list[int] = []  # rows of an earlier run, which do not count for the rate of this one

    def report(at: "Progress") -> None:
        if not before:
            before.append(at.rows)
        rate = (at.rows - before[0]) / max(monotonic() - started, 1e-9)
        bar.update(task, completed=at.position, total=at.size, rows=at.rows, rate=rate)

    try:
        settings = load_settings()
        # Featurizing is the bottleneck, and each process would take its part of a GPU's memory.
        device = choose_device("cpu" if settings.device == "auto" else settings.device)
        if engine == "ray" and find_spec("ray") is not None and not quiet:
            sys.stderr.write(f"{_ray_words(os.environ.get('RAY_ADDRESS'))}\n")
        with Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        ) as bar:
            task = bar.add_task(file.name, total=None, rows=0, rate=0.0)
            final = score_file(
                file,
                target,
                model,
                version,
                Repository(settings.repository),
                device,
                report,
                workers=workers,
                engine=engine,
                overwrite=overwrite,
                smiles_column=smiles_column,
                result_columns=result_columns,
                cut_offs=cut_offs_of({"threshold": threshold, "recall": recall, "fpr": fpr}),
                interval=interval,
                sort=sort,
                ignore_applicability=(applicability or settings.applicability) == "ignore",
            )
    except (ServiceError, ModelError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command goes on from here\n")
        raise typer.Exit(_INTERRUPTED) from None
    for warning in final.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    seconds = monotonic() - started
    if as_json:
        done = {"output": str(target), "rows": final.rows, "errors": final.errors, "seconds": seconds}
        sys.stdout.write(json.dumps(done) + "\n")
    elif not quiet:
        faults = f", {final.errors:,} of them with errors" if final.errors else ""
        sys.stdout.write(f"{target}: {final.rows:,} rows{faults}; {seconds:.1f} s\n")
        if final.judged:
            sys.stdout.write(_likeness(final.judged, final.unlike) + "\n")
        if final.thresholds is not None:
            used = ", ".join(f"{name} from {value:.9g}" for name, value in final.thresholds.items())
            sys.stdout.write(f"called: {used} on\n")


def _ray_words(address: str | None) -> str:
    """What Ray does before the first row, which takes longer than many a file."""
    if address:
        return f"joining the Ray cluster at {address}"
    return "starting Ray on this machine, which may take half a minute; --engine local starts at once"


def _likeness(judged: int, unlike: int) -> str:
    """Whether a file was like the training data, by the share of rows with a small p-value."""
    expected = round(_EXPECTED * judged)
    found = f"{unlike:,} of {judged:,} rows have a p-value below {_EXPECTED} ({expected:,} expected)"
    if unlike <= _FAR * _EXPECTED * judged + _BY_CHANCE:
        return f"like the training data: {found}"
    return (
        f"not like the training data: {found}; calls and probabilities may be wrong. With 50 labelled"
        " rows or more of this origin, `snn adapt MODEL --data FILE` makes a version for it"
    )


def _beside(file: Path) -> Path:
    """Return the default name of the output; results of a kind that has no columns are CSV."""
    from service.tables import OUTPUT_SUFFIXES

    plain = file.with_suffix("") if file.suffix.lower() == ".gz" else file
    suffix = plain.suffix if plain.suffix.lower() in OUTPUT_SUFFIXES else ".csv"
    return file.with_name(f"{plain.stem}.scored{suffix}")
