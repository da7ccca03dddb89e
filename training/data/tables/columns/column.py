"""A column as it was read."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its entry in the featurizer parameters, its values, and constructed golden values.

    ``notice`` says how it was read where that may surprise, and is empty otherwise.
    """

    entry: dict[str, object]
    values: list[object]
    constructed: list[object]
    notice: str = ""


def is_missing(value: object) -> bool:
    """Whether a parsed cell is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
