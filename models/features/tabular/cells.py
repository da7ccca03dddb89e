"""Cells of a text table: numbers, categories and missing values.

Training and the service read tables by these rules, so that a cell means the same to both.
"""

import re

#: Texts that stand for a missing value.
MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"))


#: Fortran's exponents of double precision: 1.5D+03, 2D-01, 3.D0. ``1D2`` may be a code, and is none.
_FORTRAN = re.compile(r"([+-]?(?:\d+\.\d*|\.\d+))[dD]([+-]?\d+)|([+-]?\d+)[dD]([+-]\d+)")


def number(text: str) -> object:
    """A cell as a float, None if the value is missing, or the text itself if it is not a number."""
    value = as_float(text)
    if value is None:
        return None if text.strip() in MISSING else text
    return value


def as_float(text: str) -> float | None:
    """A text as a number, as Python, C or Fortran writes it; None if it is none."""
    if "_" in text:  # Python reads 1_000 as a number; other programs do not
        return None
    try:
        return float(text)
    except ValueError:
        found = _FORTRAN.fullmatch(text.strip())
        return None if found is None else float("{}e{}".format(*filter(None, found.groups())))


def category(text: str) -> str | None:
    """A cell as a category, without white space around it; None if the value is missing."""
    text = text.strip()
    return None if text in MISSING else text
