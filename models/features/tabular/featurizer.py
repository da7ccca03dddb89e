"""Plain tables: columns of numbers and of categories, some of which may be missing.

The parameters are the table's schema, which training reads off its data:

    {"columns": [{"name": "age", "kind": "number", "optional": true, "knots": [18, 40, 65],
                  "centre": 41, "scale": 13},
                 {"name": "job", "kind": "category", "optional": false, "other": true,
                  "values": ["clerk", "driver"]}]}

The features of all numbers come first (``numbers`` says which), then those of all categories: one per
known value, 1 at its own. Where a column is ``optional`` one more is 1 where the value is missing, and
where a column of categories has ``other`` so is one for any value that is not known (training lumps
the rare ones together there). Elsewhere a missing or unknown value is refused, for the network has
seen no such thing.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import FeaturizerError
from models.features.base import Features, Outcome, Rejected
from models.features.tabular.cells import category
from models.features.tabular.numeric_encoding import Number, NumberFeatures
from models.features.tabular.records import (
    ACCEPTED,
    NumberRows,
    Records,
    RecordShape,
    kind,
    listed,
    number_fault,
    shown,
    to_float32,
)

#: Guards against a schema that would fill memory.
_MOST_COLUMNS, _MOST_FEATURES, _MOST_KNOTS = 4096, 65_536, 256
_LONGEST = 200
_LARGEST, _SMALLEST = 3.4e38, 1e-30
_PLAIN = (("centre", 0.0), ("scale", 1.0))
_REFUSED = -1
#: Whole numbers below this are told apart by a float, and have few digits.
_WHOLE = 2**53


class Category:
    """A column of categories; ``places`` maps each value that is taken to its feature's place."""

    def __init__(self, name: str, values: Sequence[str], *, optional: bool, other: bool) -> None:
        self.name, self.optional = name, optional
        self._values = tuple(values)
        self.places: dict[object, int] = {value: place for place, value in enumerate(values)}
        features = [f"{name}={value}" for value in values]
        if optional:
            self.places[None] = len(features)
            features.append(f"{name} (missing)")
        self._other = len(features) if other else _REFUSED
        if other:
            features.append(f"{name} (other)")
        self.features = tuple(features)

    def place(self, value: object) -> int | str:
        """The place of the feature that is 1, or what is wrong with the value and what to do."""
        text = as_category(value)
        if text is None and value is not None and not isinstance(value, str):
            return f"{kind(value)}; give one of {listed(self._values)}"
        found = self.places.get(text, self._other if text is not None else _REFUSED)
        if found != _REFUSED:
            return found
        what = "missing" if text is None else f"{shown(text)}, which is not known"
        return f"{what}; give one of {listed(self._values)}"


def as_category(value: object) -> str | None:
    """A category as training wrote it: numbers by their digits, booleans in JSON's words."""
    if isinstance(value, str):
        return category(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, float)) and abs(value) < _WHOLE and value == int(value):
        return str(int(value))
    return None


class TableFeaturizer:
    """``tables-1``: a record is a list of values in column order, or a mapping by name.

    ``parameters`` is the schema of the module's head.
    """

    identifier = "tables-1"

    def __init__(self, parameters: Mapping[str, object]) -> None:
        """Raises ``FeaturizerError`` for parameters that are no schema."""
        self._columns = _read_columns(parameters)
        self.parameters: dict[str, object] = {"columns": parameters["columns"]}
        self.fields = tuple(column.name for column in self._columns)
        self.texts = frozenset(c.name for c in self._columns if isinstance(c, Category))
        numbers = [column for column in self._columns if isinstance(column, Number)]
        self._features = NumberFeatures(numbers)
        others = [name for c in self._columns if isinstance(c, Category) for name in c.features]
        self.names = (*self._features.names, *others)
        mixed = bool(self.texts)
        self._shape = RecordShape(self.fields, "a record", "column", "values" if mixed else "numbers")
        self._numbers = None if mixed else NumberRows(self._shape, [c.optional for c in numbers])

    def featurize(self, records: Records) -> Features:
        """Rows of shape ``(accepted, F)``; records of numbers alone are read without a loop."""
        if self._numbers is not None:
            read = self._numbers.read(records)
            return Features(self._features.rows(read.rows), read.outcomes)
        lists = None if isinstance(records, np.ndarray) else self._shape.together(records)
        rows = None if lists is None else self._together(lists)
        if rows is not None:
            return Features(rows, [ACCEPTED] * len(rows))
        return self._singly(records)

    def _together(self, lists: Sequence[Any]) -> NDArray[np.float32] | None:
        """Column by column; None where any value needs a closer look."""
        numbers, places = [], []
        for column, values in zip(self._columns, zip(*lists, strict=True), strict=False):
            if isinstance(column, Category):
                try:
                    places.append([column.places[value] for value in values])
                except (KeyError, TypeError):  # not known, or nothing that could be
                    return None
            else:
                if not set(map(type, values)) <= {float, int, type(None)}:
                    return None
                try:
                    block = to_float32(np.fromiter(values, np.float64, len(values)))
                except OverflowError:  # an int of hundreds of digits
                    return None
                sound = ~np.isinf(block) if column.optional else np.isfinite(block)
                if not sound.all():
                    return None
                numbers.append(block)
        return self._assembled(len(lists), numbers, places)

    def _singly(self, records: Records) -> Features:
        """The careful path: one record after the other, each with its own verdict."""
        accepted: list[tuple[list[float], list[int]]] = []
        outcomes: list[Outcome] = []
        for record in records:
            values = self._shape.values(record)
            read = values if isinstance(values, str) else self._read(values)
            if isinstance(read, str):
                outcomes.append(Rejected(read))
            else:
                accepted.append(read)
                outcomes.append(ACCEPTED)
        numbers = [to_float32(np.array(c)) for c in zip(*(n for n, _ in accepted), strict=True)]
        places = [list(column) for column in zip(*(p for _, p in accepted), strict=True)]
        return Features(self._assembled(len(accepted), numbers, places), outcomes)

    def _read(self, values: Sequence[object]) -> tuple[list[float], list[int]] | str:
        """A record's numbers and its categories' places, or what is wrong with the first value."""
        numbers: list[float] = []
        places: list[int] = []
        for position, (column, value) in enumerate(zip(self._columns, values, strict=True)):
            if isinstance(column, Category):
                found = column.place(value)
                if isinstance(found, str):
                    return f"{self._shape.place(position)} is {found}"
                places.append(found)
            else:
                fault = number_fault(value, optional=column.optional)
                if fault:
                    return f"{self._shape.place(position)} is {fault}"
                number: Any = np.nan if value is None else value
                numbers.append(float(number))
        return numbers, places

    def _assembled(
        self, count: int, numbers: list[NDArray[np.float32]], places: list[list[int]]
    ) -> NDArray[np.float32]:
        """Feature rows of columns of numbers, and of each category column's places."""
        rows = np.zeros((count, len(self.names)), np.float32)
        if not count:
            return rows
        start = len(self._features.names)
        if numbers:
            rows[:, :start] = self._features.rows(np.stack(numbers, axis=1))
        categories = [column for column in self._columns if isinstance(column, Category)]
        for column, chosen in zip(categories, places, strict=True):
            rows[np.arange(count), start + np.array(chosen, np.intp)] = 1
            start += len(column.features)
        return rows


