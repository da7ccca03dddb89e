"""Sums up rows' statistics some hundred rows at a time, request by request.

A batch pays for its p-values alone: whose its rows are, and which departed, is looked at when they are
summed up. A request whose rows come in several batches is one piece of evidence, however it was cut. (A
first part of a single row is not remembered: most requests are single rows, and would pay for it.)
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector, Judged
from models.health.evidence import COUNTS, OwnSums, Sums, own_sums, sum_up, values_width
from models.health.windows.blocks import Blocks
from models.health.windows.pieces import RowCells, pieces_of
from service.health.clients.client_logs import ClientLogs, KeyedRows
from service.health.outliers import DEPARTED, OutlierLog
from service.health.row_owner import Requester, RowOwner

#: Rows that wait before they are summed up: more would leave the cache, fewer would sum up too often.
ROOM = 512

#: Requests of so many rows are summed up each by itself.
_LARGE = 32

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


@dataclass(frozen=True, slots=True)
class Gathered:
    """Sums of what was gathered: for the windows, for the sequential detector, and by pieces.

    ``capped`` (E,) sums the requests' means of capped evidence; ``not_finite`` counts rows that are in
    no sum, since they are no numbers.
    """

    counts: Array
    values: Array
    features: Array
    capped: Array
    pieces: list[Blocks]
    not_finite: int


class StatisticsAccumulator:
    """The batches that wait, and the sums of those before them. One thread at a time may use it."""

    def __init__(self, detector: Detector, outliers: OutlierLog, *, keep_features: bool = False) -> None:
        """Rows that departed are noted in ``outliers``, with their features if ``keep_features``."""
        self._detector, self._outliers, self._keep_features = detector, outliers, keep_features
        self._inputs = inputs = detector.reference.inputs
        #: The features' spreads and squared spreads (2, F).
        self._scales = None if inputs is None else np.stack([inputs.spread, inputs.spread**2])
        self._cells = RowCells(0 if self._inputs is None else len(self._inputs.centre), detector.layout)
        #: What came with each API key.
        self.clients = ClientLogs(detector.layout, self._scales)
        self._centre: Array | None = None
        self._batches: list[Batch] = []
        self._waiting = 0
        self._open: OrderedDict[Requester, tuple[int, Array]] = OrderedDict()
        self._begin()

    def _begin(self) -> None:
        evidence = self._detector.layout.width - self._detector.layout.evidence.start
        self._counts, self._values = np.zeros(COUNTS), np.zeros(values_width(self._detector.layout))
        self._features = np.zeros((2, 0 if self._inputs is None else len(self._inputs.centre)))
        self._capped, self._not_finite = np.zeros(evidence), 0
        self._pieces: list[Blocks] = []

    def cap_about(self, centre: Array | None) -> None:
        """Cap evidence about ``centre`` (E,) from now on, or about the reference's.

        What was gathered has to be taken before.
        """
        self._centre = centre
        self._open.clear()  # their sums are about another centre

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

    def take(self, now: float) -> Gathered:
        """Return the sums and begin anew."""
        self._sum_up(now)
        features = self._features if self._scales is None else self._features / self._scales
        sums = Gathered(
            self._counts, self._values, features.ravel(), self._capped, self._pieces, self._not_finite
        )
        self._begin()
        return sums

    def _sum_up(self, now: float) -> None:
        """Bring the batches that wait into the sums."""
        batches, self._batches, self._waiting = self._batches, [], 0
        if not batches:
            return
        parts = [(owner, batch.at) for batch in batches for owner in batch.owners or _nobodys(batch)]
        requests = [owner.request for owner, _ in parts]
        sizes = np.array([owner.rows for owner, _ in parts])
        came = np.array([at for _, at in parts])
        noted = [
            (batch.p_values, batch.judged.squashed if self._keep_features else None, batch.at)
            for batch in batches
        ]
        self._outliers.note_rows(noted, requests, sizes, now)
        centred = None
        if self._inputs is not None:
            squashed = [batch.judged.squashed for batch in batches if batch.judged.squashed is not None]
            centred = squashed[0] if len(squashed) == 1 else np.concatenate(squashed)
            centred = centred - self._inputs.centre
        layout, rows, chosen = self._detector.layout, None, None
        own = None if centred is None else self._of_large(batches, requests, sizes)
        if own is None:
            rows = self._detector.statistics([batch.judged for batch in batches])
            chosen = self._countable(rows, requests, sizes)
            if chosen is not None:
                left, sizes = np.unique(np.repeat(range(len(sizes)), sizes)[chosen], return_counts=True)
                if not len(left):
                    return
                requests, came = [requests[number] for number in left], came[left]
                centred = None if centred is None else centred[chosen]
                rows = rows[:, chosen]
            own = own_sums(rows, sizes, layout, self._centre)
        cells = self._cells.of(rows, centred)
        sums = sum_up(own, sizes, layout, cells)
        pieces, piece = pieces_of(own.plain, own.squared, sizes, came, cells, centred, self._scales)
        self._capped += np.einsum("er,r->e", own.capped, (1 / sizes).astype(own.capped.dtype))
        self._join(sums, pieces, piece, requests, sizes, own)
        self._pieces.append(pieces)
        if any(request is not None and request.key is not None for request in requests):
            keys = ["" if one is None or one.key is None else one.key.name for one in requests]
            departed = np.concatenate([batch.p_values for batch in batches]) <= DEPARTED
            departed = departed if chosen is None else departed[chosen]
            self.clients.add(
                KeyedRows(keys, own.plain, own.squared, sizes, came, cells, departed, centred)
            )
        self._counts += sums.counts
        self._values += sums.values
        if centred is not None:
            self._features[0] += np.add.reduce(centred, axis=0)
            self._features[1] += np.einsum("rf,rf->f", centred, centred)

    def _of_large(
        self, batches: list[Batch], requests: list[Requester | None], sizes: NDArray[np.integer]
    ) -> OwnSums | None:
        """The sums of requests that are large, all numbers and not made up; None where any is not."""
        if sizes.min() < _LARGE or any(request and request.synthetic for request in requests):
            return None
        parts = []
        for batch in batches:
            ends = [0, *accumulate(owner.rows for owner in batch.owners)]
            parts += [batch.judged.kept[start:end] for start, end in pairwise(ends)]
        own = self._detector.sums_of_requests(parts, self._centre)
        return own if np.isfinite(np.add.reduce(own.squares)) else None

    def _countable(
        self,
        rows: NDArray[np.floating],
        requests: Sequence[Requester | None],
        sizes: NDArray[np.integer],
    ) -> NDArray[np.intp] | None:
        """The rows that tell of the traffic, None for all: those that are numbers and not made up."""
        countable = None
        if any(request is not None and request.synthetic for request in requests):
            real = [request is None or not request.synthetic for request in requests]
            countable = np.repeat(real, sizes)
        if not np.isfinite(np.add.reduce(rows, axis=None)):
            # One such row would turn every later statistic into NaN.
            finite = np.isfinite(rows).all(axis=0)
            self._not_finite += int((~finite if countable is None else countable & ~finite).sum())
            countable = finite if countable is None else finite & countable
        return None if countable is None else np.flatnonzero(countable)

    def _join(
        self,
        sums: Sums,
        pieces: Blocks,
        piece: NDArray[np.intp],
        requests: Sequence[Requester | None],
        sizes: NDArray[np.integer],
        own: OwnSums,
    ) -> None:
        """Correct the sums where a part goes on with a request that is known; remember the others.

        ``own`` are the parts' sums, ``piece`` says in which of the pieces they are. The last piece that
        has a part of a request stands for all of it.
        """
        width = own.plain.shape[0]
        for number, (request, size) in enumerate(zip(requests, sizes.tolist(), strict=True)):
            if request is None or (size == 1 and request not in self._open):
                continue
            rows = size
            total = np.stack([own.plain[:, number], own.squared[:, number], own.capped[:, number]])
            total = total.astype(np.float64)
            before = self._open.pop(request, None)
            if before is not None:
                gap = total[0] / size - before[1][0] / before[0]
                change = -(total / size + before[1] / before[0])
                rows, total = rows + before[0], total + before[1]
                change += total / rows
                sums.by_request[:] += change[:2]
                self._capped += change[2]
                within = np.square(gap) * (size * before[0] / rows)
                sums.within[:] += within
                sums.counts[1] -= 1
                sums.counts[2] += 2 * size * before[0]
                place = piece[number]
                pieces.counts[place, 1] -= 1
                pieces.counts[place, 2] += 2 * size * before[0]
                pieces.values[place, 2 * width : 3 * width] += within
            self._open[request] = rows, total
            if len(self._open) > _REMEMBERED:
                self._open.popitem(last=False)


def _nobodys(batch: Batch) -> list[RowOwner]:
    """Owners of a batch whose rows are of no request: each its own."""
    return [RowOwner(None, 1)] * len(batch.p_values)
