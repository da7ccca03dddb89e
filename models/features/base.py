"""What every featurizer answers: a block of feature rows and one outcome per record.

A featurizer never raises for a bad record and never lets one touch its neighbours: what it
cannot read comes back as ``Rejected`` with a sentence for the client, and takes no row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record that became a row; ``details`` is what the client is told about the reading."""

    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be read; ``message`` is one sentence: what is wrong, what to do."""

    message: str


Outcome = Accepted | Rejected


@dataclass(frozen=True, slots=True)
class Features:
    """The answer to one call.

    ``rows`` has shape ``(accepted, F)``, C-contiguous float32, in the records' order. It may
    hold NaN (a descriptor that is undefined here; the graph imputes it) but never an infinity.
    ``outcomes`` has one entry per record, in order.
    """

    rows: NDArray[np.float32]
    outcomes: list[Outcome]


class Featurizer(Protocol):
    """Raw records in, feature rows out; safe to call from several threads or processes.

    ``identifier`` names the rule: where the same record would be answered otherwise, the number
    at its end grows. ``parameters`` is JSON-able, and ``create(identifier, parameters)`` builds
    the same featurizer again. ``names`` are the F feature names, in column order;
    ``fields`` are the names of what a record holds, which need not be the same.
    """

    @property
    def identifier(self) -> str:
        """The rule that turns records into rows, such as ``molecules-1``."""

    @property
    def names(self) -> tuple[str, ...]:
        """The F feature names, in column order."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of a record's values, in order; none where a record is one text, a SMILES."""

    @property
    def texts(self) -> frozenset[str]:
        """Those of the fields whose values are text; all others are numbers."""

    @property
    def parameters(self) -> dict[str, object]:
        """What ``create`` needs beside the identifier, JSON-able."""

    def featurize(self, records: Sequence[object]) -> Features:
        """Read ``records``; never raises for a bad one."""
