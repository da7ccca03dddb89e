"""Rows of one's own for the official tasks, added to the official set or used instead of it.

HTRU2: columns by the project's names and ``class``, or no header and nine columns as in the official
file. Tox21: ``smiles`` and any of the twelve assays. Rows that say different things of one candidate
or compound are merged as the official ones are: the majority decides, an even split says nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.standardise import Unreadable, read_smiles, standardise
from models.features.tabular.cells import number
from models.features.tabular.pulsar import NAMES
from training.data.dataset import Dataset
from training.data.folds import folds_of_rows
from training.data.official import htru2, tox21
from training.data.tables.reading import Table, read_table
from training.errors import DataError

_CLASS = "class"


def load_candidates(path: Path, *, instead: bool) -> Dataset:
    """HTRU2 with the candidates of ``path``; raises ``DataError`` naming file, line and column."""
    table = read_table(path, (*NAMES, _CLASS))
    _check_columns(table, (*NAMES, _CLASS), ())
    values = np.array([_numbers(table, name) for name in NAMES], dtype=np.float64).T
    labels = np.array(_labels(table, _CLASS), dtype=np.float32)
    unknown = np.flatnonzero(np.isnan(labels))
    if len(unknown):
        raise DataError(f"{table.where(int(unknown[0]), _CLASS)}: the class is missing; give 0 or 1")
    official = None if instead else htru2.load()
    records = [*(official.records if official else ()), *map(tuple, values.tolist())]
    known = official.labels[:, 0].tolist() if official else []
    votes: dict[object, Counter[float]] = defaultdict(Counter)
    for record, label in zip(records, [*known, *labels.tolist()], strict=True):
        votes[record][label] += 1
    decided = {record: said for record, said in votes.items() if said[0.0] != said[1.0]}
    merged = np.array(list(decided), dtype=np.float64).reshape(-1, len(NAMES))
    classes = np.array([said[1.0] > said[0.0] for said in decided.values()], dtype=np.float32)
    return Dataset(
        name="htru2",
        featurizer="pulsar-1",
        records=tuple(decided),
        labels=classes[:, np.newaxis],
        targets=htru2.TARGETS,
        folds=folds_of_rows(merged),
        in_leaderboard=None,
        sources={**(official.sources if official else {}), table.name: table.sha256},
        summary={
            "candidates": len(decided),
            "pulsars": int(classes.sum()),
            "noise": int((classes == 0).sum()),
            "own rows": len(table),
            "rows that repeat another": len(records) - len(votes),
            "candidates of both classes": sum(min(s[0.0], s[1.0]) > 0 for s in votes.values()),
            "of these without a majority, left out": len(votes) - len(decided),
        },
        table=_provenance(table, instead=instead),
    )


def load_molecules(path: Path, *, instead: bool) -> Dataset:
    """Tox21 with the compounds of ``path``; raises ``DataError`` naming file, line and column."""
    table = read_table(path)
    _check_columns(table, ("smiles",), tox21.TARGETS)
    assays = [target for target in tox21.TARGETS if target in table.columns]
    if not assays:
        raise DataError(
            f"{table.name} has none of the assays' columns; any of {', '.join(tox21.TARGETS)} will do"
        )
    labels = np.full((len(table), len(tox21.TARGETS)), np.nan, dtype=np.float32)
    for assay in assays:
        labels[:, tox21.TARGETS.index(assay)] = _labels(table, assay)
    with captured_rdkit_log():
        samples = [
            _sample(table, row, cell, labels[row]) for row, cell in enumerate(table.columns["smiles"])
        ]
    training = [] if instead else tox21.read_training()
    leaderboard = [] if instead else tox21.read_leaderboard()
    merged = tox21.merge("tox21", [*training, *samples], leaderboard)
    keep = [tox21.TARGETS.index(assay) for assay in (assays if instead else tox21.TARGETS)]
    official = {} if instead else merged.sources
    return replace(
        merged,
        labels=np.ascontiguousarray(merged.labels[:, keep]),
        targets=tuple(tox21.TARGETS[column] for column in keep),
        replicates=None if merged.replicates is None else merged.replicates.columns(keep),
        sources={**official, table.name: table.sha256},
        summary=merged.summary | {"own rows": len(table)},
        table=_provenance(table, instead=instead),
    )


def _provenance(table: Table, *, instead: bool) -> dict[str, JsonValue]:
    return {"file": table.name, "rows": len(table), "instead": instead}


def _check_columns(table: Table, needed: tuple[str, ...], optional: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise DataError(
            f"{table.name} has no column {missing[0]!r}; needed are {', '.join(needed)}"
            + (f" and any of {', '.join(optional)}" if optional else "")
        )
    if not len(table):
        raise DataError(f"{table.name} has no rows")


def _numbers(table: Table, column: str) -> NDArray[np.float64]:
    def read(row: int, value: object) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < 3.4e38:
            raise DataError(f"{table.where(row, column)}: a finite number is needed")
        return float(value)

    return np.array(_read(table, column, read))


def _labels(table: Table, column: str) -> list[float]:
    """0, 1, or NaN where the cell is empty."""

    def read(row: int, value: object) -> float:
        if value is None or (isinstance(value, float) and isnan(value)):
            return np.nan
        if isinstance(value, str) or value not in (0, 1):
            raise DataError(f"{table.where(row, column)}: it must be 0, 1 or empty")
        return float(value)

    return _read(table, column, read)


def _read(table: Table, column: str, read: Callable[[int, object], float]) -> list[float]:
    return [
        read(row, number(cell) if isinstance(cell, str) else cell)
        for row, cell in enumerate(table.columns[column])
    ]


def _sample(table: Table, row: int, cell: object, labels: NDArray[np.float32]) -> tox21.Sample:
    try:
        found = standardise(read_smiles(cell), str(cell))
    except Unreadable as fault:
        raise DataError(f"{table.where(row, 'smiles')}: {fault}") from fault
    name = f"{table.name}:{table.lines[row]}"
    return tox21.Sample(name, found.smiles, labels, bool(found.removed), found.repaired)
