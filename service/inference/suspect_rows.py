"""Computes rows once more whose numbers are beyond their bounds.

What a bit that flips in a register or a cache has corrupted is gone at the second time. So a row that
is within its bounds then, and other than before, is answered by its second numbers, and counted as
corrupted. One that gives the same again is marked: its record is unlike any in training, or the weights
themselves are corrupted, which golden rows tell.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Judged
from models.networks.outputs import MEMBER_LOGIT, VALUE
from service.health.monitor import Monitor
from service.inference.queue import Rows
from service.observability.counters import Traffic

#: The rows that may be computed again: this share of all rows, and so many at once after a while. Rows
#: that are all beyond their bounds, as of another population, must not double the work.
_SHARE, _MOST = 0.03, 512.0

#: Two computations are the same if all logits differ by no more than this, and this share of themselves:
#: rows are computed in another batch, and so in another order.
_SAME = 1e-3

Array = NDArray[np.float64]
Run = Callable[[Rows], Mapping[str, NDArray[np.floating]]]


class SuspectRows:
    """What becomes of the suspect rows of one model. One thread at a time may use it."""

    def __init__(self, run: Run, monitor: Monitor, traffic: Traffic, *, again: bool) -> None:
        """``run`` computes rows; without ``again`` none is computed twice."""
        self._run, self._monitor, self._traffic, self._again = run, monitor, traffic, again
        self._credit, self._rows = _MOST, 0

    def settle(
        self, rows: Rows, outputs: dict[str, NDArray[np.floating]], p_values: Array, judged: Judged
    ) -> Judged:
        """Compute the suspect rows of a batch (n, F) again, and return what it is judged by now.

        Outputs and p-values of corrupted rows are replaced; ``suspect`` is left of those that stay
        beyond their bounds.
        """
        assert judged.suspect is not None
        places = np.flatnonzero(judged.suspect)
        seen = self._traffic.rows
        self._credit = min(self._credit + _SHARE * max(seen - self._rows, 0), _MOST)
        self._rows = seen
        if self._again and len(places) <= self._credit:
            self._credit -= len(places)
            judged = self._compare(rows, places, outputs, p_values, judged)
        self._traffic.suspect += 0 if judged.suspect is None else int(judged.suspect.sum())
        return judged

    def _compare(
        self,
        rows: Rows,
        places: NDArray[np.intp],
        outputs: dict[str, NDArray[np.floating]],
        p_values: Array,
        judged: Judged,
    ) -> Judged:
        second = self._run(rows[places])
        again_p_values, again = self._monitor.judge(second)
        # Values of quantities have any scale, their members' outputs that of logits.
        compared = MEMBER_LOGIT if VALUE in outputs else "logit"
        first = outputs[compared][places].reshape(len(places), -1)
        then = second[compared].reshape(len(places), -1)
        with np.errstate(invalid="ignore"):
            gap = np.abs(first - then) - _SAME * np.abs(then)
        other = ~(gap <= _SAME).all(axis=1)
        within = other if again.suspect is None else other & ~again.suspect
        self._traffic.recomputed += len(places)
        if other.any():
            self._traffic.corrupted += int(other.sum())
            self._monitor.corrupted_at = self._monitor.clock()
        if not within.any():
            return judged
        mended = places[within]
        for name, values in second.items():
            if name not in outputs:  # of a form of the graph that judges its rows
                continue
            outputs[name] = outputs[name].copy()
            outputs[name][mended] = values[within]
        p_values[mended] = again_p_values[within]
        kept = judged.kept.copy()
        kept[mended] = again.kept[within]
        squashed = judged.squashed
        if squashed is not None and again.squashed is not None:
            squashed = squashed.copy()
            squashed[mended] = again.squashed[within]
        assert judged.suspect is not None
        left = judged.suspect.copy()
        left[mended] = False
        return replace(judged, kept=kept, squashed=squashed, suspect=left if left.any() else None)
