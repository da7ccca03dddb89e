"""The kinds and values of a table's columns, inferred from their cells.

Numbers, truth values, dates, or categories; see ``models.features.tabular.columns``.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from models.features.tabular.columns import written
from models.features.tabular.dates import ISO, PARTS, as_date, is_digits, part
from models.features.tabular.formats import NumberFormat, are_truths, truth
from training.data.tables.reading import Table, Unreadable
from training.data.tables.spelling import (
    MOSTLY,
    Spelling,
    argument,
    beside_numbers,
    best_format,
    date_form,
    numbers_in,
)
from training.errors import DataError

#: A category with fewer rows is merged into "other"; of more than so many, the rare ones are hashed.
RARE, MOST_CATEGORIES, BUCKETS = 10, 64, 1024
#: Texts of which more than this share are different tell rows apart, not groups of them.
_MOSTLY_DIFFERENT, _LONGEST = 0.9, 200
#: The quantiles of a column of numbers that its golden values are near to.
_LEVELS = (0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its entry in the featurizer parameters, its values, and constructed golden values.

    ``notice`` says how it was read where that may surprise, and is empty otherwise.
    """

    entry: dict[str, object]
    values: list[object]
    constructed: list[object]
    notice: str = ""


def read_column(
    table: Table, name: str, *, is_category: bool, pieces: int, most: int, spelling: Spelling
) -> Column:
    """Read a column's cells; raises ``DataError`` naming the line of one that cannot be used.

    A column of numbers gets knots for ``pieces`` linear pieces, none if these are fewer than two; one of
    categories has at most ``most`` that stand for themselves.
    """
    cells = table.columns[name]
    foreign = next((cell for cell in cells if isinstance(cell, Unreadable)), None)
    if foreign is not None:
        raise DataError(
            f"{table.name}, column {name}: it holds {foreign.kind}, neither numbers nor categories;"
            f" leave it out by --ignore {name}"
        )
    values = [known_or_none(cell, spelling) for cell in cells]
    known = [value for value in values if value is not None]
    if not known:
        raise DataError(f"{table.name}, column {name}: it is empty; leave it out by --ignore {name}")
    if is_category or name in table.categorical:
        return _categories(table, name, values, most)
    texts = [value for value in known if isinstance(value, str)]
    truths = sum(isinstance(value, bool) for value in known)
    if (texts or truths) and are_truths({str(value) for value in known}):
        return _truths(name, values)
    format_, share = best_format(texts, spelling.formats(name))
    numeric = len(known) - len(texts) - truths + share * len(texts)
    plain = [format_(value) if isinstance(value, str) else value for value in known]
    if all(map(is_digits, plain)) and all(as_date(value, ISO) is not None for value in plain):
        return _dates(table, name, values, ISO, unclear=False)  # 20241231
    if numeric >= MOSTLY * len(known):
        return _numbers(table, name, values, pieces, format_)
    dates = date_form(texts, day_first=spelling.day_first) if len(texts) == len(known) else None
    if dates is not None:
        return _dates(table, name, values, *dates)
    numbers = numbers_in(name, texts) if len(texts) >= MOSTLY * len(known) else None
    if numbers is not None:
        raise DataError(
            f"{table.name}, column {name}: its texts, such as {texts[0][:40]!r}, are {numbers} as"
            f" categories by --category {name}"
        )
    made = _categories(table, name, values, most)
    return replace(made, notice="; ".join(filter(None, (beside_numbers(name, plain), made.notice))))


def known_or_none(cell: object, spelling: Spelling) -> object:
    """A cell's value, None where it is missing."""
    if isinstance(cell, str):
        return spelling.marks.text(cell)
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        return cell
    return None if math.isnan(cell) or cell in spelling.marks.numbers else cell


def _numbers(table: Table, name: str, cells: list[object], pieces: int, format_: NumberFormat) -> Column:
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
    entry |= {"centre": centre, "scale": scale} | format_.entry
    if knots := _knots(numbers, pieces, centre, scale):
        entry["knots"] = knots
    if set(np.unique(numbers).tolist()) <= {0.0, 1.0}:
        entry["binary"] = True
    return Column(entry, values, constructed)


