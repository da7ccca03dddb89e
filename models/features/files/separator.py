"""The line ``sep=;`` before a table's header, by which spreadsheets are told what parts its cells."""

import re

#: Parts the cells of tables without any other sign, several of it as one.
BLANK = " "
_LINE = re.compile(r'"?sep=([,;|\t])"?\s*', re.IGNORECASE)


def separator_of(line: str) -> str | None:
    """Return the sign that such a line names; None for any other line."""
    found = _LINE.fullmatch(line)
    return found[1] if found else None
