"""Judges rows by a reference: their conformal p-values, and the statistics that are summed up of them.

The arithmetic is a graph that is made of the reference here, not taken from the bundle, which cannot be
its own judge. A batch of a few rows costs what its steps cost: in a service, whose other work drives
them out of the processor's caches, a step of numpy costs some microseconds, one of onnxruntime half of
one. What only sums need is made of many batches at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.health.conformal import Ranks
from models.health.evidence import OwnSums
from models.health.layout import Layout
from models.health.onnx_detector import KEPT, KNOWN, SCORES, detector_graph, kept_columns
from models.health.reference import Reference
from models.health.sequential import capped
from models.networks.outputs import MEMBER_LOGIT, SQUASHED, TAPS

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]

#: Statistics of rows that are judged in double precision count as no further than this, whose square
#: is a number in single precision, too.
_FURTHEST = 1e15


@dataclass(frozen=True, slots=True)
class Judged:
    """What is kept of a batch of n rows until it is summed up.

    ``kept`` is the graph's output; ``squashed`` (n, F) are the features as the first layer saw them,
    None where they are not known. ``suspect`` (n,) tells of rows beyond their bounds, None where there
    are none.
    """

    kept: Array32
    squashed: Array32 | None
    suspect: NDArray[np.bool_] | None = None


class Detector:
    """Judges batches by a reference. It keeps nothing of them, so that any thread may use it."""

    def __init__(self, reference: Reference) -> None:
        """Make the graph, and a session of it."""
        self.reference, self.layout = reference, Layout.of(reference)
        self._ranks = Ranks.of(reference.scores, reference.averaged)
        self._inputs = reference.inputs
        self._columns = kept_columns(reference, self.layout)
        bounds = reference.rows
        self._bounded = bounds is not None
        self._apart = None
        if bounds is not None and bounds.watches_logits:
            middle, half = (bounds.above + bounds.below) / 2, (bounds.above - bounds.below) / 2
            #: The middles of the members' bounds beside their mean, and half their widths, (M, T).
            self._apart = middle.astype(np.float32), half.astype(np.float32)
            #: The same by target, for single rows: (T, M).
            self._apart_by_target = list(zip(middle.T.tolist(), half.T.tolist(), strict=True))
        #: The logits that are given where a model does not give its members'.
        self._alike = (
            None if bounds is None or not bounds.watches_logits else np.zeros_like(bounds.below)
        )
        #: The names of what the graph takes.
        self._takes = [TAPS]
        self._takes += [] if self._inputs is None else [SQUASHED]
        self._takes += [] if self._alike is None else [MEMBER_LOGIT]
        self._run = _session(reference, np.float32)

    @cached_property
    def _run_in_double(self) -> Any:
        return _session(self.reference, np.float64)

    def judge(
        self,
        taps: NDArray[np.floating],
        squashed: NDArray[np.floating] | None,
        member_logit: NDArray[np.floating] | None = None,
    ) -> tuple[Array, Judged]:
        """Return the rows' p-values (n,), and what ``statistics`` needs of them.

        ``taps`` are of shape (n, M, L, 3), ``squashed`` (n, F), or None where the model does not give
        them: its inputs are then taken for the reference's centre. Without ``member_logit`` (n, M, T)
        the members count as agreeing. A row that is not finite gets the lowest p-value there is, and is
        beyond its bounds.
        """
        given = {TAPS: taps}
        if self._inputs is not None:
            if squashed is None:
                squashed = np.tile(self._inputs.centre, (len(taps), 1))
            given[SQUASHED] = squashed
        if self._alike is not None:
            if member_logit is None:
                member_logit = np.broadcast_to(self._alike, (len(taps), *self._alike.shape))
                member_logit = member_logit.astype(taps.dtype)
            given[MEMBER_LOGIT] = member_logit
        told, kept = self._run([SCORES, KEPT], given)
        return self._judged(told, kept, squashed, lambda: given)

    def _judged(
        self,
        told: Array32,
        kept: Array32,
        squashed: NDArray[np.floating] | None,
        given: Callable[[], Mapping[str, NDArray[np.floating]]],
    ) -> tuple[Array, Judged]:
        """What ``judge`` returns, of the graph's outputs; ``given`` tells what it was given."""
        members = self.layout.members
        if len(told) == 1:
            # Most batches of a quiet service: a call of numpy takes as long as all of this.
            row = told[0].tolist()
            if isfinite(row[members]) and (not self._bounded or row[-1] <= 1.0):
                return np.array([self._ranks.p_value(row[:members])]), Judged(kept, squashed)
        suspect = None
        if self._bounded:
            beyond = told[:, -1]
            if not np.maximum.reduce(beyond) <= 1.0:  # also where it is no number
                suspect = ~(beyond <= 1.0)
        if not isfinite(np.add.reduce(told[:, members])):
            # Something is no number, or too large for single precision's squares.
            doubles = {name: values.astype(np.float64) for name, values in given().items()}
            told, kept = self._run_in_double([SCORES, KEPT], doubles)
            # One member that is ill must not hide among those that are well.
            no_number = ~np.isfinite(told[:, members])
            told[no_number] = np.inf
            if self._bounded and no_number.any():
                suspect = no_number if suspect is None else suspect | no_number
            kept = np.clip(kept, -_FURTHEST, _FURTHEST).astype(np.float32)
        return self._ranks.p_values(told[:, :members].T), Judged(kept, squashed, suspect)

    def known(self, taps: Array32, squashed: Array32) -> Array32:
        """Return what the rows' departures are regressed on (n, K), as ``KNOWN`` says."""
        known: Array32 = self._run([KNOWN], {TAPS: taps, SQUASHED: squashed})[0]
        return known

    def agrees(self, member_logit: NDArray[np.floating] | None) -> bool:
        """Whether all rows' logits (n, M, T) are within their bounds; without any they are."""
        if self._apart is None or member_logit is None:
            return True
        if len(member_logit) == 1:  # numpy's steps take longer than all of the numbers do
            return self._agrees_alone(member_logit[0].T.tolist())
        middle, half = self._apart
        mean = np.add.reduce(member_logit, axis=1, keepdims=True) / len(middle)
        with np.errstate(invalid="ignore"):
            beyond = np.abs(member_logit - mean - middle) - half
        return bool(np.maximum.reduce(beyond, axis=None) <= 0.0)  # not where one is no number

    def _agrees_alone(self, logits: list[list[float]]) -> bool:
        """What ``agrees`` tells of one row's logits by target and member."""
        for own, (middles, halves) in zip(logits, self._apart_by_target, strict=True):
            mean = sum(own) / len(own)
            for logit, middle, half in zip(own, middles, halves, strict=True):
                if not abs(logit - mean - middle) <= half:  # also where it is no number
                    return False
        return True

    def judge_outputs(self, outputs: Mapping[str, NDArray[np.floating]]) -> tuple[Array, Judged]:
        """Judge a graph's outputs, of which some may be missing; some graphs have judged themselves."""
        if SCORES in outputs:
            return self._judged(
                outputs[SCORES],
                outputs[KEPT],
                outputs.get(SQUASHED),
                lambda: {name: outputs[name] for name in self._takes},
            )
        return self.judge(outputs[TAPS], outputs.get(SQUASHED), outputs.get(MEMBER_LOGIT))

    def p_values(self, outputs: Mapping[str, NDArray[np.floating]]) -> Array:
        """Return one p-value per row (n,) for a model's outputs, keeping nothing else."""
        return self.judge_outputs(outputs)[0].round(6)

    def marks(self, outputs: Mapping[str, NDArray[np.floating]]) -> tuple[Array, Array32]:
        """Return each row's p-value (n,), and 1 where it is suspect (n,), keeping nothing else."""
        p_values, judged = self.judge_outputs(outputs)
        suspect = np.zeros(len(p_values), np.float32)
        if judged.suspect is not None:
            suspect[judged.suspect] = 1.0
        return p_values.round(6), suspect

    def statistics(self, batches: Sequence[Judged]) -> Array32:
        """Return the statistics of all batches' rows, (W, n): a line for each column of the layout."""
        kept = [batch.kept for batch in batches]
        rows = (kept[0] if len(kept) == 1 else np.concatenate(kept)).T.take(self._columns, axis=0)
        if self._inputs is not None and not self._inputs.has_beside:
            rows[self.layout.singles.start] = 0.0
        return rows

    def sums_of_requests(self, requests: Sequence[Array32], centre: Array | None = None) -> OwnSums:
        """Return requests' own sums, of what was kept (m, K) of the m rows of each.

        They are what ``own_sums`` makes of ``statistics``, the evidence capped about ``centre`` (E,).
        Rows are summed up as they lie, which is quicker for requests of many rows.
        """
        columns, evidence = self._columns, self._columns[self.layout.evidence]
        width, about = evidence.max() + 1, None  # the evidence comes first
        if centre is not None:
            about = np.zeros(width, np.float32)
            about[evidence] = centre
        parts = [
            (
                np.add.reduce(kept, axis=0),
                np.einsum("rk,rk->k", kept, kept),
                np.add.reduce(capped(first if about is None else first - about), axis=0),
            )
            for kept in requests
            for first in (kept[:, :width],)
        ]
        plain, squared, bounded = (np.stack(kind, axis=1) for kind in zip(*parts, strict=True))
        plain, squared, bounded = plain[columns], squared[columns], bounded[evidence]
        if self._inputs is not None and not self._inputs.has_beside:
            beside = self.layout.singles.start
            plain[beside] = squared[beside] = bounded[beside - self.layout.evidence.start] = 0.0
        own = plain[self.layout.evidence], squared[self.layout.evidence], bounded
        return OwnSums(*own, plain.sum(axis=1, dtype=np.float64), squared.sum(axis=1, dtype=np.float64))


def _session(reference: Reference, kind: type) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    graph = detector_graph(reference, kind)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]).run
