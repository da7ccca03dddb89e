"""The options that say how the values of a table are written."""

from pathlib import Path
from typing import Annotated, Any

import typer

from training.errors import TrainingError

_NUMBER = "Column whose numbers have signs such as $ or %; repeatable."
Number = Annotated[list[str] | None, typer.Option(help=_NUMBER)]
_MISSING = "Text or number that stands for a missing value, such as -999; repeatable."
Missing = Annotated[list[str] | None, typer.Option(help=_MISSING)]
Decimal = Annotated[str, typer.Option(help="Sign before the decimals of numbers in text: . or ,")]
Thousands = Annotated[str, typer.Option(help="Sign between thousands of numbers in text.")]
_DAY_FIRST = "Read 03/04/2024 as 3 April where no date of its column tells."
DayFirst = Annotated[bool, typer.Option("--day-first", help=_DAY_FIRST)]
_RARE = "Classes of fewer than 10 rows: drop their rows, or merge the classes into one, other."
Rare = Annotated[str | None, typer.Option(help=_RARE)]


def spelling_of(
    number: list[str] | None,
    missing: list[str] | None,
    decimal: str,
    thousands: str,
    rare: str | None,
    *,
    day_first: bool,
) -> dict[str, Any]:
    """What is said of how values are written; raises ``TrainingError``."""
    from training.data.user_file import UserFile  # brings libraries that `--help` must not wait for

    if decimal not in (".", ",") or thousands not in ("", ",", ".", " ", "'") or decimal == thousands:
        raise TrainingError(
            "--decimal is . or , and --thousands one of , . ' or a blank, and not the same"
        )
    if rare not in (None, "drop", "merge"):
        raise TrainingError(f"--rare is drop or merge, not {rare!r}")
    said = {
        "number": tuple(number or ()),
        "missing": tuple(missing or ()),
        "decimal": decimal,
        "thousands": thousands,
        "rare": rare,
        "day_first": day_first,
    }
    plain = UserFile(Path())
    return {name: value for name, value in said.items() if value != getattr(plain, name)}
