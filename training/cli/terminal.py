"""What the commands show on a terminal: sentences, progress bars, tables of metrics."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from training.networks import training_loop
from training.networks.ensemble import Watch

# A pipe has no width; tables need more than the 80 columns that rich then assumes.
#: Where everything is shown.
console = Console(width=None if sys.stdout.isatty() else 140)

#: The columns of the table of metrics, as formats of a target's figures.
_COLUMNS = {
    "n": "{measured}",
    "pos": "{positive}",
    "AUC": "{auc:.4f}",
    "AP": "{average_precision:.3f}",
    "log-loss (base)": "{log_loss:.4f} ({log_loss_base_rate:.4f})",
    "Brier (base)": "{brier:.4f} ({brier_base_rate:.4f})",
    "slope": "{calibration_slope:.2f}",
    "recall": "{recall:.3f}",
    "FPR": "{false_positive_rate:.4f}",
}


def say(text: str) -> None:
    """Print a sentence as it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def member_bars() -> Progress:
    """A progress bar for each member of an ensemble."""
    name, figures = TextColumn("member {task.description}"), TextColumn("{task.fields[figures]}")
    return Progress(name, BarColumn(bar_width=20), MofNCompleteColumn(), figures, console=console)


def watch_bars(bars: Progress) -> Watch:
    """Show a member's loss, and AUC and variance by layer on its held-out fold."""
    tasks: dict[int, TaskID] = {}

    def watch(member: int, progress: training_loop.Progress) -> None:
        if member not in tasks:
            tasks[member] = bars.add_task(str(member), total=progress.epochs, figures="")
        variances = " ".join(f"{variance:.2f}" for variance in progress.variances)
        figures = (
            f"loss {progress.loss:.4f}  {progress.figure.name} {progress.figure.value:.4f}  variance"
        )
        figures = f"{figures} {variances}"
        bars.update(tasks[member], completed=progress.epoch, figures=figures)

    return watch


def print_metrics(document: dict[str, Any], title: str) -> None:
    """Print a table of the targets' metrics, and below it those over all targets."""
    overall = document["overall"]
    if "r2" in overall:
        _print_quantities(document, title)
        return
    _print_targets(document, _COLUMNS, title)
    if "accuracy" in overall:
        say(
            "accuracy {accuracy:.4f} (of the commonest class {accuracy_base_rate:.4f}),"
            " standard error {accuracy_standard_error:.4f}".format_map(overall)
        )
    if document.get("refused"):
        say(f"{document['refused']} records were refused and got the base rates")
    spread = ""
    if "mean_auc_by_fold" in overall:
        spread = f", sd over folds {np.std(overall['mean_auc_by_fold'], ddof=1):.4f}"
    low, high = overall["mean_auc_95_interval"]
    say(f"mean AUC {overall['mean_auc']:.4f}, 95 % interval {low:.4f} to {high:.4f}{spread}")


#: The same of quantities.
_QUANTITY_COLUMNS = {
    "n": "{measured}",
    "sd": "{spread:.5g}",
    "RMSE": "{rmse:.5g}",
    "MAE": "{mae:.5g}",
    "R²": "{r2:.4f}",
    "coverage": "{coverage:.1%}",
    "width": "{width:.5g}",
}


def _print_quantities(document: dict[str, Any], title: str) -> None:
    _print_targets(document, _QUANTITY_COLUMNS, title)
    low, high = document["overall"]["r2_95_interval"]
    say(f"R² {document['overall']['r2']:.4f}, 95 % interval {low:.4f} to {high:.4f}")


def _print_targets(document: dict[str, Any], columns: Mapping[str, str], title: str) -> None:
    """A line per target; ``columns`` are formats of its figures."""
    table = Table("target", title=title)
    for column in columns:
        table.add_column(column, justify="right")
    for target, row in document["targets"].items():
        table.add_row(target, *(cell.format_map(row) for cell in columns.values()))
    console.print(table)
