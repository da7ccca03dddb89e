"""What stands around the names of a text table's columns: comments before them, and their quotes."""

import re
from collections.abc import Callable, Sequence

from models.features.tabular.cells import as_float

#: A line of comment; a name may be ``#`` alone.
_COMMENT = re.compile(r"\s*[#%](?![,;|\t])")
_QUOTED = re.compile(r"\s*'[^']+'\s*")

#: Parts a line into its cells.
Split = Callable[[str], Sequence[str]]


def is_comment(line: str) -> bool:
    """Whether a line before a table is a comment."""
    return _COMMENT.match(line) is not None


def names_in_comment(comment: str, following: Sequence[str], split: Split) -> str | None:
    """A comment without its mark if it names the columns, as in numpy's and astropy's files; or None.

    ``following`` are the first lines after it: it names them if the first of these is a row. Where none
    of them has a number, that cannot be told, and it does if it has as many cells.
    """
    plain = comment.strip().lstrip("#%").strip()
    names = [name.strip() for name in split(plain)]
    rows = [split(line) for line in following[:2]]
    if len(names) < 2 or not rows or len(names) != len(rows[0]) or not all(names) or _has_number(names):
        return None
    is_row = _has_number(rows[0]) or not any(map(_has_number, rows[1:]))
    return plain if is_row else None


def quote_of(names: Sequence[str]) -> str:
    """What is around cells, by the names of a header: single quotes if any is in these."""
    return "'" if any(map(_QUOTED.fullmatch, names)) else '"'


def _has_number(cells: Sequence[str]) -> bool:
    return any(as_float(cell.strip()) is not None for cell in cells)