def _read_columns(parameters: Mapping[str, object]) -> tuple[Number | Category, ...]:
    entries = parameters.get("columns")
    if set(parameters) != {"columns"} or not isinstance(entries, list) or not entries:
        raise FeaturizerError(
            f"featurizer tables-1 takes the parameter columns, a list, got {', '.join(parameters)}"
        )
    if len(entries) > _MOST_COLUMNS:
        raise FeaturizerError(f"featurizer tables-1 takes at most {_MOST_COLUMNS:,} columns")
    columns = tuple(_read_column(number, entry) for number, entry in enumerate(entries, start=1))
    if len({column.name for column in columns}) < len(columns):
        raise FeaturizerError("featurizer tables-1: two columns have the same name")
    if sum(len(column.features) for column in columns) > _MOST_FEATURES:
        raise FeaturizerError(f"featurizer tables-1 makes at most {_MOST_FEATURES:,} features")
    return columns


def _read_column(number: int, entry: object) -> Number | Category:
    """One column of a schema; raises ``FeaturizerError`` naming it."""
    where = f"featurizer tables-1, column {number}"
    if not isinstance(entry, Mapping):
        raise FeaturizerError(f"{where} is {kind(entry)}, not an object")
    name, optional, what = entry.get("name"), entry.get("optional"), entry.get("kind")
    if not _is_word(name) or not isinstance(optional, bool):
        raise FeaturizerError(f"{where}: name must be a text of 1 to {_LONGEST} and optional a boolean")
    if what == "number" and set(entry) <= {"name", "kind", "optional", "knots", "centre", "scale"}:
        knots = _read_knots(where, entry.get("knots", []))
        centre, scale = (_number(where, entry.get(name, plain)) for name, plain in _PLAIN)
        if not scale > _SMALLEST:
            raise FeaturizerError(f"{where}: its scale must be above 0")
        return Number(str(name), optional, knots, centre, scale)
    values, other = entry.get("values"), entry.get("other")
    if what != "category" or set(entry) != {"name", "kind", "optional", "other", "values"}:
        raise FeaturizerError(
            f"{where}: it must have name, optional and kind 'number', perhaps knots, centre, scale; or"
            " name, optional, kind 'category', values and other"
        )
    if not isinstance(values, list) or not values or not isinstance(other, bool):
        raise FeaturizerError(f"{where}: values must be a list of texts and other a boolean")
    if not all(map(_is_word, values)) or len(set(values)) < len(values):
        raise FeaturizerError(f"{where}: its values must be different texts of 1 to {_LONGEST}")
    return Category(str(name), values, optional=optional, other=other)


def _read_knots(where: str, knots: object) -> tuple[float, ...]:
    if isinstance(knots, list) and len(knots) != 1 and len(knots) <= _MOST_KNOTS:
        read = tuple(_number(where, knot) for knot in knots)
        if all(low < high for low, high in pairwise(read)):
            return read
    raise FeaturizerError(f"{where}: knots must be 2 to {_MOST_KNOTS} numbers that rise")


def _number(where: str, value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return float(value)
    raise FeaturizerError(f"{where}: its knots, centre and scale must be numbers of a 32-bit float")


def _is_word(value: object) -> bool:
    """Whether a name or a category is one that a cell of a table can hold."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and category(value) == value
