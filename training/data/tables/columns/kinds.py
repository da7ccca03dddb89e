"""Which kind a column is of, by its cells."""

import math
from dataclasses import replace

from models.features.tabular.dates import ISO, as_date, is_digits
from models.features.tabular.formats import are_truths
from training.data.tables.columns.categories import column_of_categories
from training.data.tables.columns.column import Column
from training.data.tables.columns.dates import column_of_dates
from training.data.tables.columns.numbers import column_of_numbers, column_of_truths
from training.data.tables.files.table import Table
from training.data.tables.files.typed import Unreadable
from training.data.tables.spelling import (
    MOSTLY,
    Spelling,
    beside_numbers,
    best_format,
    date_form,
    numbers_in,
)
from training.errors import DataError


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
        return column_of_categories(table, name, values, most)
    texts = [value for value in known if isinstance(value, str)]
    truths = sum(isinstance(value, bool) for value in known)
    if (texts or truths) and are_truths({str(value) for value in known}):
        return column_of_truths(name, values)
    format_, share = best_format(texts, spelling.formats(name))
    numeric = len(known) - len(texts) - truths + share * len(texts)
    plain = [format_(value) if isinstance(value, str) else value for value in known]
    if all(map(is_digits, plain)) and all(as_date(value, ISO) is not None for value in plain):
        return column_of_dates(table, name, values, ISO, unclear=False)  # 20241231
    if numeric >= MOSTLY * len(known):
        return column_of_numbers(table, name, values, pieces, format_)
    dates = date_form(texts, day_first=spelling.day_first) if len(texts) == len(known) else None
    if dates is not None:
        return column_of_dates(table, name, values, *dates)
    numbers = numbers_in(name, texts) if len(texts) >= MOSTLY * len(known) else None
    if numbers is not None:
        raise DataError(
            f"{table.name}, column {name}: its texts, such as {texts[0][:40]!r}, are {numbers} as"
            f" categories by --category {name}"
        )
    made = column_of_categories(table, name, values, most)
    return replace(made, notice="; ".join(filter(None, (beside_numbers(name, plain), made.notice))))


def known_or_none(cell: object, spelling: Spelling) -> object:
    """A cell's value, None where it is missing."""
    if isinstance(cell, str):
        return spelling.marks.text(cell)
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        return cell
    return None if math.isnan(cell) or cell in spelling.marks.numbers else cell