def _truths(name: str, cells: list[object]) -> Column:
    values: list[object] = [None if cell is None else truth(cell) for cell in cells]
    optional = None in values
    entry: dict[str, object] = {"name": name, "kind": "boolean", "optional": optional}
    entry["values"] = ["false", "true"]
    return Column(entry, values, [False, True, *([None] if optional else [])])


def _dates(table: Table, name: str, cells: list[object], form: str, unclear: bool) -> Column:
    found: list[datetime | None] = []
    for row, cell in enumerate(cells):
        at = None if cell is None else as_date(cell, form)
        if at is None and cell is not None:
            raise DataError(
                f"{table.where(row, name)}: {str(cell)[:40]!r} is no date, and nearly all others are;"
                f" correct it, empty it, or make them categories by --category {name}"
            )
        found.append(at)
    known = [at for at in found if at is not None]
    optional = len(known) < len(found)
    parts: list[dict[str, object]] = []
    for each, knots in PARTS.items():
        numbers = np.array([part(each, at) for at in known])
        if not np.ptp(numbers):
            continue
        centre, scale = _centre_and_scale(numbers)
        bends = list(knots) or _knots(numbers, 8, centre, scale)
        limits = {"low": float(numbers.min()), "high": float(numbers.max())}
        parts.append({"part": each, "centre": centre, "scale": scale, "knots": bends, **limits})
    if not parts:
        raise DataError(
            f"{table.name}, column {name}: all dates are one; leave it out by --ignore {name}"
        )
    entry: dict[str, object] = {"name": name, "kind": "date", "optional": optional, "form": form}
    entry["parts"] = parts
    years = sorted({at.year for at in known})
    constructed: list[object] = [
        f"{years[place % len(years)]}-{1 + place % 12:02}-{1 + 7 * place % 28:02}T{place:02}:00:00"
        for place in range(13)
    ]
    values: list[object] = [None if at is None else at.isoformat() for at in found]
    notice = (
        f"column {name} holds dates; their parts are used: {', '.join(str(p['part']) for p in parts)}"
    )
    if unclear:
        notice += "; read with the month first, which no date of it denies (--day-first)"
    return Column(entry, values, [*constructed, *([None] if optional else [])], notice)


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


def _categories(table: Table, name: str, cells: Sequence[object], most: int) -> Column:
    values = [None if cell is None else written(cell) for cell in cells]
    counts = Counter(value for value in values if value is not None)
    long = next((value for value in counts if len(value) > _LONGEST), None)
    many = len(counts) > MOST_CATEGORIES
    common = [value for value, rows in counts.most_common(most) if rows >= RARE]
    if many and not common:
        common = [counts.most_common(1)[0][0]]  # all others are hashed
    share = len(counts) / sum(counts.values())
    if long is not None or not common or share > (_MOSTLY_DIFFERENT if many else 0.5):
        raise DataError(
            f"{table.name}, column {name}: {len(counts):,} different texts in {len(values):,} rows are"
            f" no categories; leave it out by --ignore {name}"
        )
    known, optional = sorted(common), None in values
    constructed: list[object] = [*known[:MOST_CATEGORIES]]
    if optional:
        constructed.append(None)
    entry: dict[str, object] = {
        "name": name,
        "kind": "category",
        "optional": optional,
        "other": len(counts) > len(known),
        "values": known,
    }
    notice = ""
    if many and entry["other"]:
        entry["buckets"] = BUCKETS
        constructed += [f"no. {number}" for number in range(8)]
        notice = (
            f"column {name} has {len(counts):,} different texts: {len(known):,} are categories of their"
            f" own, the others share {BUCKETS} by their hash"
        )
    return Column(entry, list(values), constructed, notice)


def is_missing(value: object) -> bool:
    """Whether a parsed cell is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
