"""A table's target column as labels: one target, or one per class."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.features.tabular.cells import category, number
from models.features.tabular.featurizer import as_category
from training.data.tables.reading import Table, Unreadable
from training.errors import DataError

#: Words for no and yes: of such a target the column's name says what is positive.
_YES = {"1": "0", "true": "false", "yes": "no", "y": "n", "t": "f", "positive": "negative"}
_YES |= {"active": "inactive"}
FEWEST_ROWS, FEWEST_OF_CLASS, MOST_CLASSES = 100, 10, 100


@dataclass(frozen=True, slots=True)
class Targets:
    """Labels ``(n, T)`` of the rows numbered ``rows``, the others having none; T names.

    ``positive`` is the class that is 1 of the only target, or empty where targets are classes.
    """

    rows: list[int]
    labels: NDArray[np.float32]
    names: tuple[str, ...]
    positive: str
    counts: dict[str, int]


def read_targets(table: Table, column: str, positive: str | None) -> Targets:
    """Read the target; raises ``DataError`` for one that cannot be learned."""
    if column not in table.columns:
        raise DataError(
            f"{table.name} has no column {column!r} to be the target; it has {_named(table.columns)}"
        )
    words = _words(table.columns[column])
    rows = [row for row, word in enumerate(words) if word is not None]
    counts = Counter(word for word in words if word is not None)
    if len(rows) < FEWEST_ROWS:
        raise DataError(
            f"{table.name} has {len(rows)} rows with a value in {column}; at least {FEWEST_ROWS} are"
            " needed"
        )
    if len(counts) == 1:
        raise DataError(
            f"{table.name}, column {column}: every row is {next(iter(counts))!r}; a target needs two"
            " classes"
        )
    if len(counts) > MOST_CLASSES:
        raise DataError(
            f"{table.name}, column {column}: {len(counts):,} different values are no classes, at most"
            f" {MOST_CLASSES}; a quantity must be cut into ranges first"
        )
    classes = sorted(counts, key=_order)
    rarest = min(classes, key=lambda name: counts[name])
    if counts[rarest] < FEWEST_OF_CLASS:
        raise DataError(
            f"{table.name}, column {column}: {rarest!r} has {counts[rarest]} rows, at least"
            f" {FEWEST_OF_CLASS} are needed; merge it with another class or take its rows out"
        )
    number_of = {name: place for place, name in enumerate(classes)}
    places = np.array([number_of[str(words[row])] for row in rows])
    tally = {name: counts[name] for name in classes}
    if len(classes) > 2:
        if positive is not None:
            raise DataError(f"--positive is for two classes; column {column} has {len(classes)}")
        labels = np.eye(len(classes), dtype=np.float32)[places]
        return Targets(rows, labels, tuple(classes), "", tally)
    if positive is not None and positive not in classes:
        raise DataError(f"--positive {positive}: column {column} has {classes[0]!r} and {classes[1]!r}")
    is_plain = positive is None and _is_yes(classes[1], classes[0])
    chosen = positive or classes[1]
    hits = (places == classes.index(chosen)).astype(np.float32)[:, None]
    return Targets(rows, hits, (column if is_plain else chosen,), chosen, tally)


def _words(cells: list[object]) -> list[str | None]:
    """Each row's class: numbers, which may be written in several ways, by their shortest form."""
    if any(isinstance(cell, Unreadable) for cell in cells):
        return [None] * len(cells)
    texts = [category(cell) if isinstance(cell, str) else as_category(cell) for cell in cells]
    values = [number(text) if text is not None else None for text in texts]
    if all(value is None or isinstance(value, float) for value in values):
        return [None if value is None else f"{value:.12g}" for value in values]
    return texts


def _order(name: str) -> tuple[float, str]:
    value = number(name)
    return (value if isinstance(value, float) else float("inf"), name)


def _is_yes(yes: str, no: str) -> bool:
    return _YES.get(yes.lower()) == no.lower() or (yes, no) == ("1", "-1")


def _named(columns: dict[str, list[object]]) -> str:
    names = list(columns)
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
