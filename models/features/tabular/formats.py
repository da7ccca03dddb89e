"""How people write numbers, truth values and missing values in text.

Each class reads the text of one cell and returns a value; it is told once, by training, and is stored in
the schema, so that a text means the same in training and in every request.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from models.errors import FeaturizerError
from models.features.tabular.cells import as_float

#: Texts that stand for a missing value: those of pandas (``STR_NA_VALUES``), R's, MySQL's and ARFF's.
MISSING = frozenset(
    (
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
        "<NA>", "N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a", "nan", "null", "?", "\\N",
    )
)  # fmt: skip

#: Words for false and true, in any case.
_FALSE, _TRUE = ("false", "f", "no", "n", "off", "0"), ("true", "t", "yes", "y", "on", "1")
TRUTH: Mapping[str, bool] = dict.fromkeys(_FALSE, False) | dict.fromkeys(_TRUE, True)
#: Pairs of words that make a column one of truth values; 0 and 1 alone are numbers.
_PAIRS = (("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("off", "on"))

_WHOLE = re.compile(r"([+-]?\d+)\.0*")
_PLAIN = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:inf(inity)?))")
#: An exponent; Fortran's D counts behind a fraction or before a sign, since ``1D2`` may be a code.
_EXPONENT = r"([eEdD][+-]?\d+)?"
_SPACES = dict.fromkeys(map(ord, " \u00a0\u2007\u2009\u202f"))
_MINUS = str.maketrans("\u2212\u2013\ufe63\uff0d", "----")
_DECIMALS, _THOUSANDS = (".", ","), (",", ".", " ", "'")


@dataclass(frozen=True)
class Marks:
    """The texts and numbers that stand for a missing value; ``more`` are those of one table."""

    more: tuple[str, ...] = ()

    @cached_property
    def texts(self) -> frozenset[str]:
        """All texts, without white space around them."""
        return MISSING | {text.strip() for text in self.more}

    @cached_property
    def numbers(self) -> frozenset[float]:
        """The table's own marks that are numbers, such as -999."""
        return frozenset(float(text) for text in self.more if _PLAIN.fullmatch(text.strip()))

    def text(self, cell: str) -> str | None:
        """A cell in Unicode's composed form without white space around it; None if it is missing."""
        cell = cell.strip()
        if not cell.isascii():
            cell = unicodedata.normalize("NFC", cell)
        if cell in self.texts:
            return None
        if self.numbers and _PLAIN.fullmatch(cell) and float(cell) in self.numbers:
            return None
        return cell


@dataclass(frozen=True)
class TextFormat:
    """Reads a cell as text; ``None`` if it is missing."""

    marks: Marks = Marks()

    def __call__(self, cell: str) -> object:
        """The text without white space around it, or None."""
        return self.marks.text(cell)


@dataclass(frozen=True)
class NumberFormat:
    """Reads a cell as a number; a text that is none stays a text.

    ``thousands`` is the sign between groups of digits, empty for none. With ``signs`` a number may have
    a currency or percent sign, a minus of print, or accountants' parentheses around it.
    """

    marks: Marks = Marks()
    decimal: str = "."
    thousands: str = ""
    signs: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it reads only what Python writes."""
        return self.decimal == "." and not self.thousands and not self.signs

    @property
    def entry(self) -> dict[str, object]:
        """What a schema says of it."""
        if self.is_plain:
            return {}
        return {"decimal": self.decimal, "thousands": self.thousands, "signs": self.signs}

    def __call__(self, cell: str) -> object:
        """The number, None if it is missing, or the text itself if it is not a number."""
        text = self.marks.text(cell)
        if text is None:
            return None
        if not self.is_plain:
            plain = self._plain(text)
            return cell if plain is None else float(plain)
        value = as_float(text)
        return cell if value is None else value

    @cached_property
    def _grouped(self) -> re.Pattern[str]:
        mark, point = re.escape(self.thousands), re.escape(self.decimal)
        whole = rf"\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}|\d+" if self.thousands else r"\d+"
        return re.compile(rf"([+-]?)((?:{whole})?)(?:{point}(\d*))?{_EXPONENT}")

    def _plain(self, text: str) -> str | None:
        """The number as Python writes it, None if the text is none."""
        if self.signs:
            text = text.translate(_MINUS)
            inner = text[1:-1] if text[:1] == "(" and text[-1:] == ")" else None
            text = text if inner is None else f"-{inner}"
            text = "".join(c for c in text if c != "%" and unicodedata.category(c) != "Sc")
        if self.thousands == "'":
            text = text.replace("\u2019", "'")  # as Swiss typography has it
        if self.signs or self.thousands == " ":
            text = text.translate(_SPACES)
        elif text.isascii() is False:
            return None
        whole = self._grouped if self.thousands != " " else _ungrouped(self.decimal)
        match = whole.fullmatch(text)
        if match is None or not (match[2] or match[3]):
            return None
        digits = match[2].replace(self.thousands, "") if self.thousands.strip() else match[2]
        exponent = match[4] or "e0"
        if exponent[0] in "dD" and match[3] is None and exponent[1] not in "+-":
            return None
        return f"{match[1]}{digits or '0'}.{match[3] or '0'}e{exponent[1:]}"


def _ungrouped(decimal: str) -> re.Pattern[str]:
    return re.compile(rf"([+-]?)(\d*)(?:{re.escape(decimal)}(\d*))?{_EXPONENT}")


def number_format(where: str, entry: Mapping[str, object], marks: Marks) -> NumberFormat:
    """The format that a column's entry tells; raises ``FeaturizerError`` that begins with ``where``."""
    decimal, thousands = entry.get("decimal", "."), entry.get("thousands", "")
    signs = entry.get("signs", False)
    known = decimal in _DECIMALS and (thousands == "" or thousands in _THOUSANDS)
    if not known or decimal == thousands or not isinstance(signs, bool):
        raise FeaturizerError(
            f"{where}: decimal is {_either(_DECIMALS)}, thousands {_either(_THOUSANDS)} or empty and not"
            " the same, and signs a boolean"
        )
    return NumberFormat(marks, str(decimal), str(thousands), signs)


def _either(signs: tuple[str, ...]) -> str:
    return " or ".join(repr(sign) for sign in signs)


def truth(value: object) -> bool | None:
    """A value as a truth value: a boolean, 0 or 1, or a word in any case; None for any other."""
    if isinstance(value, str):
        text = value.strip().lower()
        whole = _WHOLE.fullmatch(text)
        return TRUTH.get(whole[1] if whole else text)
    try:
        return bool(value) if value in (0, 1) else None
    except (TypeError, ValueError):
        return None


def are_truths(words: set[str]) -> bool:
    """Whether a column of these texts holds truth values; 0 and 1 may stand among the words."""
    lower = {word.lower() for word in words}
    rest = lower - {"0", "1", "0.0", "1.0"}
    if any(set(pair) <= rest for pair in _PAIRS):  # several people have filled it in, or programs
        return rest <= set(chain(*_PAIRS))
    return bool(rest) and any(rest <= set(pair) for pair in _PAIRS)


def category_text(text: str) -> str:
    """The text of a category: pandas writes whole numbers beside missing ones as 1.0, others as 1."""
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        return text
    digits = whole[1].lstrip("+")
    return "0" if not digits.strip("-0") else digits
