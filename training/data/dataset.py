"""The shape that all data sets have in training, and their featurizers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.features import Featurizer, create
from training.data.folds import KEY_RULE


@dataclass(frozen=True, slots=True)
class Replicates:
    """Records of several samples: the share of positive samples and their number, (n, T) each.

    A share is NaN where nothing was measured. Unlike a label it is defined where samples tie.
    """

    shares: NDArray[np.float32]
    counts: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Standard:
    """How a quantity is standardised, in double precision: a value is ``centre`` + ``scale`` × label."""

    centre: float
    scale: float
    unit: str | None = None

    @classmethod
    def of(cls, values: NDArray[np.float64], unit: str | None = None) -> "Standard":
        """By the mean and the standard deviation of values ``(n,)``, of which two differ.

        Raises ``OverflowError`` if they are too far apart for double precision.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            centre = float(values.mean())
            scale = float(np.sqrt(np.mean(np.square(values - centre))))
        if not (np.isfinite(centre) and np.isfinite(scale) and scale > 0):
            raise OverflowError
        return cls(centre, scale, unit)

    def labels(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Labels ``(n, 1)`` of values ``(n,)``."""
        return ((values - self.centre) / self.scale).astype(np.float32)[:, None]


def strata_of(labels: NDArray[np.floating], standard: Standard | None) -> NDArray[np.floating]:
    """What rows are dealt to folds by: labels ``(n, T)``, of a quantity zeros."""
    return labels if standard is None else np.zeros_like(labels)


@dataclass(frozen=True)
class Dataset:
    """Labelled records with the fold of each.

    ``records`` are n raw records, as the featurizer named ``featurizer`` takes them.
    ``labels`` has shape ``(n, T)``: 0, 1, or NaN where nothing was measured; ``targets`` names
    its columns. Of a quantity, which has a ``standard``, a label is its standardised value.
    ``folds`` has shape ``(n,)``, values 0 to 4, by the rule ``fold_rule``.
    ``exclusive`` says that every row has exactly one of the targets, which are classes then.
    ``parameters`` are the featurizer's if they come with the data, and ``golden`` are constructed
    records if they do. ``table`` says how a table was read, so that the next one is read alike.
    ``replicates`` are the samples behind the labels, if a record may have several.
    ``parts`` are rows ``(n,)`` whose figures are given apart, by name. ``notices`` are sentences about
    how a user's file was read. ``weights`` ``(n,)`` are the rows' in training's loss; figures and
    calibration count rows alike. ``sources`` maps each file read to its sha256; ``summary`` holds
    counts for the model card.
    """

    name: str
    featurizer: str
    records: Sequence[object]
    labels: NDArray[np.float32]
    targets: tuple[str, ...]
    folds: NDArray[np.int8]
    sources: dict[str, str]
    summary: dict[str, object]
    exclusive: bool = False
    standard: Standard | None = None
    parameters: dict[str, object] = field(default_factory=dict)
    golden: tuple[object, ...] = ()
    table: dict[str, JsonValue] = field(default_factory=dict)
    replicates: Replicates | None = None
    fold_rule: str = KEY_RULE
    weights: NDArray[np.float32] | None = None
    parts: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of a table's columns, in the records' order; empty for other data."""
        columns: Any = self.parameters.get("columns", [])
        return tuple(column["name"] for column in columns)

    @property
    def strata(self) -> NDArray[np.floating]:
        """What rows are dealt to folds by: labels ``(n, T)``, of a quantity zeros."""
        return strata_of(self.labels, self.standard)

    def __len__(self) -> int:
        """The number of rows n."""
        return len(self.records)


def featurizer_for(dataset: Dataset) -> Featurizer:
    """The featurizer of a data set; that of molecules counts fragments chosen among its parents."""
    if not dataset.featurizer.startswith("molecules-"):
        return create(dataset.featurizer, dataset.parameters)
    from training.data.fragment_choice import fragment_parameters  # RDKit takes a while to load

    return create(dataset.featurizer, fragment_parameters([str(record) for record in dataset.records]))
