"""All cut-offs of one target: the best by a rule, the two of an assay, and the curve that is published.

Arrays of labels and probabilities are of shape ``(n,)``, without NaN, and of both classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle.cutoffs import Curve

Array = NDArray[np.floating]

#: The precision from which on an assay is called active.
ACTIVE_PRECISION = 0.5
#: A precision counts less by so many of its standard errors, so that it holds on other rows, too; and
#: so few calls have none.
_ERRORS, _FEWEST_CALLS = 1.0, 10

#: The points of a curve: these recalls and false-positive rates, as far as there are rows between them.
_RECALLS = np.concatenate([np.linspace(0, 1, 101), [0.985, 0.992, 0.995, 0.997, 0.998, 0.999]])
_RATES = np.concatenate(
    [np.arange(1, 10) * 1e-4, np.arange(1, 50) * 1e-3, np.arange(5, 30) * 1e-2, np.linspace(0.3, 1, 29)]
)


@dataclass(frozen=True, slots=True)
class Steps:
    """Every cut-off that tells some rows from others: ``(k,)`` arrays, thresholds falling.

    ``hits`` and ``calls`` are the positive rows, and all, from ``threshold`` on.
    """

    threshold: NDArray[np.float64]
    hits: NDArray[np.int64]
    calls: NDArray[np.int64]

    @property
    def positives(self) -> int:
        """The number of positive rows."""
        return int(self.hits[-1])

    @property
    def negatives(self) -> int:
        """The number of negative rows."""
        return int(self.calls[-1] - self.hits[-1])


def steps_of(labels: Array, probability: Array) -> Steps:
    """Return the cut-offs midway between neighbouring probabilities."""
    order = np.argsort(-probability, kind="stable")
    ranked = np.asarray(probability[order], dtype=np.float64)
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    middle = (ranked[last] + np.append(ranked[last[:-1] + 1], 0.0)) / 2
    return Steps(middle, np.cumsum(labels[order] == 1)[last], last + 1)


def active_from(labels: Array, probability: Array, elevated: float) -> float:
    """Return where active begins: the lowest cut-off with a precision of ``ACTIVE_PRECISION``.

    Where none is reached, it is that of the highest precision. It is never below ``elevated``.
    """
    steps = steps_of(labels, probability)
    precision = steps.hits / steps.calls
    spread = np.sqrt(precision * (1 - precision) + 1 / steps.calls)
    sure = np.where(
        steps.calls >= min(_FEWEST_CALLS, int(steps.calls[-1])),
        precision - _ERRORS * spread / np.sqrt(steps.calls),
        -1.0,
    )
    reached = np.flatnonzero(sure >= ACTIVE_PRECISION)
    best = int(reached[-1]) if len(reached) else int(np.argmax(sure))
    return max(float(steps.threshold[best]), elevated)


def curve_of(labels: Array, probability: Array) -> Curve:
    """Return the curve of calls by cut-off, of a bounded number of points."""
    steps = steps_of(labels, probability)
    alarms = steps.calls - steps.hits
    recall = np.searchsorted(steps.hits, np.ceil(_RECALLS * steps.positives - 1e-9))
    rate = np.searchsorted(alarms, np.floor(_RATES * steps.negatives + 1e-9), side="right") - 1
    kept = np.unique(np.concatenate([[0], recall, rate[rate >= 0], [len(alarms) - 1]]))
    return Curve(
        threshold=[float(f"{value:.9g}") for value in steps.threshold[kept]],
        hits=steps.hits[kept].tolist(),
        false_alarms=alarms[kept].tolist(),
        positive=steps.positives,
        negative=steps.negatives,
    )
