"""Gathers rows' statistics and sums them up some hundred at a time, request by request.

A batch pays for its p-values alone: whose its rows are, and which departed, is looked at when they are
summed up. A request that comes in several batches goes on where it was: it is one piece of evidence,
however it was cut. (A first piece of a single row is not remembered: most requests are single rows,
and would pay for it.)
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector
from models.health.effect_size import values_width
from models.health.sequential import capped
from models.health.streaming import Judged, StreamingDetector
from service.health.outliers import DEPARTED, KEPT
from service.health.row_owner import RowOwner
from service.health.windows import COUNTS

#: Rows that are gathered before they are summed up.
ROOM = 256

#: Of rows that departed, so many wait to be read: a request may be among them several times.
_MOST_FURTHEST = 4 * KEPT

#: Requests of several rows that are remembered in case they go on.
_REMEMBERED = 64

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch that waits to be summed up, and what is known of it."""

    judged: Judged
    p_values: Array
    parts: Sequence[RowOwner]
    at: float


@dataclass(frozen=True, slots=True)
class Outlier:
    """A request's furthest row; ``squashed`` are its features as the first layer saw them."""

    request: bytes
    p_value: float
    at: float
    squashed: list[float] | None


class StatisticsAccumulator:
    """The latest batches, and sums of those before them."""

    def __init__(self, detector: Detector, *, keep_features: bool = False) -> None:
        """``keep_features`` has the features of rows that departed noted, too."""
        self._keep_features = keep_features
        self._layout = detector.layout
        self._stream = StreamingDetector(detector)
        self._inputs = detector.reference.inputs
        features = 0 if self._inputs is None else len(self._inputs.centre)
        self._batches: list[Batch] = []
        self._waiting = 0
        self._open: OrderedDict[bytes, tuple[int, Array]] = OrderedDict()
        self._counts, self._values = np.zeros(COUNTS), np.zeros(values_width(self._layout))
        self._features = np.zeros((2, features))
        #: Rows that were no numbers, and what departed furthest, since these were last read.
        self.not_finite = 0
        self.furthest: list[Outlier] = []

    @property
    def empty(self) -> bool:
        """Whether nothing was gathered since the sums were taken."""
        return not (self._waiting or self._counts[0] or self.furthest)

    def judge(
        self, taps: NDArray[np.floating], squashed: NDArray[np.floating] | None
    ) -> tuple[Array, Judged]:
        """Return rows' p-values and what ``add`` wants of them. Any thread may do it at any time."""
        return self._stream.judge(taps, squashed)

    def add(self, judged: Judged, p_values: Array, parts: Sequence[RowOwner], at: float) -> None:
        """Take in a batch that came at a time."""
        self._batches.append(Batch(judged, p_values, parts, at))
        self._waiting += len(p_values)
        if self._waiting >= ROOM:
            self.sum_up()  # while the processor's cache still has them

    def sum_up(self) -> None:
        """Bring what was gathered into the sums."""
        batches = self._batches
        self._batches, self._waiting = [], 0
        if not batches:
            return
        parts = [part for batch in batches for part in parts_of(len(batch.p_values), batch.parts)]
        self._note(batches, parts)
        rows = self._stream.statistics([batch.judged for batch in batches])
        centred = None
        if self._inputs is not None:
            held = [batch.judged.squashed for batch in batches if batch.judged.squashed is not None]
            centred = (held[0] if len(held) == 1 else np.concatenate(held)) - self._inputs.centre
        # Not by a product with ones: BLAS would wake threads for one of this size.
        total = np.add.reduce(rows, axis=1)
        if not np.isfinite(total).all():  # one such row would turn every later statistic into NaN
            finite: NDArray[np.bool_] = np.asarray(np.isfinite(rows).all(axis=0))
            self.not_finite += int((~finite).sum())
            rows, parts = rows[:, finite], _without(parts, finite)
            centred = None if centred is None else centred[finite]
            total = np.add.reduce(rows, axis=1)
            if not rows.shape[1]:
                return
        squared = np.einsum("kr,kr->k", rows, rows)
        evidence = self._layout.evidence
        counts, within, top = self._by_request(rows[evidence], squared[evidence], parts)
        self._counts += counts
        self._values += np.concatenate([total, squared, within, top])
        if centred is not None:
            self._features[0] += np.add.reduce(centred, axis=0)
            self._features[1] += np.einsum("rf,rf->f", centred, centred)

    def _note(self, batches: Sequence[Batch], parts: Sequence[RowOwner]) -> None:
        """Note the furthest rows that are of requests with an id, one of each."""
        p_values = np.concatenate([batch.p_values for batch in batches])
        departed = np.flatnonzero(p_values <= DEPARTED)
        if not len(departed):
            return
        ends = np.cumsum([part.rows for part in parts])
        batch_ends = np.cumsum([len(batch.p_values) for batch in batches])
        seen: set[bytes] = set()
        for row in departed[p_values[departed].argsort(kind="stable")].tolist():
            request = parts[int(ends.searchsorted(row, "right"))].request
            if not request or request in seen:
                continue
            seen.add(request)
            number = int(batch_ends.searchsorted(row, "right"))
            judged, shown = batches[number].judged, None
            if self._keep_features and judged.squashed is not None:
                place = row - int(batch_ends[number]) + len(judged.squashed)
                shown = judged.squashed[place].tolist()
            found = Outlier(request, float(p_values[row]), batches[number].at, shown)
            self.furthest.append(found)
            if len(seen) == KEPT:
                break
        # Between two readings there may be many more than are kept.
        self.furthest.sort(key=lambda each: (each.p_value, -each.at))
        del self.furthest[_MOST_FURTHEST:]

    def take(self) -> tuple[Array, Array, Array]:
        """Return the sums (counts, values, features) and begin anew."""
        self.sum_up()
        features = np.zeros(0)
        if self._inputs is not None:
            spread = self._inputs.spread
            features = np.concatenate([self._features[0] / spread, self._features[1] / spread**2])
        taken = self._counts.copy(), self._values.copy(), features
        self._counts[:] = self._values[:] = self._features[:] = 0.0
        return taken

    def _by_request(
        self, evidence: Array32, squared: Array32, parts: list[RowOwner]
    ) -> tuple[Array, Array, Array]:
        """Return counts, squared deviations within requests, and capped sums of requests' means."""
        if len(parts) == evidence.shape[1]:  # no request has a second row here
            sizes, sums = np.ones(len(parts)), evidence
            within = np.zeros(len(squared))
        else:
            sizes = np.array([part.rows for part in parts], np.float64)
            starts = np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(np.intp)
            sums = np.add.reduceat(evidence, starts, axis=1)
            within = np.maximum(squared - np.square(sums) @ (1 / sizes), 0.0)
        counts = np.array([sizes.sum(), len(sizes), np.square(sizes).sum()])
        top = capped(sums / sizes).sum(axis=1)
        for number, part in enumerate(parts):
            if part.request and (part.rows > 1 or part.request in self._open):
                before = self._open.pop(part.request, None)
                rows, own = part.rows, sums[:, number].astype(np.float64)
                if before is not None:
                    rows, own = rows + before[0], own + before[1]
                    counts[1] -= 1
                    counts[2] += 2 * part.rows * before[0]
                    gap = sums[:, number] / part.rows - before[1] / before[0]
                    within += np.square(gap) * (part.rows * before[0] / rows)
                    top += capped(own / rows) - capped(before[1] / before[0])
                    top -= capped(sums[:, number] / part.rows)
                self._open[part.request] = rows, own
                if len(self._open) > _REMEMBERED:
                    self._open.popitem(last=False)
        return counts, within, top


def parts_of(rows: int, parts: Sequence[RowOwner]) -> list[RowOwner]:
    """The parts of so many rows; rows of nobody's request are each their own."""
    named: list[RowOwner] = []
    for part in parts:
        named += [part] if part.request else [RowOwner(b"", 1)] * part.rows
    missing = rows - sum(part.rows for part in named)
    return named + [RowOwner(b"", 1)] * missing


def _without(parts: Sequence[RowOwner], kept: NDArray[np.bool_]) -> list[RowOwner]:
    """The parts of the rows that are kept."""
    ends = np.cumsum([part.rows for part in parts])
    rows = np.add.reduceat(kept.astype(np.int64), np.concatenate([[0], ends[:-1]]))
    pairs = zip(parts, rows.tolist(), strict=True)
    return [RowOwner(part.request, left) for part, left in pairs if left]
