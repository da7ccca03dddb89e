"""``python -m service score`` at scale: 100,000 distinct molecules, and candidates."""

import csv
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep

from models.features.molecules.reading import Unreadable, read_smiles
from models.features.molecules.standardise import standardise
from tests.benchmarks import cores, processes
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.records import Molecules, candidates, source_of_molecules
from tests.benchmarks.report import Options, Table
from tests.benchmarks.server import ROOT

#: Rows of the libraries. A run on one core gets a core's share, so that a run's start weighs the same.
_MOLECULES, _CANDIDATES = 100_000, 400_000
_KILLS = 3
_LOOK_SECONDS = 0.25

#: What was done, how many rows, and how long it took; processors' seconds where all are known.
Row = tuple[str, int, float, float | None]


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: how long it took, its processors' seconds, and its memory in MiB over the time."""

    seconds: float
    processor: float
    memory: list[float]


def run(options: Options) -> list[Table]:
    """One core against all of them, memory over the run, kills, and Ray."""
    champion(options, MOLECULES)
    champion(options, CANDIDATES)
    workers = len(cores.ALL)
    with tempfile.TemporaryDirectory(prefix="snn-scoring-") as name:
        folder = Path(name)
        smiles = _distinct(_MOLECULES, options)
        whole = _write(folder / "all.csv", [[text] for text in smiles], ["smiles"])
        share = _write(
            folder / "share.csv", [[text] for text in smiles[: _MOLECULES // workers]], ["smiles"]
        )
        rows: list[Row] = []
        one = _timed(options, MOLECULES, share, 1, cores.SERVER)
        rows.append(("molecules, one core", _MOLECULES // workers, one.seconds, one.processor))
        every = _timed(options, MOLECULES, whole, workers, cores.ALL)
        rows.append((f"molecules, {workers} cores", _MOLECULES, every.seconds, every.processor))
        killed = _killed(options, whole, folder / "killed.csv", workers, every.seconds)
        notes = [source_of_molecules(), *_checks(smiles, folder)]
        rows += _candidates(options, folder, workers)
        if find_spec("ray") is not None:
            rows.append(_ray(options, share, _scored(share), workers))
            notes.append("Ray gave the same bytes as one core did.")
        notes.append(
            f"Killed by kill -9 {_KILLS} times and gone on with: the same bytes, {killed:.0f} s in all."
        )
    efficiency = _MOLECULES / every.seconds / (_MOLECULES // workers / one.seconds * workers)
    notes.append(
        f"{workers} cores / ({workers} × one core), molecules: {efficiency:.0%} (target ≥ 85 %)."
    )
    table = [
        [name, count, seconds, count / seconds, processor and 1e6 * processor / count]
        for name, count, seconds, processor in rows
    ]
    columns = ["", "rows", "seconds", "rows per second", "processor seconds per million rows"]
    memory = Table(
        "Memory of a run over 100,000 molecules, all processes, proportional MiB",
        ["at a tenth", "a quarter", "half", "three quarters", "the end", "most"],
        [[*(every.memory[int(part * (len(every.memory) - 1))] for part in _PARTS), max(every.memory)]],
    )
    return [Table("Scoring files, from the command's start to its end", columns, table, notes), memory]


_PARTS = (0.1, 0.25, 0.5, 0.75, 0.98)


def _distinct(count: int, options: Options) -> list[str]:
    """So many SMILES of molecules that are different ones after standardisation, in a mixed order."""
    supply, found = Molecules(), {}
    with ProcessPoolExecutor(len(cores.ALL), get_context("spawn"), cores.pin, (cores.ALL,)) as pool:
        while len(found) < count:
            taken = supply.take(20_000)
            lists = [taken[at : at + 500] for at in range(0, len(taken), 500)]
            for smiles, parents in zip(lists, pool.map(_parents, lists), strict=True):
                for text, parent in zip(smiles, parents, strict=True):
                    if parent is not None:
                        found.setdefault(parent, text)
            options.say(f"scoring: {len(found):,} distinct molecules")
    chosen = list(found.values())[:count]
    random.Random(0).shuffle(chosen)
    return chosen


def _parents(smiles: list[str]) -> list[str | None]:
    parents: list[str | None] = []
    for text in smiles:
        try:
            parents.append(standardise(read_smiles(text), text).smiles)
        except Unreadable:
            parents.append(None)
    return parents


def _write(path: Path, rows: list[list[object]], names: list[str]) -> Path:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", *names])
        table.writerows([place, *row] for place, row in enumerate(rows))
    return path


def _scored(path: Path) -> Path:
    return path.with_name(f"{path.stem}.scored.csv")


@contextmanager
def _running(
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


def _timed(
    options: Options, model: str, path: Path, workers: int, on: frozenset[int], *arguments: object
) -> Run:
    started, used, memory = monotonic(), _processor(), []
    with _running(options, model, path, workers, on, *arguments) as process:
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


def _killed(options: Options, path: Path, output: Path, workers: int, whole: float) -> float:
    """Seconds of a run that was killed at random moments and gone on with; its output is checked."""
    generator, started = random.Random(1), monotonic()
    for _ in range(_KILLS):
        with _running(options, MOLECULES, path, workers, cores.ALL, "--output", output):
            sleep(whole * generator.uniform(0.15, 0.3))
    with _running(options, MOLECULES, path, workers, cores.ALL, "--output", output) as process:
        process.wait()
    seconds = monotonic() - started
    if output.read_bytes() != _scored(path).read_bytes():
        raise RuntimeError("a run that was killed and gone on with gave another file")
    return seconds


def _checks(smiles: list[str], folder: Path) -> list[str]:
    """Every row once, in order, and every molecule another one."""
    with _scored(folder / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if [(row["id"], row["smiles"]) for row in rows] != [(str(n), text) for n, text in enumerate(smiles)]:
        raise RuntimeError("rows are missing, doubled or out of order")
    parents = {row["parent"] for row in rows if not row["error"]}
    errors = sum(bool(row["error"]) for row in rows)
    return [f"{len(rows):,} rows, each once and in order; {len(parents):,} parents, {errors} errors."]


def _candidates(options: Options, folder: Path, workers: int) -> list[Row]:
    names = [f"{curve}_{part}" for curve in ("profile", "dm") for part in _MOMENTS]
    rows = candidates(_CANDIDATES).tolist()
    result: list[Row] = []
    for name, count, processes_, on in (
        ("candidates, one core", _CANDIDATES // workers, 1, cores.SERVER),
        (f"candidates, {workers} cores", _CANDIDATES, workers, cores.ALL),
    ):
        path = _write(folder / f"candidates-{count}.csv", rows[:count], names)
        timed = _timed(options, CANDIDATES, path, processes_, on)
        result.append((name, count, timed.seconds, timed.processor))
    return result


_MOMENTS = ("mean", "stdev", "skewness", "kurtosis")


def _ray(options: Options, path: Path, same: Path, workers: int) -> Row:
    output = path.with_name("ray.csv")
    arguments = ("--engine", "ray", "--output", output)
    seconds = _timed(options, MOLECULES, path, workers, cores.ALL, *arguments).seconds
    if output.read_bytes() != same.read_bytes():
        raise RuntimeError("Ray gave another file")
    count = len(path.read_bytes().splitlines()) - 1
    return f"molecules, Ray on {workers} cores", count, seconds, None
