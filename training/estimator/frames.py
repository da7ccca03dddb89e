"""Data frames as rows that scikit-learn's validation takes, and messages about files as of arrays."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

#: What a message about a file says that has no sense of an array, and what it says instead.
_OF_FILES = (
    (r"(; |, or )?leave it out by --ignore .*", "; leave it out"),
    (r"say --missing .+? if (it|that) means nothing", r"put NaN in its place if \1 means nothing"),
    (r"by --category \S+", "by categorical_features"),
    (r"read (them|such numbers) by --(decimal|thousands|number) .*", r"give \1 as numbers"),
    (r"--category (\S+) makes", r"categorical_features makes"),
)


def with_objects(X: Any) -> Any:
    """A data frame with Python's values where a column is not of numpy's numbers; others as they are.

    numpy has no common type of numbers and times, none of pyarrow's types, and no missing integer.
    """
    kinds = getattr(X, "dtypes", None)
    if not hasattr(X, "columns") or kinds is None or not hasattr(X, "astype"):
        return X
    plain = all(isinstance(kind, np.dtype) and kind.kind in "fiub" for kind in kinds)
    return X if plain else X.astype(object)


def classes_of(y: ArrayLike) -> Any:
    """Classes as numpy has them; raises ``ValueError`` naming the first row that has none."""
    given: Any = y
    if given is None:
        return None
    if getattr(given, "ndim", 1) == 1 and hasattr(given, "isna"):  # of pandas
        missing = np.flatnonzero(np.asarray(given.isna()))
    else:
        cells = np.asarray(given).ravel().tolist()
        missing = np.flatnonzero([each is None for each in cells])
    if len(missing):
        raise ValueError(f"y is missing in row {missing[0]}; leave out the rows without a class")
    return given.to_numpy() if hasattr(given, "to_numpy") else given


def of_arrays(message: str) -> str:
    """A message about a table's file, without the options of the command line."""
    for pattern, instead in _OF_FILES:
        message = re.sub(pattern, instead, message)
    return message


def declared_categories(X: Any) -> Sequence[str]:
    """The columns of a data frame that are categories to pandas or Arrow; none of other rows."""
    kinds = getattr(X, "dtypes", None)
    if not hasattr(X, "columns") or kinds is None:
        return []
    pairs = zip(X.columns, map(str, kinds), strict=True)
    return [str(name) for name, kind in pairs if kind == "category" or kind.startswith("dictionary<")]
