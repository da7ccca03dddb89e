"""Columns of numbers and of truth values."""

import re

import numpy as np
from numpy.typing import NDArray

from models.features.tabular.formats import NumberFormat, truth
from training.data.tables.columns.column import Column
from training.data.tables.files.table import Table
from training.data.tables.spelling import argument
from training.errors import DataError

#: The quantiles of a column of numbers that its golden values are near to.
_LEVELS = (0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99)


def column_of_numbers(
    table: Table, name: str, cells: list[object], pieces: int, format_: NumberFormat
) -> Column:
    """A column of numbers, with knots for so many pieces; raises ``DataError`` for another cell."""
    values: list[object] = []
    for row, cell in enumerate(cells):
        value = format_(cell) if isinstance(cell, str) else cell
        if value is None:
            values.append(None)
            continue
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            text = str(cell)
            raise DataError(
                f"{table.where(row, name)}: {(text[:40] + '…' * (len(text) > 40))!r} is no number,"
                " and nearly all others are; correct it, empty it,"
                f" say --missing {argument(text)} if it means nothing,"
                f" or make them categories by --category {name}"
            )
        if not abs(value) < float(np.finfo(np.float32).max):
            raise DataError(
                f"{table.where(row, name)}: {str(cell)[:40]} is infinite, or beyond a 32-bit float,"
                " which ends at 3.4e38; correct it, empty it, or say"
                f" --missing {argument(str(cell))} if it means nothing"
            )
        values.append(float(value) + 0.0)
    numbers = np.array([value for value in values if value is not None], dtype=np.float64)
    centre, scale = centre_and_scale(numbers)
    # Rounded, so that no value of the data is published.
    constructed: list[object] = [
        _rounded(level, 3, centre, scale) for level in np.quantile(numbers, _LEVELS)
    ]
    entry: dict[str, object] = {"name": name, "kind": "number", "optional": len(numbers) < len(values)}
    if entry["optional"]:
        constructed.append(None)
    entry |= {"centre": centre, "scale": scale} | format_.entry
    if knots := knots_of(numbers, pieces, centre, scale):
        entry["knots"] = knots
    if set(np.unique(numbers).tolist()) <= {0.0, 1.0}:
        entry["binary"] = True
    return Column(entry, values, constructed, _code_like(name, cells))


def _code_like(name: str, cells: list[object]) -> str:
    """A sentence where numbers of several digits begin with zeros, as postal codes do."""
    code = next((c for c in cells if isinstance(c, str) and re.fullmatch(r"0\d{2,}", c)), None)
    if code is None:
        return ""
    return (
        f"column {name} is read as numbers, though some begin with zeros, such as {code[:40]};"
        f" --category {name} makes codes categories"
    )


def column_of_truths(name: str, cells: list[object]) -> Column:
    """A column of truth values in any spelling."""
    values: list[object] = [None if cell is None else truth(cell) for cell in cells]
    optional = None in values
    entry: dict[str, object] = {"name": name, "kind": "boolean", "optional": optional}
    entry["values"] = ["false", "true"]
    return Column(entry, values, [False, True, *([None] if optional else [])])


def centre_and_scale(numbers: NDArray[np.float64]) -> tuple[float, float]:
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


def knots_of(numbers: NDArray[np.float64], pieces: int, centre: float, scale: float) -> list[float]:
    """All values if there are few, otherwise rounded quantiles; none for two values or fewer."""
    different = np.unique(numbers)
    if len(different) > pieces + 1:
        levels = np.quantile(numbers, np.linspace(0, 1, pieces + 1))
        different = np.unique([_rounded(level, 4, centre, scale) for level in levels])
    return different.tolist() if pieces > 1 and len(different) > 2 else []
