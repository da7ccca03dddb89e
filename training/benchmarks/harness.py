"""A benchmark's results as a tidy CSV: one row per fit, appended when the fit ends.

A row begins with the configuration that identifies its fit and ends with the figures. Fits that the
file has are not computed again: a run that is killed loses only the fits in progress.
"""

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from training.errors import TrainingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The folder of the reports; the CSV of a benchmark is beside its Markdown.
REPORTS = Path(__file__).resolve().parent.parent / "reports"

Key = tuple[str, ...]
Say = Callable[[str], None]
Outcome = TypeVar("Outcome")


class Store(Protocol[Outcome]):
    """Where the outcomes of jobs are kept between runs."""

    def key(self, job: Mapping[str, object]) -> Key:
        """The texts that identify a job."""

    def get(self, job: Mapping[str, object]) -> Outcome | None:
        """The outcome of a job, None if it has not been run."""

    def add(self, job: Mapping[str, object], outcome: Outcome, /) -> None:
        """Keep the outcome of a job."""


class Results:
    """The rows of one file: ``keys`` name the columns of a configuration, ``figures`` the rest."""

    def __init__(self, path: Path, keys: Sequence[str], figures: Sequence[str]) -> None:
        """Read the rows of ``path``, if it exists. Raises ``TrainingError`` if its columns differ."""
        self.path = path
        self.keys, self.figures = tuple(keys), tuple(figures)
        self.rows: dict[Key, dict[str, float]] = {}
        if not path.exists():
            return
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != (*self.keys, *self.figures):
                raise TrainingError(f"{path} has other columns than this benchmark; move it away")
            for row in reader:
                key = tuple(row[name] for name in self.keys)
                self.rows[key] = {name: float(row[name]) for name in self.figures}

    def add(self, job: Mapping[str, object], figures: Mapping[str, float]) -> None:
        """Append a row to the file and flush it to the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if not file.tell():
                writer.writerow((*self.keys, *self.figures))
            writer.writerow((*self.key(job), *(f"{figures[name]:.6g}" for name in self.figures)))
            file.flush()
            os.fsync(file.fileno())
        self.rows[self.key(job)] = {name: float(figures[name]) for name in self.figures}

    def key(self, job: Mapping[str, object]) -> Key:
        """The identifying columns of a job, as text."""
        return tuple(str(job[name]) for name in self.keys)

    def get(self, job: Mapping[str, object]) -> dict[str, float] | None:
        """The figures of a job, None if it has not been run."""
        return self.rows.get(self.key(job))


def run_missing(
    results: Store[Outcome],
    jobs: Sequence[Mapping[str, Any]],
    work: Callable[[Mapping[str, Any]], Outcome],
    processes: int,
    say: Say,
    prepare: Callable[[], None] | None = None,
) -> None:
    """Run the jobs that ``results`` lacks, in processes, and append each when it ends.

    ``prepare`` is called once in every process; ``work`` must be a module's function.
    """
    missing = [job for job in jobs if results.get(job) is None]
    if not missing:
        return
    say(f"{len(missing)} of {len(jobs)} fits to run")
    with ProcessPoolExecutor(
        min(processes, len(missing)), get_context("spawn"), initializer=_begin, initargs=(prepare,)
    ) as pool:
        running = {pool.submit(work, job): job for job in missing}
        for number, future in enumerate(as_completed(running), start=1):
            job = running[future]
            results.add(job, future.result())
            say(f"{number}/{len(missing)} {' '.join(results.key(job))}")


def _begin(prepare: Callable[[], None] | None) -> None:
    """Start a worker on one thread at lowest priority: a benchmark runs for hours beside other work."""
    import torch

    torch.set_num_threads(1)
    os.nice(19 - os.nice(0))
    if prepare:
        prepare()


def save_figure(figure: "Figure", path: Path) -> None:
    """Write an SVG whose bytes depend on the figure alone."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})
