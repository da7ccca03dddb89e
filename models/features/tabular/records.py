"""Records of named values: what the readers of numbers and of mixed tables share.

A record is a list in column order or a mapping by name. ``RecordShape`` extracts the values of a
record; ``NumberRows`` reads records that hold only numbers.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import chain
from math import isfinite, isnan
from numbers import Real
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.features.base import Accepted, Features, Outcome, Rejected

Records = Sequence[object] | NDArray[np.number]
T = TypeVar("T")

# The smallest number that float32 rounds to infinity: half a step above its largest.
_FLOAT32_LIMIT = 2.0**128 - 2.0**103
#: The outcome that all accepted records share: there are no details to tell.
ACCEPTED = Accepted({})
#: The types of values that need no closer look; booleans are none of them.
NUMBERS: frozenset[type] = frozenset((float, int))
NUMBERS_OR_NONE = NUMBERS | {type(None)}
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?")
#: Limits of what a message repeats: the number of names, and the characters of each.
_MOST_NAMES, _MOST_CHARACTERS = 24, 40


class RecordShape:
    """The names of a record's values, in order, and the words for them in messages.

    ``record``: the word for one record, such as "a candidate"; ``value``: for one of its values, such
    as "feature"; ``values``: for all of them, such as "numbers".
    """

    def __init__(self, names: Sequence[str], record: str, value: str, values: str) -> None:
        """``names``: at least one."""
        self.names = tuple(names)
        self._known = frozenset(self.names)
        self._record, self._value, self._values = record, value, values
        get: Any = itemgetter(*self.names)
        self._by_name = get if len(self.names) > 1 else lambda record: (get(record),)

    def all_values(self, records: Sequence[Any]) -> Sequence[Any] | None:
        """Each record's values in order, or None if any record must be read by ``values``."""
        kinds = set(map(type, records))
        if not kinds <= {list, tuple, dict} or not set(map(len, records)) <= {len(self.names)}:
            return None
        if dict not in kinds:
            return records
        by_name = self._by_name
        try:
            return [by_name(record) if type(record) is dict else record for record in records]
        except KeyError:
            return None

    def values(self, record: object) -> Sequence[object] | str:
        """The record's values in order, or a message that says what is wrong with its shape."""
        if isinstance(record, Mapping):
            unknown = [str(name) for name in record if name not in self._known]
            if unknown:
                return f"unknown {self._value} {shown(unknown[0])}; the names are {self._all_names()}"
            missing = [name for name in self.names if name not in record]
            if missing:
                return f"{self._value} {missing[0]} is missing; give all of {self._all_names()}"
            return [record[name] for name in self.names]
        if isinstance(record, np.ndarray) and record.ndim == 1:
            record = record.tolist()
        if not isinstance(record, (list, tuple)):
            return (
                f"{self._record} is a list of {len(self.names)} {self._values} or an object with their"
                f" names, not {kind(record)}"
            )
        if len(record) != len(self.names):
            return f"{len(self.names)} {self._value}s expected, {len(record)} given"
        return record

    def describe(self, position: int) -> str:
        """How a message names the value at a position, counted from 0."""
        return f"{self._value} {self.names[position]} (position {position + 1})"

    def _all_names(self) -> str:
        rest = len(self.names) - _MOST_NAMES
        return listed(self.names) if rest <= 0 else f"{listed(self.names)}, … ({rest:,} more)"


