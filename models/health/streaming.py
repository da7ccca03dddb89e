"""``Detector`` for a stream of batches: the same judgement as a graph of its own, in single precision.

A batch of a few rows costs what its steps cost. In a service, whose other work drives it out of the
processor's caches, each of numpy's costs some microseconds, and each of onnxruntime's half of one. The
graph is made here, of the reference, and is none of the bundle's: what is judged by it cannot vouch for
itself. What only sums need is made of many batches at once. A row's rank may differ by one from that
which ``Detector`` finds, as single precision has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.health.detector import Detector
from models.health.onnx_detector import KEPT, SCORES, detector_graph
from models.health.reference import SCORE_SHIFT
from models.networks.outputs import SQUASHED, TAPS

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]

_OUTPUTS = [SCORES, KEPT]

#: Statistics of rows that are judged in double precision count as no further than this, whose square
#: is a number in single precision, too.
_FURTHEST = 1e15


@dataclass(frozen=True, slots=True)
class Judged:
    """What is kept of a batch of n rows until it is summed up.

    ``kept`` is the graph's, ``squashed`` (n, F) features as the first layer saw them, where they are
    known. ``statistics`` (n, width) are there already where the graph's cannot be used.
    """

    kept: Array32
    squashed: Array32 | None
    statistics: Array32 | None = None


class StreamingDetector:
    """Judges batches by a reference. It keeps nothing of them, so that any thread may use it."""

    def __init__(self, detector: Detector) -> None:
        """Make the graph and its session."""
        self._detector, self._layout, self._ranks = detector, detector.layout, detector.ranks
        inputs = self._inputs = detector.reference.inputs
        self._size = 3 * self._layout.members * self._layout.layers
        self._directions = 0 if inputs is None else inputs.directions
        self._beside = inputs is not None and inputs.directions < len(inputs.centre)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        graph = detector_graph(detector.reference)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._run = session.run
        self._scored = self._layout.members + (inputs is not None) + self._beside

    def judge(
        self, taps: NDArray[np.floating], squashed: NDArray[np.floating] | None
    ) -> tuple[Array, Judged]:
        """Return the rows' p-values (rows,), and what ``statistics`` makes theirs of.

        ``taps`` are of shape (rows, M, L, 3), ``squashed`` (rows, F), or None where the graph does not
        give it. A row that is not finite gets the floor.
        """
        given = {TAPS: taps}
        if self._inputs is not None:
            if squashed is None:
                squashed = np.tile(self._inputs.centre, (len(taps), 1))
            given[SQUASHED] = squashed
        scores, kept = self._run(_OUTPUTS, given)
        if isfinite(np.add.reduce(kept[:, : self._scored], axis=None)):
            return self._ranks.p_values(scores.T), Judged(kept, squashed)
        return self._judge_anything(taps, Judged(kept, squashed))

    def p_values(self, outputs: Mapping[str, NDArray[np.floating]]) -> Array:
        """Return one p-value per row (rows,) for a graph's outputs, keeping nothing else."""
        return self.judge(outputs[TAPS], outputs.get(SQUASHED))[0].round(6)

    def statistics(self, batches: Sequence[Judged]) -> Array32:
        """All batches' statistics, (width, rows): a row for each of the layout's columns."""
        if len(batches) > 1:
            if any(batch.statistics is not None for batch in batches):
                return np.concatenate([self.statistics([batch]) for batch in batches], axis=1)
            kept = np.concatenate([batch.kept for batch in batches])
        elif batches[0].statistics is not None:
            return batches[0].statistics.T
        else:
            kept = batches[0].kept
        members, size, scored = self._layout.members, self._size, self._scored
        ends = np.cumsum([scored, size, size, size // 3, self._directions])
        distances, departures, plain, logarithms, directions = np.split(kept, ends, axis=1)[:5]
        distances = distances - np.float32(SCORE_SHIFT)
        statistics = np.empty((len(kept), self._layout.width), np.float32)
        layout = self._layout
        statistics[:, layout.plain] = plain
        statistics[:, layout.plain][:, 1::3] = logarithms
        statistics[:, layout.variance] = plain[:, 1::3]
        statistics[:, layout.departures] = departures
        statistics[:, layout.distances] = distances[:, :members]
        if self._inputs is not None:
            statistics[:, layout.directions] = directions
            singles = statistics[:, layout.singles]
            singles[:, 0] = distances[:, members + 1] if self._beside else 0.0
            singles[:, 1] = distances[:, members]
        return statistics.T

    def _judge_anything(self, taps: NDArray[np.floating], judged: Judged) -> tuple[Array, Judged]:
        """The same where something is no number, or too large for single precision's squares."""
        rows, centred = np.zeros((len(taps), self._layout.width)), None
        with np.errstate(invalid="ignore", over="ignore"):
            if self._inputs is not None and judged.squashed is not None:
                centred = judged.squashed - self._inputs.centre
            p_values = self._detector.judge(taps, centred, rows)
            bounded = np.clip(rows, -_FURTHEST, _FURTHEST).astype(np.float32)
        return p_values, Judged(judged.kept, judged.squashed, bounded)
