"""A table's columns read off their cells: which hold numbers, which categories, what they may be."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.features.tabular.cells import number
from models.features.tabular.featurizer import as_category
from training.data.tables.reading import Table, Unreadable
from training.errors import DataError

#: A category of fewer rows is lumped together with others; so are all beyond the commonest.
RARE, MOST_CATEGORIES = 10, 64
#: Of a column with so many numbers the rest are taken for mistakes.
_MOSTLY = 0.9
#: The levels of a column of numbers that its golden values span.
_LEVELS = (0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its entry of the schema, its values, and values constructed in their range."""

    entry: dict[str, object]
    values: list[object]
    constructed: list[object]


def read_column(table: Table, name: str, *, is_category: bool, pieces: int) -> Column:
    """Read a column's cells; raises ``DataError`` naming the line of one that cannot be used.

    Numbers get knots for so many ``pieces``, or none for fewer than two.
    """
    cells = table.columns[name]
    foreign = next((cell for cell in cells if isinstance(cell, Unreadable)), None)
    if foreign is not None:
        raise DataError(
            f"{table.name}, column {name}: it holds {foreign.kind}, neither numbers nor categories;"
            f" leave it out by --ignore {name}"
        )
    parsed = [number(cell) if isinstance(cell, str) else cell for cell in cells]
    numeric = [isinstance(value, (int, float)) and not isinstance(value, bool) for value in parsed]
    known = [not _is_missing(value) for value in parsed]
    if not any(known):
        raise DataError(f"{table.name}, column {name}: it is empty; leave it out by --ignore {name}")
    share = sum(a and b for a, b in zip(numeric, known, strict=True)) / sum(known)
    if is_category or share < _MOSTLY:
        return _categories(table, name)
    if share < 1:
        row = next(row for row in range(len(parsed)) if known[row] and not numeric[row])
        raise DataError(
            f"{table.where(row, name)}: {_shown(parsed[row])} is no number, and nearly all others are;"
            f" correct it, empty it, or make it categories by --category {name}"
        )
    return _numbers(table, name, parsed, pieces)


def _numbers(table: Table, name: str, parsed: list[object], pieces: int) -> Column:
    values: list[object] = []
    for row, value in enumerate(parsed):
        if _is_missing(value):
            values.append(None)
            continue
        assert isinstance(value, (int, float))
        if not abs(value) < float(np.finfo(np.float32).max):
            raise DataError(f"{table.where(row, name)}: {value} is beyond a 32-bit float, or infinite")
        values.append(float(value) + 0.0)
    found = np.array([value for value in values if value is not None], dtype=np.float64)
    # Rounded, so that no value of a row comes along.
    constructed: list[object] = [float(f"{level:.3g}") for level in np.quantile(found, _LEVELS)]
    entry: dict[str, object] = {"name": name, "kind": "number", "optional": len(found) < len(values)}
    if entry["optional"]:
        constructed.append(None)
    entry |= _centre_and_scale(found)
    if knots := _knots(found, pieces):
        entry["knots"] = knots
    return Column(entry, values, constructed)


def _centre_and_scale(found: NDArray[np.float64]) -> dict[str, object]:
    """Median and quartile distance, which is a standard deviation of normal values; rounded."""
    low, centre, high = np.quantile(found, (0.25, 0.5, 0.75))
    scale = (high - low) / 1.349 or float(found.std()) or 1.0
    return {"centre": float(f"{centre:.6g}"), "scale": float(f"{max(scale, 1e-20):.4g}")}


def _knots(found: NDArray[np.float64], pieces: int) -> list[float]:
    """Every value where there are few, otherwise rounded quantiles; none where they say nothing."""
    different = np.unique(found)
    if len(different) > pieces + 1:
        levels = np.quantile(found, np.linspace(0, 1, pieces + 1))
        different = np.unique([float(f"{level:.4g}") for level in levels])
    return different.tolist() if pieces > 1 and len(different) > 2 else []


def _categories(table: Table, name: str) -> Column:
    values = [as_category(cell) for cell in table.columns[name]]
    counts = Counter(value for value in values if value is not None)
    long = next((value for value in counts if len(value) > 200), None)
    common = [value for value, rows in counts.most_common(MOST_CATEGORIES) if rows >= RARE]
    if long is not None or not common or len(counts) > len(values) / 2:
        raise DataError(
            f"{table.name}, column {name}: {len(counts):,} different texts in {len(values):,} rows are"
            f" no categories; leave it out by --ignore {name}"
        )
    known, optional = sorted(common), None in values
    constructed: list[object] = [*known]
    if optional:
        constructed.append(None)
    entry: dict[str, object] = {
        "name": name,
        "kind": "category",
        "optional": optional,
        "other": len(counts) > len(known),
        "values": known,
    }
    return Column(entry, list(values), constructed)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else text[:40] + "…")
