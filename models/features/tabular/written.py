"""Tables whose schema says how values are written: truth values, dates, numbers of many forms.

As ``tables-2`` of ``featurizer``, and besides, in the parameters:

    {"missing": ["-999"],
     "columns": [{"name": "price", "kind": "number", …, "decimal": ",", "thousands": ".", "signs": true},
                 {"name": "flag", "kind": "number", …, "binary": true},
                 {"name": "member", "kind": "boolean", "optional": false, "values": ["false", "true"]},
                 {"name": "born", "kind": "date", "optional": true, "form": "%d.%m.%Y",
                  "parts": [{"part": "month", "centre": 6, "scale": 4, "knots": [1, 2, …], "low": 1,
                             "high": 12}]},
                 {"name": "city", "kind": "category", …, "values": ["Linz"], "buckets": 256}]}

``columns`` says what each kind of column takes. A value means the same as a cell of a text table and as
a value of JSON or Parquet.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features.base import Features
from models.features.tabular.columns import CategoryColumn, Column, NumberColumn
from models.features.tabular.numeric_encoding import NumberFeatures
from models.features.tabular.records import (
    ACCEPTED,
    NUMBERS_OR_NONE,
    NumberRows,
    Records,
    RecordShape,
    read_each,
    to_float32,
    to_float64,
)
from models.features.tabular.schema import read_written_columns


class WrittenTableFeaturizer:
    """``tables-3``: a record is a list of values in column order, or a mapping by name.

    ``parameters``: the schema that the module's docstring describes.
    """

    identifier = "tables-3"
    judges_applicability = False
    domain = None

    def __init__(self, parameters: Mapping[str, object]) -> None:
        """Raises ``FeaturizerError`` if ``parameters`` are not a valid schema."""
        self._columns = read_written_columns(self.identifier, parameters)
        self.parameters: dict[str, object] = dict(parameters)
        self.fields = tuple(column.name for column in self._columns)
        self.texts = frozenset(c.name for c in self._columns if not isinstance(c, NumberColumn))
        self.readers = tuple(column.text for column in self._columns)
        self._categories = [c for c in self._columns if isinstance(c, CategoryColumn)]
        self._features = NumberFeatures([number for c in self._columns for number in c.numbers])
        one_hot = [name for column in self._categories for name in column.category.features]
        self.names = (*self._features.names, *one_hot)
        #: The column that each feature is of.
        self.sources = (
            *(c.name for c in self._columns for number in c.numbers for _ in number.features),
            *(c.name for c in self._categories for _ in c.category.features),
        )
        word = "numbers" if not self.texts else "values"
        self._shape = RecordShape(self.fields, "a record", "column", word)
        plain = [
            c.number.optional for c in self._columns if isinstance(c, NumberColumn) and _is_plain(c)
        ]
        self._numbers = NumberRows(self._shape, plain) if len(plain) == len(self.fields) else None

    def featurize(self, records: Records) -> Features:
        """Rows of shape ``(accepted, F)``; never raises for a bad record."""
        if self._numbers is not None:
            values, outcomes = self._numbers.read_exact(records)
            return Features(self._features.rows(values), outcomes)
        lists = self._shape.all_values(records.tolist() if isinstance(records, np.ndarray) else records)
        blocks = None if lists is None else self._by_column(lists)
        if blocks is not None and lists is not None:
            return Features(self._assembled(len(lists), blocks), [ACCEPTED] * len(lists))
        accepted, outcomes = read_each(records, self._read)
        return Features(self._assembled(len(accepted), list(zip(*accepted, strict=True))), outcomes)

    def _by_column(self, lists: Sequence[Any]) -> list[Any] | None:
        """Each column's parts, read column by column; None if any record must be read by itself."""
        blocks: list[Any] = []
        for column, values in zip(self._columns, zip(*lists, strict=True), strict=False):
            numbers = _numbers_of(column, values)
            if numbers is not None:
                blocks.append(numbers)
                continue
            parts = [column.read(value) for value in values]
            if any(isinstance(part, str) for part in parts):
                return None
            blocks.append(parts)
        return blocks

    def _read(self, record: object) -> list[Any] | str:
        """A record's parts by column, or a message about the first bad value."""
        values = self._shape.values(record)
        if isinstance(values, str):
            return values
        parts: list[Any] = []
        for position, (column, value) in enumerate(zip(self._columns, values, strict=True)):
            part = column.read(value)
            if isinstance(part, str):
                return f"{self._shape.describe(position)} is {part}"
            parts.append(part)
        return parts

    def _assembled(self, count: int, blocks: Sequence[Any]) -> NDArray[np.float32]:
        """Feature rows from the parts of each column."""
        rows = np.zeros((count, len(self.names)), np.float32)
        if not count:
            return rows
        start = len(self._features.names)
        pairs = list(zip(self._columns, blocks, strict=True))
        numbers = [
            np.asarray(block, np.float64).reshape(count, -1)
            for column, block in pairs
            if not isinstance(column, CategoryColumn)
        ]
        if numbers:
            rows[:, :start] = self._features.rows(np.concatenate(numbers, axis=1))
        for column, block in pairs:
            if isinstance(column, CategoryColumn):
                rows[np.arange(count), start + np.asarray(block, np.intp)] = 1
                start += len(column.category.features)
        return rows


def _is_plain(column: NumberColumn) -> bool:
    """Whether a column takes numbers alone, none of which means a missing one."""
    return column.text.is_plain and not column.binary and not column.text.marks.numbers


def _numbers_of(column: Column, values: Sequence[Any]) -> NDArray[np.float64] | None:
    """A column of numbers at once; None if any value must be read by itself."""
    if not isinstance(column, NumberColumn):
        return None
    exact = to_float64([values], len(values), NUMBERS_OR_NONE)
    if exact is None:
        return None
    if column.text.marks.numbers:
        exact[np.isin(exact, list(column.text.marks.numbers))] = np.nan
    block = to_float32(exact)
    sound = ~np.isinf(block) if column.number.optional else np.isfinite(block)
    return exact if sound.all() else None
