"""``Detector`` for a stream of batches: the same judgement with half the calls, in single precision.

A batch of a few rows costs what its calls cost, and each costs twice as much in a service, whose other
work drives it out of the processor's caches, as in a loop of its own. So whatever can be is put into
constants: departures are one product of statistics and terms together, logarithms and units of members
and inputs are taken side by side. Arrays have a column for each row, which makes every step one along
memory. What only sums need is made of many batches at once. A row's rank may differ by one from that
which ``Detector`` finds, as single precision has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from models.detector import Detector
from models.manifest import SQUASHED
from models.reference import CROSS_LIMIT, SCORE_SHIFT, VARIANCE_OFFSET, terms_of

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]

#: Up to so many statistics of all members together, one product with zeros between members costs less
#: than one for each and one more.
_JOINT = 64
#: Statistics and departures count as no further than this, whose square is a number, too.
_FURTHEST = np.float32(1e15)
#: What lies beside the inputs' directions is compared by its logarithm, and may be nothing.
_BESIDE_OFFSET = 1e-6


@dataclass(frozen=True, slots=True)
class Judged:
    """What is kept of a batch of n rows until it is summed up.

    ``columns`` (height, n) are as ``Stream`` lays them out; ``centred`` (n, F) are squashed features
    less their centre, where the reference has inputs.
    """

    columns: Array32
    centred: Array32 | None


class Stream:
    """Judges batches by a reference. It keeps nothing of them, so that any thread may use it."""

    def __init__(self, detector: Detector) -> None:
        """Prepare the constants."""
        reference, inputs = detector.reference, detector.reference.inputs
        self._layout = layout = detector.layout
        self._ranks, self._inputs = detector.ranks, inputs
        members, per_member = layout.members, 3 * layout.layers
        size = members * per_member
        directions = 0 if inputs is None else inputs.directions
        crosses = self._crosses = 0 if inputs is None else inputs.crosses
        self._shape = members, per_member

        centre = reference.centre.ravel().astype(np.float32)
        self._centre, self._log_centre = centre[:, None], centre[1::3, None]
        variance = np.ravel([member.variance for member in reference.members])
        self._usual_variance = variance.astype(np.float32)[:, None]
        self._whitening = reference.whitening.transpose(0, 2, 1).astype(np.float32)
        expected = -_squared_out(reference.coefficients, directions, crosses).T.astype(np.float32)
        self._expected = np.ascontiguousarray(expected)
        self._joint = None
        if members == 1 or size <= _JOINT:
            blocks = np.zeros((size, size), np.float32)
            for member, own in enumerate(self._whitening):
                part = slice(member * per_member, (member + 1) * per_member)
                blocks[part, part] = own
            self._joint = np.concatenate([blocks, self._expected], axis=1)

        scale = [reference.scale]
        #: Whether something lies beside the directions.
        self._beside = False
        if inputs is not None:
            self._projection = np.ascontiguousarray(inputs.projection.T)
            self._beside = directions < len(inputs.centre)
            scale.append(inputs.scale[:, None])
            if self._beside:
                scale.append(inputs.energy[:, None])
                self._weights = inputs.weights.astype(np.float32)
        mean, spread = np.concatenate(scale, axis=1)
        self._factor = (1 / spread).astype(np.float32)[:, None]
        self._shift = (SCORE_SHIFT - mean / spread).astype(np.float32)[:, None]

        #: A batch's columns: statistics less their centre and the terms by which inputs predict them,
        #: variances, departures, and the scores of members, of inputs, and of what lies beside those.
        heights = [size, 1, directions, crosses**2, crosses, size // 3, size, len(mean)]
        ends = np.cumsum(heights).tolist()
        parts = [slice(end - height, end) for height, end in zip(heights, ends, strict=True)]
        self._plain, self._one, self._scores, self._products, self._sizes = parts[:5]
        self._variance, self._departures, self._scored = parts[5:]
        self._height, self._terms = ends[-1], slice(size, self._sizes.stop)

    def judge(
        self, taps: NDArray[np.floating], squashed: NDArray[np.floating] | None
    ) -> tuple[Array, Judged]:
        """Return the rows' p-values (rows,), and what ``statistics`` makes theirs of.

        ``taps`` are of shape (rows, M, L, 3), ``squashed`` (rows, F), or None where the graph does not
        give it. A row that is not finite gets the floor.
        """
        count = len(taps)
        columns = np.empty((self._height, count), np.float32)
        given = taps.reshape(count, -1).T
        plain = columns[self._plain]
        variance = np.maximum(given[1::3], 0.0, out=columns[self._variance])
        np.subtract(given, self._centre, out=plain)
        logarithm = np.add(variance, VARIANCE_OFFSET, out=plain[1::3])
        np.log(logarithm, out=logarithm)
        logarithm -= self._log_centre
        columns[self._one] = 1.0
        centred = None if self._inputs is None else self._take_inputs(squashed, columns)
        if self._joint is not None:
            np.matmul(self._joint, columns[: self._terms.stop], out=columns[self._departures])
        else:
            self._depart(columns)
        scores = self._standardise(columns)
        if not isfinite(np.add.reduce(scores, axis=None)):
            scores = self._standardise_anything(columns)
        return self._ranks.p_values(scores), Judged(columns, centred)

    def p_values(self, outputs: Mapping[str, NDArray[np.floating]]) -> Array:
        """Return one p-value per row (rows,) for a graph's outputs, keeping nothing else."""
        return self.judge(outputs["taps"], outputs.get(SQUASHED))[0].round(6)

    def statistics(self, batches: Sequence[Judged]) -> Array32:
        """All batches' statistics, (width, rows): a row for each of the layout's columns."""
        columns = batches[0].columns
        if len(batches) > 1:
            columns = np.concatenate([batch.columns for batch in batches], axis=1)
        members, scored = self._shape[0], columns[self._scored] - np.float32(SCORE_SHIFT)
        parts = [
            columns[self._plain],
            columns[self._variance] - self._usual_variance,
            columns[self._departures],
            scored[:members],
        ]
        if self._inputs is not None:
            beside = scored[members + 1 :] if self._beside else np.zeros_like(scored[:1])
            parts += [columns[self._scores], beside, scored[members : members + 1]]
        return np.concatenate(parts)

    def _take_inputs(self, squashed: NDArray[np.floating] | None, columns: Array32) -> Array32:
        inputs, scores, scored = self._inputs, columns[self._scores], columns[self._scored]
        assert inputs is not None
        if squashed is None:
            centred = np.zeros((columns.shape[1], len(inputs.centre)), np.float32)
        else:
            centred = np.subtract(squashed, inputs.centre)
        np.matmul(self._projection, centred.T, out=scores)
        crosses = self._crosses
        if crosses:
            bounded = np.maximum(scores[:crosses], -CROSS_LIMIT)
            np.minimum(bounded, CROSS_LIMIT, out=bounded)
            products = columns[self._products].reshape(crosses, crosses, -1)
            np.multiply(bounded[:, None], bounded, out=products)
            np.abs(bounded, out=columns[self._sizes])
        members = self._shape[0]
        if self._beside:
            squares = np.square(scores)
            np.add.reduce(squares, axis=0, out=scored[members])
            beside = np.subtract(
                np.einsum("rf,rf->r", centred, centred), self._weights @ squares, out=scored[members + 1]
            )
            np.maximum(beside, 0.0, out=beside)
            beside += _BESIDE_OFFSET - 1.0  # the logarithm is taken of one more
        else:
            np.einsum("kr,kr->r", scores, scores, out=scored[members])
        return centred

    def _depart(self, columns: Array32) -> None:
        departures, shape = columns[self._departures], (*self._shape, columns.shape[1])
        plain = columns[self._plain].reshape(shape)
        np.matmul(self._whitening, plain, out=departures.reshape(shape))
        departures += self._expected @ columns[self._terms]

    def _standardise(self, columns: Array32) -> Array32:
        """Rows' scores (M, rows), as ``Ranks`` takes them, from departures and inputs' distances."""
        members, scored = self._shape[0], columns[self._scored]
        own = columns[self._departures].reshape(*self._shape, -1)
        np.einsum("mkr,mkr->mr", own, own, out=scored[:members])
        np.log1p(scored, out=scored)
        scored *= self._factor
        scored += self._shift
        final: Array32 = np.maximum(scored[:members], 0.0)
        if self._inputs is not None:
            np.maximum(final, scored[members], out=final)
            if self._beside:
                np.maximum(final, scored[members + 1], out=final)
        return final

    def _standardise_anything(self, columns: Array32) -> Array32:
        """The same where something is no number, or too large for single precision's squares."""
        for part in (self._plain, self._departures):
            np.clip(columns[part], -_FURTHEST, _FURTHEST, out=columns[part])
        members, scored = self._shape[0], columns[self._scored]
        # What was standardised in place stands: the members' part is made anew.
        held = scored[members:].copy()
        with np.errstate(invalid="ignore"):
            self._standardise(columns)
            scored[members:] = held
            final: Array32 = np.maximum(scored[:members], 0.0)
            for row in held if self._inputs is not None else ():
                np.maximum(final, row, out=final)
        # One member that is ill must not hide among those that are well.
        final[:, ~np.isfinite(final).all(axis=0)] = np.inf
        return final


def _squared_out(coefficients: Array, directions: int, crosses: int) -> Array:
    """Coefficients for the whole square of products, of which ``Detector`` has the upper half."""
    terms = terms_of(directions, crosses)
    plain, products, sizes = np.split(coefficients, [1 + directions, terms - crosses])
    square = np.zeros((crosses, crosses, coefficients.shape[1]))
    square[np.triu_indices(crosses)] = products
    return np.concatenate([plain, square.reshape(crosses**2, plain.shape[1]), sizes])
