"""Columns of dates."""

from datetime import datetime

import numpy as np

from models.features.tabular.dates import PARTS, as_date, part
from training.data.tables.columns.column import Column
from training.data.tables.columns.numbers import centre_and_scale, knots_of
from training.data.tables.files.table import Table
from training.data.tables.spelling import argument
from training.errors import DataError


def column_of_dates(table: Table, name: str, cells: list[object], form: str, unclear: bool) -> Column:
    """A column of dates of a form, which ``unclear`` says may be another; raises ``DataError``."""
    found: list[datetime | None] = []
    for row, cell in enumerate(cells):
        at = None if cell is None else as_date(cell, form)
        if at is None and cell is not None:
            raise DataError(
                f"{table.where(row, name)}: {str(cell)[:40]!r} is no date, and nearly all others are;"
                f" correct it, empty it, say --missing {argument(str(cell))} if it means nothing,"
                f" or make them categories by --category {name}"
            )
        found.append(at)
    known = [at for at in found if at is not None]
    optional = len(known) < len(found)
    parts: list[dict[str, object]] = []
    for each, knots in PARTS.items():
        numbers = np.array([part(each, at) for at in known])
        if not np.ptp(numbers):
            continue
        centre, scale = centre_and_scale(numbers)
        bends = list(knots) or knots_of(numbers, 8, centre, scale)
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
