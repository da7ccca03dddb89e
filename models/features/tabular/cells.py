"""Cells of a text table: numbers, categories and missing values.

Training and the service read tables by these rules, so that a cell means the same to both.
"""

#: Texts that stand for a missing value.
MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"))


def number(text: str) -> object:
    """A cell as a float, None if the value is missing, or the text itself if it is not a number."""
    if "_" in text:  # Python reads 1_000 as a number; other programs do not
        return text
    try:
        return float(text)
    except ValueError:
        return None if text.strip() in MISSING else text


def category(text: str) -> str | None:
    """A cell as a category, without white space around it; None if the value is missing."""
    text = text.strip()
    return None if text in MISSING else text
