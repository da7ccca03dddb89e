"""How training is shown on a terminal: progress by member, and metrics as a table."""

from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from training.networks import training_loop as trainer


def bars(console: Console) -> Progress:
    """Progress bars for a training run, one for each member."""
    return Progress(
        TextColumn("member {task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console,
    )


class Watch:
    """A progress bar per member, with loss, AUC of its held-out fold and variance by layer."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[int, TaskID] = {}

    def __call__(self, member: int, progress: trainer.Progress) -> None:
        """Move a member's bar on."""
        if member not in self._tasks:
            self._tasks[member] = self._bars.add_task(str(member), total=progress.epochs, figures="")
        variances = " ".join(f"{variance:.2f}" for variance in progress.variances)
        self._bars.update(
            self._tasks[member],
            completed=progress.epoch,
            figures=f"loss {progress.loss:.4f}  AUC {progress.auc:.4f}  variance {variances}",
        )


def print_metrics(console: Console, document: dict[str, Any], title: str) -> None:
    """Print metrics as a table of the targets, and what sums them up below it."""
    overall = document["overall"]
    table = Table(title=title)
    for name in (
        "target",
        "n",
        "pos",
        "AUC",
        "AP",
        "log-loss (base)",
        "Brier (base)",
        "slope",
        "recall",
        "FPR",
    ):
        table.add_column(name, justify="left" if name == "target" else "right")
    for name, row in document["targets"].items():
        table.add_row(
            name,
            f"{row['measured']}",
            f"{row['positive']}",
            f"{row['auc']:.4f}",
            f"{row['average_precision']:.3f}",
            f"{row['log_loss']:.4f} ({row['log_loss_base_rate']:.4f})",
            f"{row['brier']:.4f} ({row['brier_base_rate']:.4f})",
            f"{row['calibration_slope']:.2f}",
            f"{row['recall']:.3f}",
            f"{row['false_positive_rate']:.4f}",
        )
    console.print(table)
    if "accuracy" in overall:
        console.print(
            f"accuracy {overall['accuracy']:.4f} (of the commonest class"
            f" {overall['accuracy_base_rate']:.4f}), standard error"
            f" {overall['accuracy_standard_error']:.4f}",
            highlight=False,
        )
    low, high = overall["mean_auc_95_interval"]
    spread = ""
    if "mean_auc_by_fold" in overall:
        spread = f", sd over folds {np.std(overall['mean_auc_by_fold'], ddof=1):.4f}"
    if document.get("refused"):
        console.print(f"{document['refused']} records were refused and got the base rates")
    console.print(
        f"mean AUC {overall['mean_auc']:.4f}, 95 % interval {low:.4f} to {high:.4f}{spread}",
        highlight=False,
    )
