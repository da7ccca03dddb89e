"""The kinds and values of a table's columns, inferred from their cells: numbers or categories."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.features.tabular.categories import as_category
from models.features.tabular.cells import number
from training.data.tables.reading import Table, Unreadable
from training.errors import DataError

#: A category with fewer rows is merged into "other", as are all but so many of the commonest.
RARE, MOST_CATEGORIES = 10, 64
#: If this share of a column's cells are numbers, the others are reported as mistakes.
_MOSTLY = 0.9
#: The quantiles of a column of numbers that its golden values are near to.
_LEVELS = (0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its entry in the featurizer parameters, its values, and constructed golden values."""

    entry: dict[str, object]
    values: list[object]
    constructed: list[object]


def read_column(table: Table, name: str, *, is_category: bool, pieces: int) -> Column:
    """Read a column's cells; raises ``DataError`` naming the line of one that cannot be used.

    A column of numbers gets knots for ``pieces`` linear pieces, none if these are fewer than two.
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
    known = [not is_missing(value) for value in parsed]
    if not any(known):
        raise DataError(f"{table.name}, column {name}: it is empty; leave it out by --ignore {name}")
    share = sum(a and b for a, b in zip(numeric, known, strict=True)) / sum(known)
    if is_category or share < _MOSTLY:
        return _categories(table, name)
    if share < 1:
        row = next(row for row in range(len(parsed)) if known[row] and not numeric[row])
        text = str(parsed[row])
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise DataError(
            f"{table.where(row, name)}: {shown!r} is no number, and nearly all others are;"
            f" correct it, empty it, or make it categories by --category {name}"
        )
    return _numbers(table, name, parsed, pieces)


def _numbers(table: Table, name: str, parsed: list[object], pieces: int) -> Column:
    values: list[object] = []
    for row, value in enumerate(parsed):
        if is_missing(value):
            values.append(None)
            continue
        assert isinstance(value, (int, float))
        if not abs(value) < float(np.finfo(np.float32).max):
            raise DataError(f"{table.where(row, name)}: {value} is beyond a 32-bit float, or infinite")
        values.append(float(value) + 0.0)
    numbers = np.array([value for value in values if value is not None], dtype=np.float64)
    centre, scale = _centre_and_scale(numbers)
    # Rounded, so that no value of the data is published.
    constructed: list[object] = [
        _rounded(level, 3, centre, scale) for level in np.quantile(numbers, _LEVELS)
    ]
    entry: dict[str, object] = {"name": name, "kind": "number", "optional": len(numbers) < len(values)}
    if entry["optional"]:
        constructed.append(None)
    entry |= {"centre": centre, "scale": scale}
    if knots := _knots(numbers, pieces, centre, scale):
        entry["knots"] = knots
    return Column(entry, values, constructed)


def _centre_and_scale(numbers: NDArray[np.float64]) -> tuple[float, float]:
    """Median and quartile distance, which is a standard deviation of normal values; rounded.

    The centre is rounded to a tenth of the scale or finer: of times in milliseconds, six digits would
    leave numbers that are large beside their differences.
    """
    low, centre, high = np.quantile(numbers, (0.25, 0.5, 0.75))
    scale = (high - low) / 1.349 or (float(numbers.std()) if np.ptp(numbers) else 0.0) or 1.0
    scale = float(f"{max(scale, 1e-20):.4g}")
    rounded = float(f"{centre:.6g}")
    if abs(rounded - centre) > 0.1 * scale:
        unit = 10.0 ** np.floor(np.log10(0.1 * scale))
        rounded = float(np.round(centre / unit) * unit)
    return rounded, scale


def _rounded(value: float, digits: int, centre: float, scale: float) -> float:
    """A value at so many significant digits, of its distance to the centre if that tells it apart."""
    plain = float(f"{value:.{digits}g}")
    if abs(plain - value) <= 0.1 * scale:
        return plain
    return centre + float(f"{value - centre:.{digits}g}")


def _knots(numbers: NDArray[np.float64], pieces: int, centre: float, scale: float) -> list[float]:
    """All values if there are few, otherwise rounded quantiles; none for two values or fewer."""
    different = np.unique(numbers)
    if len(different) > pieces + 1:
        levels = np.quantile(numbers, np.linspace(0, 1, pieces + 1))
        different = np.unique([_rounded(level, 4, centre, scale) for level in levels])
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


def is_missing(value: object) -> bool:
    """Whether a parsed cell is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
