"""``python -m service score`` at scale: 100,000 distinct molecules, and candidates."""

import csv
import random
import tempfile
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep

from models.features.molecules.reading import Unreadable, read_smiles
from models.features.molecules.standardise import standardise
from tests.benchmarks import cores
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.records import Molecules, candidates, source_of_molecules
from tests.benchmarks.report import Options, Table
from tests.benchmarks.score_runs import CANDIDATE_COLUMNS, running, scored, timed, write

#: Rows of the libraries. A run on one core gets a core's share, so that a run's start weighs the same.
_MOLECULES, _CANDIDATES = 100_000, 400_000
_KILLS = 3

#: What was done, how many rows, and how long it took; processors' seconds where all are known.
Row = tuple[str, int, float, float | None]


def run(options: Options) -> list[Table]:
    """One core against all of them, memory over the run, kills, and Ray."""
    champion(options, MOLECULES)
    champion(options, CANDIDATES)
    workers = len(cores.ALL)
    with tempfile.TemporaryDirectory(prefix="snn-scoring-") as name:
        folder = Path(name)
        smiles = distinct_molecules(_MOLECULES, options)
        whole = write(folder / "all.csv", [[text] for text in smiles], ["smiles"])
        share = write(
            folder / "share.csv", [[text] for text in smiles[: _MOLECULES // workers]], ["smiles"]
        )
        rows: list[Row] = []
        one = timed(options, MOLECULES, share, 1, cores.SERVER)
        rows.append(("molecules, one core", _MOLECULES // workers, one.seconds, one.processor))
        every = timed(options, MOLECULES, whole, workers, cores.ALL)
        rows.append((f"molecules, {workers} cores", _MOLECULES, every.seconds, every.processor))
        killed = _killed(options, whole, folder / "killed.csv", workers, every.seconds)
        notes = [source_of_molecules(), *_checks(smiles, folder)]
        rows += _candidates(options, folder, workers)
        if find_spec("ray") is not None:
            rows.append(_ray(options, share, scored(share), workers))
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


def distinct_molecules(count: int, options: Options) -> list[str]:
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


def _killed(options: Options, path: Path, output: Path, workers: int, whole: float) -> float:
    """Seconds of a run that was killed at random moments and gone on with; its output is checked."""
    generator, started = random.Random(1), monotonic()
    for _ in range(_KILLS):
        with running(options, MOLECULES, path, workers, cores.ALL, "--output", output):
            sleep(whole * generator.uniform(0.15, 0.3))
    with running(options, MOLECULES, path, workers, cores.ALL, "--output", output) as process:
        process.wait()
    seconds = monotonic() - started
    if output.read_bytes() != scored(path).read_bytes():
        raise RuntimeError("a run that was killed and gone on with gave another file")
    return seconds


def _checks(smiles: list[str], folder: Path) -> list[str]:
    """Every row once, in order, and every molecule another one."""
    with scored(folder / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if [(row["id"], row["smiles"]) for row in rows] != [(str(n), text) for n, text in enumerate(smiles)]:
        raise RuntimeError("rows are missing, doubled or out of order")
    parents = {row["parent"] for row in rows if not row["error"]}
    errors = sum(bool(row["error"]) for row in rows)
    return [f"{len(rows):,} rows, each once and in order; {len(parents):,} parents, {errors} errors."]


def _candidates(options: Options, folder: Path, workers: int) -> list[Row]:
    rows = candidates(_CANDIDATES).tolist()
    result: list[Row] = []
    for name, count, processes_, on in (
        ("candidates, one core", _CANDIDATES // workers, 1, cores.SERVER),
        (f"candidates, {workers} cores", _CANDIDATES, workers, cores.ALL),
    ):
        path = write(folder / f"candidates-{count}.csv", rows[:count], CANDIDATE_COLUMNS)
        own = timed(options, CANDIDATES, path, processes_, on)
        result.append((name, count, own.seconds, own.processor))
    return result


def _ray(options: Options, path: Path, same: Path, workers: int) -> Row:
    output = path.with_name("ray.csv")
    arguments = ("--engine", "ray", "--output", output)
    seconds = timed(options, MOLECULES, path, workers, cores.ALL, *arguments).seconds
    if output.read_bytes() != same.read_bytes():
        raise RuntimeError("Ray gave another file")
    count = len(path.read_bytes().splitlines()) - 1
    return f"molecules, Ray on {workers} cores", count, seconds, None
