"""Cells of a text table: numbers, categories, and the marks of a missing value.

Training reads a table by these rules, and so does the service, or a value would mean one thing to the
one and another to the other.
"""

#: What stands for a missing value, beside nothing at all and white space.
MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"))


def number(text: str) -> object:
    """A cell as a number; None where the value is missing, and the text itself where it is none."""
    if "_" in text:  # Python reads 1_000, nobody else does
        return text
    try:
        return float(text)
    except ValueError:
        return None if text.strip() in MISSING else text


def category(text: str) -> str | None:
    """A cell as a category; None where the value is missing."""
    text = text.strip()
    return None if text in MISSING else text