class NumberRows:
    """Reads records that hold only numbers.

    ``optional``: one entry per value; null and NaN are a missing value where it is true, else a fault.
    """

    def __init__(self, shape: RecordShape, optional: Sequence[bool]) -> None:
        self._shape = shape
        self._width = len(shape.names)
        self._optional = tuple(optional)
        self._may_miss = np.array(self._optional) if any(self._optional) else None
        self._kinds = NUMBERS if self._may_miss is None else NUMBERS_OR_NONE

    def read(self, records: Records) -> Features:
        """Rows of shape ``(accepted, width)``, read without a loop where the types allow it.

        ``records`` may be an array of shape ``(n, width)``. A missing value is NaN.
        """
        block = self._block(records)
        if block is None:
            table, outcomes = self._one_by_one(records)
            return Features(to_float32(table), outcomes)
        return self._of_block(block, records)

    def read_exact(self, records: Records) -> tuple[NDArray[np.float64], list[Outcome]]:
        """The accepted records' numbers ``(accepted, width)`` as they came, and all outcomes."""
        block = self._block(records)
        if block is None:
            return self._one_by_one(records)
        outcomes = self._of_block(block, records).outcomes
        rows = block.astype(np.float64)
        accepted = [outcome is ACCEPTED for outcome in outcomes]
        return rows if all(accepted) else rows[accepted], outcomes

    def _one_by_one(self, records: Records) -> tuple[NDArray[np.float64], list[Outcome]]:
        values, outcomes = read_each(records, self._checked)
        return np.array(values, dtype=np.float64).reshape(-1, self._width), outcomes

    def _of_block(self, block: NDArray[np.number], records: Records) -> Features:
        rows = to_float32(block)
        sound = np.isfinite(rows)
        if self._may_miss is not None:
            # A number beyond float32 is an infinity by now, not a missing value.
            sound |= np.isnan(rows) & self._may_miss
        outcomes: list[Outcome] = [ACCEPTED] * len(rows)
        if sound.all():
            return Features(rows, outcomes)
        accepted = sound.all(axis=1)
        for index in np.flatnonzero(~accepted).tolist():
            fault = self._checked(records[index])
            assert isinstance(fault, str)
            outcomes[index] = Rejected(fault)
        return Features(np.ascontiguousarray(rows[accepted]), outcomes)

    def _block(self, records: Records) -> NDArray[np.number] | None:
        """All records as an array ``(n, width)``, or None if any record must be read by itself."""
        if isinstance(records, np.ndarray):
            numeric = records.dtype.kind in "fiu"
            return records if numeric and records.shape[1:] == (self._width,) else None
        lists = self._shape.all_values(records)
        flat = None if lists is None else to_float64(lists, self._width, self._kinds)
        return None if flat is None else flat.reshape(-1, self._width)

    def _checked(self, record: object) -> Sequence[object] | str:
        """The record's values in order, or a message about the first that cannot be used."""
        values = self._shape.values(record)
        if isinstance(values, str):
            return values
        for position, (value, optional) in enumerate(zip(values, self._optional, strict=True)):
            fault = number_fault(value, optional=optional)
            if fault:
                return f"{self._shape.describe(position)} is {fault}"
        return values


def read_each(
    records: Iterable[object], read: Callable[[object], T | str]
) -> tuple[list[T], list[Outcome]]:
    """Read records one by one: what ``read`` returns for the accepted ones, and all outcomes.

    ``read`` returns a message (a text) for a record that is rejected.
    """
    results = [read(record) for record in records]
    accepted = [result for result in results if not isinstance(result, str)]
    return accepted, [Rejected(result) if isinstance(result, str) else ACCEPTED for result in results]


def number_fault(value: object, *, optional: bool) -> str:
    """What is wrong with a value that should be a number, and what to do; empty if nothing is."""
    if value is None and optional:
        return ""
    wanted = "give a finite number" + (" or null" if optional else "")
    if isinstance(value, str) and _COMMA.fullmatch(value.strip()):
        return f"a string with a decimal comma; {wanted}, written with a point"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        return f"{kind(value)}; {wanted}"
    try:
        number = float(value)
    except OverflowError:  # an int of hundreds of digits
        number = _FLOAT32_LIMIT
    if isnan(number) and optional:
        return ""
    if not isfinite(number):
        return f"{number}; {wanted}"
    if abs(number) >= _FLOAT32_LIMIT:
        return "beyond a 32-bit float, which ends at 3.4e38"
    return ""


def to_float64(
    lists: Sequence[Sequence[Any]], width: int, kinds: Set[type]
) -> NDArray[np.float64] | None:
    """The values of lists of length ``width``, one after the other, as float64 with NaN for None.

    Returns None if a value is not of ``kinds`` or is beyond float64. Types are checked because numpy
    would silently read True as 1 and "1.5" as 1.5.
    """
    if not set(map(type, chain.from_iterable(lists))) <= kinds:
        return None
    try:
        return np.fromiter(chain.from_iterable(lists), np.float64, len(lists) * width)
    except OverflowError:  # an int of hundreds of digits
        return None


def to_float32(block: NDArray[np.number]) -> NDArray[np.float32]:
    """``block`` as C-contiguous float32 of the same shape; a number beyond float32 is an infinity."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(block, dtype=np.float32)


def kind(value: object) -> str:
    """The word for a value's type in a message, in JSON's terms."""
    if value is None:
        return "null"
    for types, word in _KINDS:
        if isinstance(value, types):
            return word
    return f"a {type(value).__name__}"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    ((bool, np.bool_), "a boolean"), (str, "a string"), ((list, tuple, np.ndarray), "a list"),
    (Mapping, "an object"), (Real, "a number"),
)  # fmt: skip


def shown(text: str) -> str:
    """A text of the client in quotes, cut to a length that a message can repeat."""
    return repr(_cut(text))


def listed(names: Sequence[str]) -> str:
    """The first names, each cut to a length that a message can repeat."""
    return ", ".join(map(_cut, names[:_MOST_NAMES]))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"
