"""The one shape in which every data set reaches the trainer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Replicates:
    """Of several samples of one record: the share of positive ones, and their number, (n, T) each.

    A share is NaN where nothing was measured, and known where samples tie, unlike a label.
    """

    shares: NDArray[np.float32]
    counts: NDArray[np.float32]

    def columns(self, kept: Sequence[int]) -> "Replicates":
        """The same of some of the targets."""
        return Replicates(
            np.ascontiguousarray(self.shares[:, kept]), np.ascontiguousarray(self.counts[:, kept])
        )


@dataclass(frozen=True)
class Dataset:
    """Labelled records with the fold of each.

    ``records`` are n raw records, as the featurizer named ``featurizer`` takes them.
    ``labels`` has shape ``(n, T)``: 0, 1, or NaN where nothing was measured; ``targets`` names
    its columns. ``folds`` has shape ``(n,)``, values 0 to 4, a function of the record alone.
    ``exclusive`` says that every row has exactly one of the targets, which are classes then.
    ``parameters`` are the featurizer's, where they come with the data, and ``golden`` constructed
    records, for data of which no others are known. ``table`` says how a table was read, for whoever
    reads the next one. ``in_leaderboard`` marks, where there is such a set, the rows that occur in it.
    ``replicates`` is what the samples behind the labels say, where a record may have several.
    ``sources`` maps each file read to its sha256; ``summary`` holds counts for the model card.
    """

    name: str
    featurizer: str
    records: Sequence[object]
    labels: NDArray[np.float32]
    targets: tuple[str, ...]
    folds: NDArray[np.int8]
    in_leaderboard: NDArray[np.bool_] | None
    sources: dict[str, str]
    summary: dict[str, object]
    exclusive: bool = False
    parameters: dict[str, object] = field(default_factory=dict)
    golden: tuple[object, ...] = ()
    table: dict[str, JsonValue] = field(default_factory=dict)
    replicates: Replicates | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of a table's columns, in the records' order; none where it is no table."""
        columns: Any = self.parameters.get("columns", [])
        return tuple(column["name"] for column in columns)

    def __len__(self) -> int:
        """The number of rows n."""
        return len(self.records)
