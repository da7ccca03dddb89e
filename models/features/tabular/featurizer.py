"""Plain tables: numeric and categorical columns, some of which may have missing values.

The parameters are the table's schema, which training derives from its data:

    {"columns": [{"name": "age", "kind": "number", "optional": true, "knots": [18, 40, 65],
                  "centre": 41, "scale": 13},
                 {"name": "job", "kind": "category", "optional": false, "other": true,
                  "values": ["clerk", "driver"]}]}

The features of all numeric columns come first (see ``numeric_encoding``), then the one-hot encoding of
all categorical ones. An ``optional`` column has one more feature, which is 1 if the value is missing. A
categorical column with ``other`` has one more, which is 1 for any unknown value; training merges rare
values into it. In other columns a missing or unknown value is rejected, because the network was not
trained on any.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features.base import Features
from models.features.tabular.categories import Category
from models.features.tabular.cells import category, number
from models.features.tabular.numeric_encoding import Number, NumberFeatures
from models.features.tabular.records import (
    ACCEPTED,
    NUMBERS_OR_NONE,
    NumberRows,
    Records,
    RecordShape,
    number_fault,
    read_each,
    to_float32,
    to_float64,
)
from models.features.tabular.schema import read_columns


class TableFeaturizer:
    """``tables-1``: a record is a list of values in column order, or a mapping by name.

    ``parameters``: the schema that the module's docstring describes.
    """

    identifier = "tables-1"
    judges_applicability = False
    domain = None
    #: Whether numbers are centred and scaled as they came, before they are rounded to float32.
    _exact = False

    def __init__(self, parameters: Mapping[str, object]) -> None:
        """Raises ``FeaturizerError`` if ``parameters`` are not a valid schema."""
        self._columns = read_columns(self.identifier, parameters)
        self.parameters: dict[str, object] = {"columns": parameters["columns"]}
        self.fields = tuple(column.name for column in self._columns)
        self._categories = [column for column in self._columns if isinstance(column, Category)]
        self.texts = frozenset(column.name for column in self._categories)
        self.readers = tuple(category if name in self.texts else number for name in self.fields)
        numbers = [column for column in self._columns if isinstance(column, Number)]
        self._features = NumberFeatures(numbers)
        one_hot = [name for column in self._categories for name in column.features]
        self.names = (*self._features.names, *one_hot)
        #: The column that each feature is of.
        self.sources = (
            *(column.name for column in numbers for _ in column.features),
            *(column.name for column in self._categories for _ in column.features),
        )
        mixed = bool(self._categories)
        self._shape = RecordShape(self.fields, "a record", "column", "values" if mixed else "numbers")
        self._numbers = None if mixed else NumberRows(self._shape, [c.optional for c in numbers])

    def featurize(self, records: Records) -> Features:
        """Rows of shape ``(accepted, F)``; records of numbers alone are read without a loop."""
        if self._numbers is not None and self._exact:
            values, outcomes = self._numbers.read_exact(records)
            return Features(self._features.rows(values), outcomes)
        if self._numbers is not None:
            read = self._numbers.read(records)
            return Features(self._features.rows(read.rows), read.outcomes)
        lists = None if isinstance(records, np.ndarray) else self._shape.all_values(records)
        rows = None if lists is None else self._by_column(lists)
        if rows is not None:
            return Features(rows, [ACCEPTED] * len(rows))
        accepted, outcomes = read_each(records, self._read)
        numbers = [
            self._taken(np.array(column)) for column in zip(*(n for n, _ in accepted), strict=True)
        ]
        indices = list(zip(*(i for _, i in accepted), strict=True))
        return Features(self._assembled(len(accepted), numbers, indices), outcomes)

    def _by_column(self, lists: Sequence[Any]) -> NDArray[np.float32] | None:
        """Rows, read column by column; None if any record must be read by itself."""
        numbers, indices = [], []
        for column, values in zip(self._columns, zip(*lists, strict=True), strict=False):
            if isinstance(column, Category):
                try:
                    indices.append([column.indices[value] for value in values])
                except (KeyError, TypeError):  # unknown, or not hashable
                    return None
            else:
                exact = to_float64([values], len(values), NUMBERS_OR_NONE)
                if exact is None:
                    return None
                block = to_float32(exact)
                sound = ~np.isinf(block) if column.optional else np.isfinite(block)
                if not sound.all():
                    return None
                numbers.append(self._taken(exact))
        return self._assembled(len(lists), numbers, indices)

    def _taken(self, numbers: NDArray[np.float64]) -> NDArray[np.floating]:
        return numbers if self._exact else to_float32(numbers)

    def _read(self, record: object) -> tuple[list[float], list[int]] | str:
        """A record's numbers and its categories' indices, or a message about the first bad value."""
        values = self._shape.values(record)
        if isinstance(values, str):
            return values
        numbers: list[float] = []
        indices: list[int] = []
        for position, (column, value) in enumerate(zip(self._columns, values, strict=True)):
            if isinstance(column, Category):
                index = column.index(value)
                if isinstance(index, str):
                    return f"{self._shape.describe(position)} is {index}"
                indices.append(index)
            else:
                fault = number_fault(value, optional=column.optional)
                if fault:
                    return f"{self._shape.describe(position)} is {fault}"
                number: Any = np.nan if value is None else value
                numbers.append(float(number))
        return numbers, indices

    def _assembled(
        self, count: int, numbers: list[NDArray[np.floating]], indices: Sequence[Sequence[int]]
    ) -> NDArray[np.float32]:
        """Feature rows from the numeric columns and the indices of each categorical column."""
        rows = np.zeros((count, len(self.names)), np.float32)
        if not count:
            return rows
        start = len(self._features.names)
        if numbers:
            rows[:, :start] = self._features.rows(np.stack(numbers, axis=1))
        for column, chosen in zip(self._categories, indices, strict=True):
            rows[np.arange(count), start + np.array(chosen, np.intp)] = 1
            start += len(column.features)
        return rows


class ExactTableFeaturizer(TableFeaturizer):
    """``tables-2``: as ``tables-1``, but times such as MJD or milliseconds keep their differences.

    60000.0001 and 60000.0002 are one number in float32.
    """

    identifier = "tables-2"
    _exact = True
