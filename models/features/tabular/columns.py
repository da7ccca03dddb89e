"""The columns of a table as ``tables-3`` reads them: what a value may be, and what it becomes.

A column reads one value at a time and returns its ``parts``: numbers for the numeric columns that it
stands for (a date stands for several), or the index of a category. It also reads the text of a cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from math import isfinite, isnan
from typing import Any, cast

import numpy as np

from models.features.tabular.categories import EXACT, Category
from models.features.tabular.dates import ISO, as_date, part
from models.features.tabular.formats import NumberFormat, TextFormat, category_text, truth
from models.features.tabular.numeric_encoding import Number
from models.features.tabular.records import kind, number_fault, shown

#: What a column makes of a value: numbers, or the index of a category; or a message: what is wrong.
Parts = tuple[float, ...] | int | str

_NAN = float("nan")
#: No code has more digits; longer integers take time to write.
_LARGEST_CODE = 10**40
#: Texts whose index is remembered: their number, and the characters of each.
_MOST_KNOWN, _LONGEST_KNOWN = 16_384, 64


def is_nan(value: object) -> bool:
    """Whether a value is a number that is none, as pandas writes a missing value."""
    return isinstance(value, float) and isnan(value)


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A column of numbers; one of only 0 and 1 (``binary``) takes truth values, too."""

    name: str
    number: Number
    text: NumberFormat
    binary: bool = False

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The numeric columns that it stands for."""
        return (self.number,)

    def read(self, value: object) -> Parts:
        """A number, NaN where it is missing, or a message."""
        if isinstance(value, str) and not self.text.is_plain:
            value = self.text(value)
            if isinstance(value, str):
                return f"{shown(value)}, which is not a number as they are written in this column"
        elif self.binary and isinstance(value, (bool, str)):
            found = truth(value)
            value = value if found is None else float(found)
        marks = self.text.marks.numbers
        if marks and isinstance(value, (int, float)) and not isinstance(value, bool) and value in marks:
            value = None
        fault = number_fault(value, optional=self.number.optional)
        return fault or ((_NAN,) if value is None else (float(cast(float, value)),))


@dataclass(frozen=True, slots=True)
class BooleanColumn:
    """A column of truth values in any spelling: true, True, yes, 1, a boolean of JSON or Parquet."""

    name: str
    number: Number
    text: TextFormat

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The numeric columns that it stands for."""
        return (self.number,)

    def read(self, value: object) -> Parts:
        """0 or 1, NaN where it is missing, or a message."""
        if isinstance(value, str):
            value = self.text(value)
        if value is None or is_nan(value):
            return (_NAN,) if self.number.optional else "missing; give true or false"
        found = truth(value)
        if found is None:
            what = shown(value) if isinstance(value, str) else kind(value)
            return f"{what}; give true or false"
        return (float(found),)


@dataclass(frozen=True, slots=True)
class DateColumn:
    """A column of dates in ISO's form or ``form``; ``limits``: the least and largest of each part."""

    name: str
    form: str
    optional: bool
    parts: tuple[tuple[str, Number, float, float], ...]
    text: TextFormat

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The numeric columns that it stands for."""
        return tuple(number for _, number, _, _ in self.parts)

    def read(self, value: object) -> Parts:
        """The parts of the date, all NaN where it is missing, or a message."""
        if isinstance(value, str):
            value = self.text(value)
        if value is None or is_nan(value):
            return (_NAN,) * len(self.parts) if self.optional else f"missing; {self._wanted}"
        at = as_date(value, self.form)
        if at is None:
            what = shown(value) if isinstance(value, str) else kind(value)
            return f"{what}, which is no date; {self._wanted}"
        return tuple(min(max(part(name, at), low), high) for name, _, low, high in self.parts)

    @property
    def _wanted(self) -> str:
        example = datetime(2024, 12, 31).strftime(self.form) if self.form != ISO else ""
        return "give it as 2024-12-31" + (f" or {example}" if example else "")


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories; ``buckets``: texts that are not listed are hashed to so many more."""

    name: str
    category: Category
    text: TextFormat
    buckets: int = 0
    #: The indices of texts as they come; filled as they do, up to a bound.
    _known: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def numbers(self) -> tuple[Number, ...]:
        """None: it is one-hot."""
        return ()

    def read(self, value: object) -> Parts:
        """The index of its feature, or a message."""
        if not isinstance(value, str) or len(value) > _LONGEST_KNOWN:
            return self._index(value)
        known = self._known.get(value)
        if known is not None:
            return known
        found = self._index(value)
        if isinstance(found, int) and len(self._known) < _MOST_KNOWN:
            self._known[value] = found
        return found

    def _index(self, value: object) -> int | str:
        if isinstance(value, str):
            value = self.text(value)
        if isinstance(value, (bool, np.bool_)):
            spelled = (str(bool(value)).lower(), str(bool(value)), str(bool(value)).upper())
            value = next((text for text in spelled if text in self.category.indices), spelled[0])
        text = None if value is None else written(value)
        if text is None and value is not None and not is_nan(value):
            return self.category.index(value)
        if text is None:
            found = self.category.index(None)
            # The names of buckets are of no use to anybody.
            return "missing; give any text" if self.buckets and isinstance(found, str) else found
        if self.buckets and text not in self.category.indices:
            return self.category.indices[bucket(text, self.buckets)]
        return self.category.index(text)


Column = NumberColumn | BooleanColumn | DateColumn | CategoryColumn


def written(value: object) -> str | None:
    """A value as the text of a category; None for a missing one and for lists and objects.

    1, 1.0 and the texts ``1`` and ``1.0`` are one category; so are true and a text that says so.
    """
    if isinstance(value, str):
        return category_text(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < _LARGEST_CODE else None
    if not isinstance(value, float) or not isfinite(value):
        return None
    return str(int(value)) if value == int(value) and abs(value) < EXACT else repr(value)


def bucket(text: str, buckets: int) -> str:
    """The name of the bucket of a text: its keyed hash is the same everywhere and in every version."""
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return bucket_name(int.from_bytes(digest, "big") % buckets)


def bucket_name(number: int) -> str:
    """The name of a bucket as a category: with a blank at its end, as no text of a cell has."""
    return f"#{number} "


def values_of(entry: Mapping[str, Any]) -> Sequence[str]:
    """The categories of an entry and the names of its buckets."""
    return [*entry["values"], *map(bucket_name, range(entry.get("buckets", 0)))]
