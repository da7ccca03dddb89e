"""Rows of named values: what records of numbers and of tables have in common.

A record is a list in column order or a mapping by name. ``NumberRows`` reads those that are numbers
alone; ``RecordShape`` finds the values of a record whatever they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import isfinite, isnan
from numbers import Real
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features.base import Accepted, Features, Outcome, Rejected

Records = Sequence[object] | NDArray[np.number]

# The least number that float32 rounds to infinity: half a step above its largest.
_FLOAT32_LIMIT = 2.0**128 - 2.0**103
#: A row that is read has nothing to tell, so all of them share one outcome.
ACCEPTED = Accepted({})
#: The most names and characters of one that a message repeats.
_NAMED, _SHOWN = 24, 40


class RecordShape:
    """The names of a record's values, in order, and the words for them.

    ``record`` is what one record is called, ``value`` what one of its values is, and ``values`` what
    they all are: a candidate, a feature, numbers.
    """

    def __init__(self, names: Sequence[str], record: str, value: str, values: str) -> None:
        """Take at least one name."""
        self.names = tuple(names)
        self._known = frozenset(self.names)
        self._record, self._value, self._values = record, value, values
        get: Any = itemgetter(*self.names)
        self._by_name = get if len(self.names) > 1 else lambda record: (get(record),)

    def together(self, records: Sequence[Any]) -> Sequence[Any] | None:
        """Each record's values in order, or None where one record needs a closer look."""
        kinds = set(map(type, records))
        if not kinds <= {list, tuple, dict}:
            return None
        if not set(map(len, records)) <= {len(self.names)}:
            return None
        if dict not in kinds:
            return records
        by_name = self._by_name
        try:
            return [by_name(record) if type(record) is dict else record for record in records]
        except KeyError:
            return None

    def values(self, record: object) -> Sequence[object] | str:
        """The record's values in order, or what is wrong with its shape."""
        if isinstance(record, Mapping):
            unknown = [str(name) for name in record if name not in self._known]
            if unknown:
                return f"unknown {self._value} {shown(unknown[0])}; the names are {self._all()}"
            missing = [name for name in self.names if name not in record]
            if missing:
                return f"{self._value} {missing[0]} is missing; give all of {self._all()}"
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

    def place(self, position: int) -> str:
        """What a message calls the value at a position, from 0."""
        return f"{self._value} {self.names[position]} (position {position + 1})"

    def _all(self) -> str:
        rest = len(self.names) - _NAMED
        return listed(self.names) if rest <= 0 else f"{listed(self.names)}, … ({rest:,} more)"


class NumberRows:
    """Reads records of numbers alone; where ``optional`` says so, null or NaN is a missing value."""

    def __init__(self, shape: RecordShape, optional: Sequence[bool]) -> None:
        """``optional`` has one entry per value."""
        self._shape = shape
        self._width = len(shape.names)
        self._optional = tuple(optional)
        self._gaps = np.array(self._optional) if any(self._optional) else None
        self._kinds = {float, int} if self._gaps is None else {float, int, type(None)}

    def read(self, records: Records) -> Features:
        """Rows of shape ``(accepted, width)``; an array ``(n, width)`` is read without a loop."""
        block = self._together(records)
        if block is None:
            return self._singly(records)
        rows = to_float32(block)
        if self._gaps is None:
            sound: NDArray[np.bool_] = np.asarray(np.isfinite(rows).all(axis=1))
        else:
            # What float32 cannot hold is an infinity by now, and no missing value.
            sound = np.asarray((np.isfinite(rows) | (np.isnan(rows) & self._gaps)).all(axis=1))
        if sound.all():
            return Features(rows, [ACCEPTED] * len(rows))
        outcomes: list[Outcome] = [ACCEPTED] * len(rows)
        for index in np.flatnonzero(~sound).tolist():
            fault = self._examined(records[index])
            assert isinstance(fault, str)
            outcomes[index] = Rejected(fault)
        return Features(np.ascontiguousarray(rows[sound]), outcomes)

    def _together(self, records: Records) -> NDArray[np.number] | None:
        """All records as one ``(n, width)`` array, or None where one of them needs a closer look.

        Types are checked first because numpy would read True as 1 and "1.5" as 1.5 in silence.
        """
        if isinstance(records, np.ndarray):
            numeric = records.dtype.kind in "fiu"
            return records if numeric and records.shape[1:] == (self._width,) else None
        lists = self._shape.together(records)
        if lists is None or not set(map(type, chain.from_iterable(lists))) <= self._kinds:
            return None
        numbers: Iterable[float] = chain.from_iterable(lists)
        try:  # None becomes NaN
            flat = np.fromiter(numbers, np.float64, len(lists) * self._width)
        except OverflowError:  # an int of hundreds of digits
            return None
        return flat.reshape(-1, self._width)

    def _singly(self, records: Records) -> Features:
        """The careful path: one record after the other, each with its own verdict."""
        rows: list[Sequence[object]] = []
        outcomes: list[Outcome] = []
        for record in records:
            values = self._examined(record)
            if isinstance(values, str):
                outcomes.append(Rejected(values))
            else:
                rows.append(values)
                outcomes.append(ACCEPTED)
        block = np.array(rows, dtype=np.float64).reshape(-1, self._width)
        return Features(to_float32(block), outcomes)

    def _examined(self, record: object) -> Sequence[object] | str:
        """The record's values in order, or what is wrong with the first that cannot be used."""
        values = self._shape.values(record)
        if isinstance(values, str):
            return values
        for position, (value, optional) in enumerate(zip(values, self._optional, strict=True)):
            fault = number_fault(value, optional=optional)
            if fault:
                return f"{self._shape.place(position)} is {fault}"
        return values


def number_fault(value: object, *, optional: bool) -> str:
    """What is wrong with a value that should be a number, and what to do; empty where nothing is."""
    if value is None and optional:
        return ""
    wanted = "give a finite number" + (" or null" if optional else "")
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


def to_float32(block: NDArray[np.number]) -> NDArray[np.float32]:
    """The cast, with what float32 cannot hold left as an infinity for the caller to reject."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(block, dtype=np.float32)


def kind(value: object) -> str:
    """A client's word for a value of the wrong type."""
    if value is None:
        return "null"
    if isinstance(value, (bool, np.bool_)):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, (list, tuple, np.ndarray)):
        return "a list"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Real):
        return "a number"
    return f"a {type(value).__name__}"


def shown(text: str) -> str:
    """A client's own word, short enough to repeat."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def listed(names: Sequence[str]) -> str:
    """The first names, each short enough to repeat."""
    return ", ".join(n if len(n) <= _SHOWN else n[:_SHOWN] + "…" for n in names[:_NAMED])
