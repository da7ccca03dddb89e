"""Sums up what a model predicts.

A batch pays for being appended to a queue. It is summed up with some hundred rows more, or when the
sums are looked at.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from models.networks.outputs import VALUE
from service.health.row_owner import RowOwner
from service.observability.counters import Traffic
from service.observability.predictions import P_VALUES, Predicted

Numbers = NDArray[np.floating]
_CLASSES = np.array(P_VALUES)

#: Rows that wait before they are summed up.
_ROOM = 1024


class PredictionCounter:
    """Sums up batches' probabilities, calls and p-values. Safe to call from several threads."""

    def __init__(
        self, traffic: Traffic, thresholds: NDArray[np.float64], *, exclusive: bool = False
    ) -> None:
        """``thresholds`` (T,) are those of the calls; ``exclusive`` targets have one call a row."""
        self._traffic, self._thresholds, self._exclusive = traffic, thresholds, exclusive
        self._batches: deque[tuple[Numbers, Numbers | None, Sequence[RowOwner]]] = deque()
        self._waiting = 0
        self._lock = Lock()

    def add(self, outputs: Mapping[str, Numbers], owners: Sequence[RowOwner]) -> None:
        """Take in a batch's ``probability`` (n, T) and, where there is one, ``p_value`` (n,).

        Of quantities, which have no probability, p-values alone are summed up.
        """
        probability = outputs[VALUE][:, :0] if VALUE in outputs else outputs["probability"]
        self._batches.append((probability, outputs.get("p_value"), owners))
        self._waiting += len(probability)
        if self._waiting >= _ROOM:
            self.fold()

    def fold(self) -> None:
        """Bring what waits into the sums."""
        if not self._batches:
            return
        with self._lock:
            self._waiting, batches = 0, []
            while self._batches:
                batches.append(self._batches.popleft())
            if batches:
                sums, before = self._sums(batches), self._traffic.predicted
                self._traffic.predicted = sums if before is None else before.plus(sums)

    def _sums(self, batches: list[tuple[Numbers, Numbers | None, Sequence[RowOwner]]]) -> Predicted:
        probability = np.concatenate([batch for batch, _, _ in batches]).astype(np.float64)
        counted = np.isfinite(probability).all(axis=1)
        if any(owner.synthetic for _, _, owners in batches for owner in owners):
            counted &= np.concatenate([_real(owners, len(batch)) for batch, _, owners in batches])
        every = bool(counted.all())
        if not every:
            probability = probability[counted]
        if self._exclusive:
            called = np.bincount(probability.argmax(axis=1), minlength=probability.shape[1])
        else:
            called = (probability.round(9) >= self._thresholds).sum(axis=0)
        classes = np.zeros(len(P_VALUES) + 1)
        known = [p_values for _, p_values, _ in batches if p_values is not None]
        if len(known) == len(batches):  # a model has them always, or never
            p_values = np.concatenate(known)
            places = _CLASSES.searchsorted(p_values if every else p_values[counted], side="right")
            classes += np.bincount(places, minlength=len(classes))
        return Predicted(len(probability), probability.sum(axis=0), called.astype(np.float64), classes)


def _real(owners: Sequence[RowOwner], rows: int) -> NDArray[np.bool_]:
    """Which rows are no examples or probes, which tell nothing of the traffic."""
    if not owners:
        return np.ones(rows, bool)
    return np.repeat([not owner.synthetic for owner in owners], [owner.rows for owner in owners])
