"""How the cost of scoring files grows with their rows, and what two processes lose beside each other."""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks import cores
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.records import candidates, source_of_molecules
from tests.benchmarks.report import Options, Table
from tests.benchmarks.score_runs import CANDIDATE_COLUMNS, timed, write
from tests.benchmarks.scoring import distinct_molecules

#: Rows of the files.
_SIZES = {
    CANDIDATES: (10_000, 100_000, 1_000_000, 10_000_000),
    MOLECULES: (1_000, 10_000, 100_000),
}
_SHARE = 1_000_000, 20_000
#: The same candidates again and again: nothing remembers a candidate.
_BLOCK = 100_000
#: By how much a row may cost more in a file of ten times the rows.
_LINEAR = 0.05


def run(options: Options) -> list[Table]:
    """The parts of ``--parts``: candidates, molecules, pairs; all without one."""
    parts = options.parts or ("candidates", "molecules", "pairs")
    tables = []
    with tempfile.TemporaryDirectory(prefix="snn-growth-") as name:
        folder = Path(name)
        smiles: list[str] = []
        if {"molecules", "pairs"} & set(parts):
            champion(options, MOLECULES)
            most = _SIZES[MOLECULES][-1] if "molecules" in parts else 2 * _SHARE[1]
            smiles = distinct_molecules(most, options)
        if "candidates" in parts:
            champion(options, CANDIDATES)
            tables.append(_grown(options, CANDIDATES, folder, smiles))
        if "molecules" in parts:
            tables.append(_grown(options, MOLECULES, folder, smiles))
        if "pairs" in parts:
            tables.append(_pairs(options, folder, smiles))
    return tables


def _grown(options: Options, model: str, folder: Path, smiles: Sequence[str]) -> Table:
    """One core, files of ten times the rows each time."""
    rows: list[list[str | float | int | None]] = []
    before: tuple[int, float] | None = None
    rates = []
    for size in _SIZES[model]:
        path = _file(folder, model, size, smiles)
        own = timed(options, model, path, 1, cores.SERVER)
        path.unlink()
        further = None
        if before is not None:
            further = 1e6 * (own.processor - before[1]) / (size - before[0])
            rates.append(further)
        rows.append([size, own.seconds, size / own.seconds, own.processor, further, max(own.memory)])
        before = size, own.processor
    growth = rates[-1] / rates[0] - 1
    note = (
        f"A further row costs {growth:+.1%} in the largest file against the smallest (target ±"
        f" {_LINEAR:.0%})."
    )
    columns = [
        "rows", "seconds", "rows per second", "processor seconds",
        "of a million further rows", "most memory, MiB",
    ]  # fmt: skip
    notes = [note, source_of_molecules()] if model == MOLECULES else [note]
    return Table(f"Files of {model}, one core", columns, rows, notes)


def _pairs(options: Options, folder: Path, smiles: Sequence[str]) -> Table:
    """One run alone, two unrelated runs at once on a core each, and one run of two workers."""
    rows = []
    for model, count in zip((CANDIDATES, MOLECULES), _SHARE, strict=True):
        halves = [smiles[:count], smiles[count : 2 * count]]
        paths = [_file(folder / str(place), model, count, own) for place, own in enumerate(halves)]
        whole = _file(folder / "whole", model, 2 * count, smiles)
        rows += [_pair(options, model, paths, whole) for _ in range(options.repetitions)]
    columns = [
        "model", "alone on one core, s", "two unrelated runs at once, s", "one run, two workers, s",
        "kept by the unrelated", "kept by two workers", "of it by the unrelated",
    ]  # fmt: skip
    notes = ["Two workers have twice the rows: 1 is twice the rate of one core (target ≥ 0.85)."]
    return Table("Two cores against one", columns, rows, notes)


def _pair(options: Options, model: str, paths: Sequence[Path], whole: Path) -> list[str | float]:
    every = sorted(cores.ALL)[:2]

    def seconds(path: Path, workers: int, *on: int) -> float:
        return timed(options, model, path, workers, frozenset(on), "--overwrite").seconds

    alone = seconds(paths[0], 1, every[-1])
    with ThreadPoolExecutor(2) as pool:
        slower = max(pool.map(lambda path, core: seconds(path, 1, core), paths, every))
    both = seconds(whole, 2, *every)
    return [model, alone, slower, both, alone / slower, alone / both, slower / both]


def _file(folder: Path, model: str, size: int, smiles: Sequence[str]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{model}-{size}.csv"
    if model == MOLECULES:
        return write(path, ([text] for text in smiles[:size]), ["smiles"])
    return write(path, _candidates(size), CANDIDATE_COLUMNS)


def _candidates(size: int) -> Iterator[Sequence[object]]:
    block = candidates(min(size, _BLOCK)).tolist()
    for start in range(0, size, len(block)):
        yield from block[: size - start]
