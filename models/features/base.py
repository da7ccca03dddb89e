"""The interface of all featurizers: a block of feature rows and one outcome per record.

A featurizer never raises for a bad record, and a bad record never changes the result of another. A
record that it cannot read is ``Rejected`` with a message for the client, and has no row. One that it
reads but that the model cannot judge, as a molecule without carbon, is ``NotApplicable`` and has a row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.domain.measured import MeasuredCompounds


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record that has a row; ``details`` tells the client how the record was interpreted."""

    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """A record that has a row, but that the model cannot judge; ``message`` says why in one sentence."""

    message: str
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot be read; ``message`` says in one sentence what is wrong and what to do."""

    message: str


Outcome = Accepted | NotApplicable | Rejected


@dataclass(frozen=True, slots=True)
class Features:
    """The result of one ``featurize`` call.

    ``rows``: shape ``(n, F)``, C-contiguous float32, for the n records that are not rejected, in their
    order. A value may be NaN (missing or undefined; the graph imputes it) but never infinite.
    ``outcomes``: one per record, in order.
    """

    rows: NDArray[np.float32]
    outcomes: list[Outcome]

    def judged(self, *, ignore_applicability: bool = False) -> "Features":
        """The features with rows for ``Accepted`` records alone.

        With ``ignore_applicability`` those that are ``NotApplicable`` become accepted.
        """
        applies = [
            type(outcome) is Accepted for outcome in self.outcomes if type(outcome) is not Rejected
        ]
        if all(applies):
            return self
        if not ignore_applicability:
            return Features(self.rows[np.array(applies)], self.outcomes)
        return Features(
            self.rows,
            [
                Accepted(outcome.details) if isinstance(outcome, NotApplicable) else outcome
                for outcome in self.outcomes
            ],
        )


class Featurizer(Protocol):
    """Turns raw records into feature rows; safe to call from several threads and processes."""

    #: Names the rule that turns records into rows, such as ``molecules-1``. A rule that gives the same
    #: record another row has a higher number at the end.
    identifier: str
    #: JSON-able; ``create(identifier, parameters)`` builds the same featurizer again.
    parameters: dict[str, object]
    #: The F feature names, in column order.
    names: tuple[str, ...]
    #: The names of a record's values, in order; empty if a record is a single text, a SMILES.
    fields: tuple[str, ...]
    #: Those of the fields whose values are text; all others are numbers.
    texts: frozenset[str]
    #: How the text of a cell of each field is read; empty if a record is a single text. Each can be
    #: pickled and hashed.
    readers: tuple[Callable[[str], object], ...]
    #: Whether it tells records that the model cannot judge from others, and gives warnings.
    judges_applicability: bool
    #: The compounds that the model learned from, of molecules whose bundle has them.
    domain: MeasuredCompounds | None

    def featurize(self, records: Sequence[object]) -> Features:
        """Turn ``records`` into rows; never raises for a bad record."""
