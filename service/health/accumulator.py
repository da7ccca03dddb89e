"""Sums up rows' statistics some hundred rows at a time, request by request.

A batch pays for its p-values alone: whose its rows are, and which departed, is looked at when they are
summed up. A request whose rows come in several batches is one piece of evidence, however it was cut. (A
first part of a single row is not remembered: most requests are single rows, and would pay for it.)
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector, Judged
from models.health.evidence import Sums, sum_up, values_width
from models.health.sequential import capped
from service.health.outliers import DEPARTED, KEPT, OutlierLog
from service.health.row_owner import Requester, RowOwner
from service.health.windows import COUNTS

#: Rows that wait before they are summed up.
ROOM = 256

#: Requests of several rows that are remembered in case more of them comes.
_REMEMBERED = 64

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that waits to be summed up; ``at`` is when it came, by a monotonic clock."""

    judged: Judged
    p_values: Array
    owners: Sequence[RowOwner]
    at: float


class StatisticsAccumulator:
    """The batches that wait, and the sums of those before them. One thread at a time may use it."""

    def __init__(self, detector: Detector, outliers: OutlierLog, *, keep_features: bool = False) -> None:
        """Rows that departed are noted in ``outliers``, with their features if ``keep_features``."""
        self._detector, self._outliers, self._keep_features = detector, outliers, keep_features
        self._inputs = detector.reference.inputs
        self._batches: list[Batch] = []
        self._waiting = 0
        self._open: OrderedDict[Requester, tuple[int, Array]] = OrderedDict()
        self._counts, self._values = np.zeros(COUNTS), np.zeros(values_width(detector.layout))
        self._features = np.zeros((2, 0 if self._inputs is None else len(self._inputs.centre)))
        self._not_finite = 0

    @property
    def empty(self) -> bool:
        """Whether no row came since the sums were last taken."""
        return not (self._waiting or self._counts[0] or self._not_finite)

    def add(self, judged: Judged, p_values: Array, owners: Sequence[RowOwner], at: float) -> None:
        """Take in a batch; ``owners`` are those of its rows in their order, or of none.

        Without owners every row counts as a request of its own.
        """
        self._batches.append(Batch(judged, p_values, owners, at))
        self._waiting += len(p_values)
        if self._waiting >= ROOM:
            self._sum_up(at)  # while the processor's cache still has them

    def take(self, now: float) -> tuple[Array, Array, Array, int]:
        """Return the sums (counts, values, features, rows that are no numbers) and begin anew."""
        self._sum_up(now)
        features = np.zeros(0)
        if self._inputs is not None:
            spread = self._inputs.spread
            features = np.concatenate([self._features[0] / spread, self._features[1] / spread**2])
        taken = self._counts.copy(), self._values.copy(), features, self._not_finite
        self._counts[:] = self._values[:] = self._features[:] = 0.0
        self._not_finite = 0
        return taken

    def _sum_up(self, now: float) -> None:
        """Bring the batches that wait into the sums."""
        batches, self._batches, self._waiting = self._batches, [], 0
        if not batches:
            return
        owners = [owner for batch in batches for owner in batch.owners or _nobodys(batch)]
        requests = [owner.request for owner in owners]
        sizes = np.array([owner.rows for owner in owners])
        self._note(batches, requests, sizes, now)
        rows = self._detector.statistics([batch.judged for batch in batches])
        centred = None
        if self._inputs is not None:
            squashed = [batch.judged.squashed for batch in batches if batch.judged.squashed is not None]
            centred = squashed[0] if len(squashed) == 1 else np.concatenate(squashed)
            centred = centred - self._inputs.centre
        sums, own = sum_up(rows, sizes, self._detector.layout)
        if not np.isfinite(sums.total).all():  # one such row would turn every later statistic into NaN
            finite = np.flatnonzero(np.isfinite(rows).all(axis=0))
            self._not_finite += rows.shape[1] - len(finite)
            left, sizes = np.unique(np.repeat(range(len(sizes)), sizes)[finite], return_counts=True)
            if not len(left):
                return
            requests = [requests[number] for number in left]
            centred = None if centred is None else centred[finite]
            sums, own = sum_up(rows[:, finite], sizes, self._detector.layout)
        self._join(sums, requests, sizes, own)
        self._counts += sums.counts
        self._values += sums.values
        if centred is not None:
            self._features[0] += np.add.reduce(centred, axis=0)
            self._features[1] += np.einsum("rf,rf->f", centred, centred)

    def _join(
        self,
        sums: Sums,
        requests: Sequence[Requester | None],
        sizes: NDArray[np.integer],
        own: NDArray[np.floating],
    ) -> None:
        """Correct the sums where a part goes on with a request that is known; remember the others.

        ``own`` (E, requests) are the parts' sums of evidence.
        """
        for number, (request, size) in enumerate(zip(requests, sizes.tolist(), strict=True)):
            if request is None or (size == 1 and request not in self._open):
                continue
            rows, total = size, own[:, number].astype(np.float64)
            before = self._open.pop(request, None)
            if before is not None:
                gap = total / size - before[1] / before[0]
                sums.capped[:] -= capped(total / size) + capped(before[1] / before[0])
                rows, total = rows + before[0], total + before[1]
                sums.counts[1] -= 1
                sums.counts[2] += 2 * size * before[0]
                sums.within[:] += np.square(gap) * (size * before[0] / rows)
                sums.capped[:] += capped(total / rows)
            self._open[request] = rows, total
            if len(self._open) > _REMEMBERED:
                self._open.popitem(last=False)

    def _note(
        self,
        batches: Sequence[Batch],
        requests: Sequence[Requester | None],
        sizes: NDArray[np.integer],
        now: float,
    ) -> None:
        """Note the furthest rows that are of requests, one of each id."""
        p_values = np.concatenate([batch.p_values for batch in batches])
        departed = np.flatnonzero(p_values <= DEPARTED)
        if not len(departed):
            return
        owner_of = np.repeat(range(len(sizes)), sizes)
        starts = [0, *accumulate(len(batch.p_values) for batch in batches)]
        seen: set[bytes] = set()
        for row in departed[p_values[departed].argsort(kind="stable")].tolist():
            request = requests[owner_of[row]]
            if request is None or request.request_id in seen:
                continue
            seen.add(request.request_id)
            number = int(np.searchsorted(starts, row, "right")) - 1
            batch, features = batches[number], None
            if self._keep_features and batch.judged.squashed is not None:
                features = batch.judged.squashed[row - starts[number]].tolist()
            self._outliers.note(request.request_id, float(p_values[row]), batch.at, now, features)
            if len(seen) == KEPT:
                return


def _nobodys(batch: Batch) -> list[RowOwner]:
    """Owners of a batch whose rows are of no request: each its own."""
    return [RowOwner(None, 1)] * len(batch.p_values)
