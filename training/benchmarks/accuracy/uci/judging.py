"""Our default beside others' on the UCI tables of the paper's section 4.1, on the same folds.

Every table is written as CSV and loaded as a user's own, and trained by the default recipe. Tables that
``train`` refuses, with its reason, are listed and not judged. A fit is a row of the CSV beside the
report, so that a run which was stopped goes on; RealMLP takes part where pytabkit is installed.
"""

import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path

from models.registry.store import Repository
from training.benchmarks.accuracy.uci.methods import (
    NETWORKS,
    REALMLP,
    RIVALS,
    fitted,
    load,
    others,
)
from training.benchmarks.accuracy.uci.report import LARGE, report
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.data.official.uci import members, read_sets
from training.errors import DataError

#: Support vector machines take time that grows with the square of the rows.
_MOST_ROWS = {"SVM": 10_000}
_MOST_OF_ALL = 70_000
_LARGER = 20_000
#: Networks and RealMLP take long: of the tables up to so many rows, ordered by rows, one in so many.
_SAMPLED_ROWS, _SAMPLED = 5_000, 3


def run(_repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Run what the CSV lacks, with ``seeds`` seeds of each method; return the report."""
    results = Results(REPORTS / "uci.csv", ("set", "method", "seed"), ("rows", "figure", "seconds"))
    refused: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sizes = {}
        for name in write_sets(folder, tuple(members())):
            try:
                sizes[name] = len(load(folder, name))
            except DataError as error:
                refused[name] = str(error)
            if sizes.get(name, 0) > _MOST_OF_ALL:
                refused[name] = f"{sizes.pop(name):,} rows, of which a fit takes too long"
        jobs = [
            {"set": name, "method": method, "seed": seed, "folder": str(folder)}
            for name, method in pairs(sizes)
            for seed in range(seeds)
        ]
        run_missing(results, jobs, fitted, processes, say)
    return report(results, refused)


def pairs(sizes: Mapping[str, int]) -> list[tuple[str, str]]:
    """Every table and method, in the order of their turn; ``sizes`` are the tables' rows.

    RealMLP takes part on a sample of the tables and on all of 1,000 rows or more up to the sample's
    most, the paper's networks on the sample.
    """
    order = sorted(sizes, key=lambda name: _turn(sizes[name]))
    small = sorted((rows, name) for name, rows in sizes.items() if rows <= _SAMPLED_ROWS)
    sampled = {name for _, name in small[::_SAMPLED]}
    large = {name for rows, name in small if rows >= LARGE}
    takes_part = dict.fromkeys(NETWORKS, sampled) | {REALMLP: sampled | large}
    on_all = [
        (name, method)
        for name in order
        for method in RIVALS
        if sizes[name] <= _MOST_ROWS.get(method, _MOST_OF_ALL)
    ]
    return on_all + [
        (name, method) for name in order for method in others() if name in takes_part[method]
    ]


def _turn(rows: int) -> tuple[bool, int]:
    """When a table's turn comes: those that tell most first, the smallest of them before."""
    return not LARGE <= rows <= _LARGER, rows


def write_sets(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Write sets of the collection as CSV files; return their names."""
    for name, (columns, rows) in read_sets(names).items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])
    return list(names)
