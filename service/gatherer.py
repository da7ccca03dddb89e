"""Gathers rows' statistics and sums them up some hundred at a time, request by request.

Memory is used again and again, so that no batch pays for it. A request that comes in several batches
goes on where it was: it is one piece of evidence, however it was cut. (A first piece of a single row
is not remembered: most requests are single rows, and would pay for it.)
"""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.detector import Detector
from models.effect import values_width
from models.sequential import capped
from service.parts import Part
from service.windows import COUNTS

#: Rows that are gathered before they are summed up.
ROOM = 256

#: Requests of several rows that are remembered in case they go on.
_REMEMBERED = 64

Array = NDArray[np.float64]


class Gatherer:
    """Statistics of the latest rows, and sums of those before them."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._layout = detector.layout
        self._inputs = detector.reference.inputs
        self._rows = np.zeros((ROOM, self._layout.width))
        features = 0 if self._inputs is None else len(self._inputs.centre)
        self._centred = np.zeros((ROOM, features), np.float32)
        self._filled = 0
        self._parts: list[Part] = []
        self._open: OrderedDict[bytes, tuple[int, Array]] = OrderedDict()
        self._counts, self._values = np.zeros(COUNTS), np.zeros(values_width(self._layout))
        self._features = np.zeros((2, features))
        #: Rows that were no numbers, since this was last read.
        self.not_finite = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was gathered since the sums were taken."""
        return not (self._filled or self._counts[0])

    def gather(
        self,
        taps: NDArray[np.floating],
        squashed: NDArray[np.floating] | None,
        parts: Sequence[Part],
    ) -> Array:
        """Take in at most ``ROOM`` rows, whose parts add up to them; return their p-values."""
        if self._filled + len(taps) > ROOM:
            self.sum_up()
        rows = slice(self._filled, self._filled + len(taps))
        centred = None
        if self._inputs is not None and squashed is not None:
            centred = np.subtract(squashed, self._inputs.centre, out=self._centred[rows])
        p_values = self._detector.judge(taps, centred, self._rows[rows])
        self._filled = rows.stop
        self._parts += parts
        if self._filled == ROOM:
            self.sum_up()  # while the processor's cache still has them
        return p_values

    def sum_up(self) -> None:
        """Bring what was gathered into the sums."""
        filled, parts = self._filled, self._parts
        self._filled, self._parts = 0, []
        if not filled:
            return
        rows, centred = self._rows[:filled], self._centred[:filled]
        # Not by a product with ones: BLAS would wake threads for one of this size.
        total = rows.sum(axis=0)
        if not np.isfinite(total).all():  # one such row would turn every later statistic into NaN
            finite: NDArray[np.bool_] = np.asarray(np.isfinite(rows).all(axis=1))
            self.not_finite += int((~finite).sum())
            rows, centred, parts = rows[finite], centred[finite], _without(parts, finite)
            total = rows.sum(axis=0)
            if not len(rows):
                return
        squared = np.einsum("rk,rk->k", rows, rows)
        evidence = self._layout.evidence
        counts, within, top = self._by_request(rows[:, evidence], squared[evidence], parts)
        self._counts += counts
        self._values += np.concatenate([total, squared, within, top])
        if centred.shape[1]:
            self._features[0] += centred.sum(axis=0, dtype=np.float64)
            self._features[1] += np.einsum("rf,rf->f", centred, centred)

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
        self, evidence: Array, squared: Array, parts: list[Part]
    ) -> tuple[Array, Array, Array]:
        """Return counts, squared deviations within requests, and capped sums of requests' means."""
        if len(parts) == len(evidence):  # no request has a second row here
            sizes, sums = np.ones(len(parts)), evidence
            within = np.zeros(len(squared))
        else:
            sizes = np.array([part.rows for part in parts], np.float64)
            starts = np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(np.intp)
            sums = np.add.reduceat(evidence, starts, axis=0)
            within = np.maximum(squared - np.square(sums).T @ (1 / sizes), 0.0)
        counts = np.array([sizes.sum(), len(sizes), np.square(sizes).sum()])
        top = capped(sums / sizes[:, None]).sum(axis=0)
        for number, part in enumerate(parts):
            if part.request and (part.rows > 1 or part.request in self._open):
                before = self._open.pop(part.request, None)
                rows, own = part.rows, sums[number]
                if before is not None:
                    rows, own = rows + before[0], own + before[1]
                    counts[1] -= 1
                    counts[2] += 2 * part.rows * before[0]
                    gap = sums[number] / part.rows - before[1] / before[0]
                    within += np.square(gap) * (part.rows * before[0] / rows)
                    top += capped(own / rows) - capped(before[1] / before[0])
                    top -= capped(sums[number] / part.rows)
                self._open[part.request] = rows, own.copy()
                if len(self._open) > _REMEMBERED:
                    self._open.popitem(last=False)
        return counts, within, top


def parts_of(rows: int, parts: Sequence[Part]) -> list[Part]:
    """The parts of so many rows; rows of nobody's request are each their own."""
    named: list[Part] = []
    for part in parts:
        named += [part] if part.request else [Part(b"", 1)] * part.rows
    missing = rows - sum(part.rows for part in named)
    return named + [Part(b"", 1)] * missing


def cut(parts: Sequence[Part], size: int) -> list[list[Part]]:
    """Cut parts into groups of ``size`` rows each, the last maybe of fewer."""
    groups: list[list[Part]] = [[]]
    room = size
    for part in parts:
        left = part.rows
        while left:
            if not room:
                groups.append([])
                room = size
            now = min(left, room)
            groups[-1].append(part if now == part.rows else Part(part.request, now))
            left -= now
            room -= now
    return groups


def _without(parts: Sequence[Part], kept: NDArray[np.bool_]) -> list[Part]:
    """The parts of the rows that are kept."""
    ends = np.cumsum([part.rows for part in parts])
    rows = np.add.reduceat(kept.astype(np.int64), np.concatenate([[0], ends[:-1]]))
    pairs = zip(parts, rows.tolist(), strict=True)
    return [Part(part.request, left) for part, left in pairs if left]
