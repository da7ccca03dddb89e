"""A table's target column as a quantity: whether it is one, and its values."""

import math

from models.features.tabular.formats import NumberFormat
from training.data.tables.columns import known_or_none
from training.data.tables.files.table import Table
from training.data.tables.files.typed import Unreadable
from training.data.tables.spelling import MOSTLY, Spelling, argument, best_format, hint
from training.data.tables.targets import FEWEST_ROWS, MOST_CLASSES, Targets
from training.errors import DataError

#: So many different numbers, not all of them whole, are a quantity: classes are fewer, or codes.
_MOST_FRACTIONS = 20


def is_quantity(table: Table, column: str, spelling: Spelling) -> bool:
    """Whether a column that the table has holds numbers of which too many differ to be classes.

    A few cells that are no numbers are mistakes then, as in other columns.
    """
    cells = [known_or_none(cell, spelling) for cell in table.columns[column]]
    known = [cell for cell in cells if cell is not None]
    if any(isinstance(cell, (Unreadable, bool)) for cell in known):
        return False
    format_ = _format(known, column, spelling)
    read = [format_(cell) if isinstance(cell, str) else cell for cell in known]
    found = [number for number in read if isinstance(number, (int, float))]
    if not found or len(found) < MOSTLY * len(read):
        return False
    numbers = set(found)
    fractions = any(isinstance(number, float) and not number.is_integer() for number in numbers)
    return len(numbers) > (_MOST_FRACTIONS if fractions else MOST_CLASSES)


def read_quantity(table: Table, column: str, spelling: Spelling) -> tuple[list[int], list[float]]:
    """Return the numbers of the rows with a value, and the values.

    Raises ``DataError`` naming the line of a cell that is no finite number, or if there are too few.
    """
    cells = [known_or_none(cell, spelling) for cell in table.columns[column]]
    known = [cell for cell in cells if cell is not None]
    format_ = _format(known, column, spelling)
    rows, values = list[int](), list[float]()
    for row, cell in enumerate(cells):
        value = format_(cell) if isinstance(cell, str) else cell
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DataError(
                f"{table.where(row, column)}: {str(cell)[:40]!r} is no number, and column {column} is"
                f" learned as a quantity (--task regression); {_way_out(column, cell, known)}"
            )
        if not abs(value) < float("inf"):
            raise DataError(f"{table.where(row, column)}: {value} is not finite; empty the cell")
        rows.append(row)
        values.append(float(value))
    if len(rows) < FEWEST_ROWS:
        raise DataError(
            f"{table.name} has {len(rows)} rows with a value in {column}; at least {FEWEST_ROWS} are"
            " needed"
        )
    if len(set(values)) == 1:
        raise DataError(
            f"{table.name}, column {column}: every row is {values[0]:.12g}; nothing can be learned:"
            " a quantity (--task regression) has values that differ"
        )
    return rows, values


def _way_out(column: str, cell: object, known: list[object]) -> str:
    """What to do about a cell that is no number."""
    if isinstance(cell, str):
        option = hint(column, [text for text in known if isinstance(text, str)], cell)
        if option is not None:
            return f"read such numbers by {option}"
        return f"correct it, empty it, or say --missing {argument(cell)} if it means nothing"
    return "correct it or empty it"


def _format(known: list[object], column: str, spelling: Spelling) -> NumberFormat:
    return best_format([text for text in known if isinstance(text, str)], spelling.formats(column))[0]


def described(targets: Targets) -> dict[str, object]:
    """What the card says of the target's values."""
    if targets.standard is None:
        return {"rows by class": ", ".join(f"{name} {rows:,}" for name, rows in targets.counts.items())}
    standard = targets.standard
    unit = "" if standard.unit is None else f" {standard.unit}"
    return {
        "its mean": f"{beside(standard.centre, standard.scale)}{unit}",
        "its standard deviation": f"{beside(standard.scale, standard.scale)}{unit}",
    }


def beside(value: float, spread: float, digits: int = 4) -> str:
    """A value as exact as its spread is at so many digits: 1,700,000,120 beside 689.3."""
    decimals = digits - 1 - math.floor(math.log10(spread))
    if abs(value) >= 1e15 or decimals > 15:
        return f"{value:.15g}"
    return f"{round(value, decimals):,.{max(0, decimals)}f}"
