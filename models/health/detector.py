"""From a batch's taps and inputs to what the monitor keeps of each row, and the row's p-value.

A row's *departures* are what its layers' statistics differ by from what its inputs, and its own
earlier layers, make one expect: a rare but proper row has none, whatever its inputs are; a network
that computes something else has them from the first layer on that does. Its input scores are the
other half. Both are in standard deviations of the reference rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.health.conformal import Ranks
from models.health.reference import CROSS_LIMIT, Reference, comparable, shifted, terms_of
from models.networks.outputs import SQUASHED

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of a row's statistics mean what; M members, L layers, k directions.

    ``plain`` (M * 3L) are comparable statistics less their centre, ``variance`` (M * L) layers'
    variances less the reference's; the *evidence*, each in standard deviations, is ``departures``
    (M * 3L), ``distances`` (M), and, of the inputs, ``directions`` (k), ``beside`` (1) and
    ``distance`` (1), where inputs are known.
    """

    members: int
    layers: int
    inputs: int  # k + 2, or 0

    @property
    def _size(self) -> int:
        return self.members * self.layers

    @property
    def plain(self) -> slice:
        """The comparable statistics."""
        return slice(0, 3 * self._size)

    @property
    def variance(self) -> slice:
        """The layers' variances."""
        return slice(3 * self._size, 4 * self._size)

    @property
    def evidence(self) -> slice:
        """All by which traffic is judged."""
        return slice(4 * self._size, self.width)

    @property
    def departures(self) -> slice:
        """The layers' departures."""
        return slice(4 * self._size, 7 * self._size)

    @property
    def distances(self) -> slice:
        """Each member's distance."""
        return slice(7 * self._size, 7 * self._size + self.members)

    @property
    def directions(self) -> slice:
        """The inputs' leading directions."""
        return slice(self.distances.stop, max(self.width - 2, self.distances.stop))

    @property
    def singles(self) -> slice:
        """What lies beside the inputs' directions, and the distance along them."""
        return slice(self.directions.stop, self.width)

    @property
    def width(self) -> int:
        """The number of columns."""
        return 7 * self._size + self.members + self.inputs


@dataclass(frozen=True, slots=True)
class Detector:
    """Judges rows by a reference. It keeps nothing, so that any thread may use it."""

    reference: Reference
    layout: Layout
    ranks: Ranks
    _variance: Array  # (M * L,)
    _pairs: tuple[NDArray[np.intp], NDArray[np.intp]]
    _loads: Array  # (k,)

    @classmethod
    def of(cls, reference: Reference) -> Self:
        """Prepare a reference for judging."""
        inputs = reference.inputs
        crosses = 0 if inputs is None else inputs.crosses
        layout = Layout(
            len(reference.members), reference.layers, 0 if inputs is None else inputs.directions + 2
        )
        return cls(
            reference=reference,
            layout=layout,
            ranks=Ranks.of(reference.scores),
            _variance=np.ravel([member.variance for member in reference.members]),
            _pairs=np.triu_indices(crosses),
            _loads=np.zeros(0) if inputs is None else inputs.weights,
        )

    def judge(
        self, taps: NDArray[np.floating], centred: NDArray[np.float32] | None, out: Array
    ) -> Array:
        """Write the rows' statistics to ``out`` (rows, width); return their p-values (rows,).

        ``taps`` are of shape (rows, M, L, 3), ``centred`` are squashed features less their centre,
        (rows, F), or None where the reference has no inputs. A row that is not finite gets the floor.
        """
        layout, reference = self.layout, self.reference
        rows, members = len(taps), layout.members
        plain = out[:, layout.plain]
        comparable(taps, plain.reshape(rows, members, layout.layers, 3))
        plain -= reference.centre.ravel()
        out[:, layout.variance] = taps[..., 1].reshape(rows, -1)
        out[:, layout.variance] -= self._variance
        white = np.matmul(plain.reshape(rows, members, -1).transpose(1, 0, 2), reference.whitening)
        departures = out[:, layout.departures]
        departures.reshape(rows, members, -1)[...] = white.transpose(1, 0, 2)
        if centred is None or reference.inputs is None:
            departures -= reference.coefficients[0]
        else:
            departures -= self.terms(self.judge_inputs(centred, out)) @ reference.coefficients
        by_member = departures.reshape(rows, members, -1)
        distances = np.log1p(np.einsum("rmk,rmk->rm", by_member, by_member))
        distances -= reference.scale[0]
        distances /= reference.scale[1]
        out[:, layout.distances] = distances
        if reference.inputs is not None:
            distances = np.maximum(distances, self.input_score(out)[:, None])
        scores = shifted(distances)
        if np.isinf(scores.max(initial=0.0)):
            # One member that is ill must not hide among those that are well.
            scores[np.isinf(scores).any(axis=1)] = np.inf
        return self.ranks.p_values(scores.T)

    def p_values(self, outputs: Mapping[str, NDArray[np.floating]]) -> Array:
        """Return one p-value per row (rows,) for a graph's outputs, keeping nothing else."""
        taps, inputs = outputs["taps"], self.reference.inputs
        centred = None if inputs is None else outputs[SQUASHED].astype(np.float32) - inputs.centre
        return self.judge(taps, centred, np.zeros((len(taps), self.layout.width))).round(6)

    def terms(self, scores: Array) -> Array:
        """The terms (rows, terms) by which input scores (rows, k) predict the layers' statistics."""
        inputs = self.reference.inputs
        crosses = 0 if inputs is None else inputs.crosses
        rows, directions = scores.shape
        terms = np.empty((rows, terms_of(directions, crosses)))
        terms[:, 0] = 1.0
        terms[:, 1 : directions + 1] = scores
        first = np.clip(scores[:, :crosses], -CROSS_LIMIT, CROSS_LIMIT)
        terms[:, directions + 1 : -crosses or None] = first[:, self._pairs[0]] * first[:, self._pairs[1]]
        if crosses:
            np.abs(first, out=terms[:, -crosses:])
        return terms

    def input_score(self, out: Array) -> Array:
        """How strange the rows' inputs are (rows,), of statistics that ``judge_inputs`` has written."""
        singles = out[:, self.layout.singles]
        beside: Array = singles[:, 0]
        distance: Array = singles[:, 1]
        inputs = self.reference.inputs
        if inputs is not None and inputs.directions == len(inputs.centre):
            return distance  # nothing lies beside, and a tie of all rows would be no score
        larger: Array = np.maximum(beside, distance)
        return larger

    def judge_inputs(self, centred: NDArray[np.float32], out: Array) -> Array:
        """Write the inputs' columns; return the scores along the directions."""
        inputs, layout = self.reference.inputs, self.layout
        assert inputs is not None
        scores = out[:, layout.directions]
        scores[...] = centred @ inputs.projection
        squares = np.square(scores)
        singles = out[:, layout.singles]
        if inputs.directions < centred.shape[1]:
            beside = np.einsum("rf,rf->r", centred, centred) - squares @ self._loads
            singles[:, 0] = (np.log(np.maximum(beside, 0.0) + 1e-6) - inputs.energy[0]) / inputs.energy[
                1
            ]
        else:
            singles[:, 0] = 0.0
        singles[:, 1] = (np.log1p(squares.sum(axis=1)) - inputs.scale[0]) / inputs.scale[1]
        return scores
