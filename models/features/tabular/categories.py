"""Categorical columns: which values are known, and what a value is as the text of a category."""

from collections.abc import Sequence

import numpy as np

from models.features.tabular.cells import category
from models.features.tabular.records import kind, listed, shown

#: Below this a float represents every integer exactly.
EXACT = 2**53


class Category:
    """A categorical column; ``indices`` maps each accepted value to the index of its feature."""

    def __init__(self, name: str, values: Sequence[str], *, optional: bool, other: bool) -> None:
        self.name, self.optional = name, optional
        self._values = tuple(values)
        self.indices: dict[object, int] = {value: index for index, value in enumerate(values)}
        features = [f"{name}={value}" for value in values]
        if optional:
            self.indices[None] = len(features)
            features.append(f"{name} (missing)")
        #: The spelling of true and false here, if these are all values: any other is read as it.
        spelled = {value.lower(): value for value in values}
        self._truths = spelled if spelled.keys() == {"true", "false"} else {}
        self._other = len(features) if other else None
        if other:
            features.append(f"{name} (other)")
        self.features = tuple(features)

    def index(self, value: object) -> int | str:
        """The index of the feature that is 1, or a message: what is wrong with the value, what to do."""
        text = as_category(value)
        if text is not None and text not in self.indices:
            text = self._truths.get(text.lower(), text)
        if text is None and value is not None and not isinstance(value, str):
            return f"{kind(value)}; give one of {listed(self._values)}"
        index = self.indices.get(text, None if text is None else self._other)
        if index is not None:
            return index
        what = "missing" if text is None else f"{shown(text)}, which is not known"
        return f"{what}; give one of {listed(self._values)}"


def as_category(value: object) -> str | None:
    """A value as the text of a category: integers in digits, booleans as in JSON.

    None for a missing value and for a value of any other type.
    """
    if isinstance(value, str):
        return category(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, float)) and abs(value) < EXACT and value == int(value):
        return str(int(value))
    return None
