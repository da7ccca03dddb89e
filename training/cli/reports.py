"""The commands that measure or prove, and print a report."""

from typing import Annotated

import typer

from models.registry.store import Repository
from training.cli.options import DEFAULT_MODELS, Models
from training.errors import TrainingError

_NAME = (
    "calibration, calibration-similarity, drawings, explain, gate, graph, health, health-delay,"
    " health-kinds, htru2, integrity, own, refits, regression, rows, signal, tables, tox21, tox21-served"
    " or uci."
)
_SUITE = "Of health: beside outlier detectors on public tables."
_THEORY = "Model whose measured layers are compared with the theory's predictions."


def benchmark(
    name: Annotated[str, typer.Argument(help=_NAME)],
    models: Models = DEFAULT_MODELS,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, from 0.")] = 5,
    processes: Annotated[int, typer.Option(min=1, help="Parallel fits, each on one thread.")] = 2,
    *,
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


def _log(text: str) -> None:
    typer.echo(text, err=True)
