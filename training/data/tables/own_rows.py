"""A user's own rows for the official tasks, added to the official set or used instead of it.

HTRU2: columns and classes by any of the names in ``candidate_tables``, or no header and nine columns
as in the official file. Tox21: ``smiles`` and any of the twelve assays. Rows of the same candidate or
compound are merged as the official ones are: the majority decides, an even split counts as not measured.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import Unreadable, read_smiles
from models.features.tabular.candidate_tables import (
    ACCEPTED_NAMES,
    CLASS,
    CURVES_EXCHANGED,
    EXCHANGED,
    class_of,
    positional,
    renamed,
    warnings_of,
)
from models.features.tabular.cells import number
from models.features.tabular.formats import MISSING
from models.features.tabular.pulsar import NAMES, impossible
from training.data.dataset import Dataset, Replicates
from training.data.official import htru2, tox21
from training.data.tables.columns import is_missing
from training.data.tables.files.table import Table
from training.data.tables.reading import read_table
from training.errors import DataError

_CLASS = CLASS
_LABEL = "it must be 0, 1 or empty"


def load_candidates(path: Path, *, instead: bool) -> Dataset:
    """HTRU2 with the candidates of ``path``; raises ``DataError`` naming file, line and column."""
    table = read_table(path, positional)
    columns = zip(renamed(list(table.columns)), table.columns.values(), strict=True)
    named = replace(table, columns=dict(columns))
    missing = [name for name in (*NAMES, _CLASS) if name not in named.columns]
    if missing:
        given = ", ".join(repr(name[:40]) for name in list(table.columns)[:12])
        raise DataError(
            f"{table.name} has no column {missing[0]!r}; it has {given}; {ACCEPTED_NAMES}, and the"
            f" class is {_CLASS}, target_class or label"
        )
    _check_columns(named, (), ())
    finite = "a finite number is needed"
    values = np.array([_read(named, name, _is_finite, finite) for name in NAMES]).T
    labels = _classes(named)
    odd = warnings_of(values)
    exchanged = next((each for each in odd if each.code in (EXCHANGED, CURVES_EXCHANGED)), None)
    if exchanged is not None:
        raise DataError(f"{table.name}: {exchanged.message}")
    unsound = impossible(values).any(axis=1)
    notices = [*table.notices, *(f"warning: {each.message}" for each in odd)]
    if unsound.any():
        first = int(np.flatnonzero(unsound)[0])
        where = f"{table.place} {table.lines[first]}"
        notices.append(
            f"left out {int(unsound.sum()):,} candidates of moments that no sample can have,"
            f" the first in {where}"
        )
        values, labels = values[~unsound], labels[~unsound]
    if not len(values):
        raise DataError(f"{table.name}: no candidate is left")
    official = None if instead else htru2.load()
    records = [*(official.records if official else ()), *map(tuple, values.tolist())]
    official_labels = official.labels[:, 0].tolist() if official else []
    votes: dict[object, Counter[float]] = defaultdict(Counter)
    for record, label in zip(records, [*official_labels, *labels.tolist()], strict=True):
        votes[record][label] += 1
    decided = {record: count for record, count in votes.items() if count[0.0] != count[1.0]}
    merged = np.array(list(decided), dtype=np.float64).reshape(-1, len(NAMES))
    classes = np.array([count[1.0] > count[0.0] for count in decided.values()], dtype=np.float32)
    summary: dict[str, object] = {
        "candidates": len(decided),
        "pulsars": int(classes.sum()),
        "noise": int((classes == 0).sum()),
        "own rows": len(table),
        "rows that repeat another": len(records) - len(votes),
        "candidates of both classes": sum(len(count) > 1 for count in votes.values()),
        "of these without a majority, left out": len(votes) - len(decided),
    }
    sources = {**(official.sources if official else {}), table.name: table.sha256}
    told = {"table": _provenance(table, instead=instead), "notices": tuple(notices)}
    return htru2.candidates(merged, classes, sources, summary, **told)


def _classes(table: Table) -> NDArray[np.float64]:
    """The class of each candidate, 0 or 1; raises ``DataError`` naming the line of one without."""
    labels = []
    for row, cell in enumerate(table.columns[_CLASS]):
        label = class_of(cell)
        if label is None:
            missing = is_missing(cell) or str(cell).strip() in MISSING
            what = "the class is missing; give" if missing else f"{str(cell)[:40]!r} is no class; give"
            raise DataError(f"{table.where(row, _CLASS)}: {what} 0 or 1, or noise or pulsar")
        labels.append(label)
    return np.array(labels, dtype=np.float64)


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
        labels[:, tox21.TARGETS.index(assay)] = _read(table, assay, _is_label, _LABEL)
    with captured_rdkit_log():
        samples = [
            _sample(table, row, cell, labels[row]) for row, cell in enumerate(table.columns["smiles"])
        ]
    training = [] if instead else tox21.read_training()
    leaderboard = [] if instead else tox21.read_leaderboard()
    merged = tox21.merge("tox21", [*training, *samples], leaderboard)
    assert merged.replicates is not None
    shares, counts = merged.replicates.shares, merged.replicates.counts
    keep = [tox21.TARGETS.index(assay) for assay in (assays if instead else tox21.TARGETS)]
    official = {} if instead else merged.sources
    return replace(
        merged,
        labels=np.ascontiguousarray(merged.labels[:, keep]),
        targets=tuple(tox21.TARGETS[column] for column in keep),
        replicates=Replicates(shares[:, keep], counts[:, keep]),
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


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 3.4e38


def _is_label(value: Any) -> bool:
    """Whether a value is 0, 1 or missing."""
    return is_missing(value) or value in (0, 1)


def _read(table: Table, column: str, is_valid: Callable[[Any], bool], rule: str) -> NDArray[np.float64]:
    """A column ``(n,)`` of numbers, NaN where empty; raises ``DataError`` for an invalid cell."""
    values: list[Any] = [
        number(cell) if isinstance(cell, str) else cell for cell in table.columns[column]
    ]
    for row, value in enumerate(values):
        if not is_valid(value):
            raise DataError(f"{table.where(row, column)}: {rule}")
    return np.array(values, dtype=np.float64)


def _sample(table: Table, row: int, cell: object, labels: NDArray[np.float32]) -> tox21.Sample:
    try:
        found = parent_compound(read_smiles(cell), str(cell))
    except Unreadable as fault:
        raise DataError(f"{table.where(row, 'smiles')}: {fault}") from fault
    name = f"{table.name}:{table.lines[row]}"
    mixture = bool(found.removed)
    return tox21.Sample(name, found.smiles, labels, mixture, found.repaired, found.reason)
