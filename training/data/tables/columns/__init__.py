"""The kinds and values of a table's columns, inferred from their cells.

Numbers, truth values, dates, or categories; see ``models.features.tabular.columns``.
"""

from training.data.tables.columns.categories import MOST_CATEGORIES
from training.data.tables.columns.column import Column, is_missing
from training.data.tables.columns.kinds import known_or_none, read_column

__all__ = ["MOST_CATEGORIES", "Column", "is_missing", "known_or_none", "read_column"]
