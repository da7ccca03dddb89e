"""Runs of ``python -m service score``: started on given cores, timed, their memory watched."""

import csv
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from tests.benchmarks import cores, processes
from tests.benchmarks.report import Options
from tests.benchmarks.server import ROOT

_LOOK_SECONDS = 0.25
_MOMENTS = ("mean", "stdev", "skewness", "kurtosis")
#: The columns of a candidate.
CANDIDATE_COLUMNS = tuple(f"{curve}_{part}" for curve in ("profile", "dm") for part in _MOMENTS)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: how long it took, its processors' seconds, and its memory in MiB over the time."""

    seconds: float
    processor: float
    memory: list[float]


def write(path: Path, rows: Iterable[Sequence[object]], names: Sequence[str]) -> Path:
    """Write rows as CSV, numbered from 0 in a first column ``id``."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", *names])
        table.writerows([place, *row] for place, row in enumerate(rows))
    return path


def scored(path: Path) -> Path:
    """Where the results of a file are written."""
    return path.with_name(f"{path.stem}.scored.csv")


@contextmanager
def running(
    options: Options, model: str, path: Path, workers: int, on: frozenset[int], *arguments: object
) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a group of its own, on these cores."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SNN_")}
    command = [sys.executable, "-m", "service", "score", path, "--model", model, "--workers", workers]
    process = subprocess.Popen(
        [*map(str, command), *map(str, arguments)],
        cwd=ROOT,
        env=own | {"SNN_MODELS": str(options.models), "SNN_DEVICE": "cpu"},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=cores.pinned(on),  # noqa: PLW1509 - nothing else runs in this process
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def timed(
    options: Options, model: str, path: Path, workers: int, on: frozenset[int], *arguments: object
) -> Run:
    """Run the command to its end; raises ``RuntimeError`` if it fails."""
    started, used, memory = monotonic(), _processor(), []
    with running(options, model, path, workers, on, *arguments) as process:
        while process.poll() is None:
            memory.append(processes.memory(process.pid).proportional)
            sleep(_LOOK_SECONDS)
    seconds = monotonic() - started
    if process.returncode:
        raise RuntimeError(f"scoring ended with status {process.returncode}")
    options.say(f"scoring: {path.name} {' '.join(map(str, arguments))} {seconds:.0f} s")
    return Run(seconds, _processor() - used, memory[:-1])


def _processor() -> float:
    """Seconds of processor of everything that this process has started and that has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
