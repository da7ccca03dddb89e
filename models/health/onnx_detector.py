"""The detector's arithmetic, stated once: an ONNX graph that is made of a reference.

A row's *departures* are what its layers' statistics differ by from what its inputs, and its own
earlier layers, make one expect. A rare but proper row has none; a network that computes something else
has them from the first layer on that does. The inputs' scores are the other half. Both are in standard
deviations of the reference rows.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.health.layout import Layout
from models.health.reference import CROSS_LIMIT, SCORE_SHIFT, VARIANCE_OFFSET, Reference
from models.health.rows.bounds import RowBounds
from models.networks.onnx_nodes import Nodes, Shapes
from models.networks.outputs import MEMBER_LOGIT, SQUASHED, TAPS

#: The graph's outputs. ``SCORES`` (n, M) are what ``Ranks`` takes; behind them are a sum that is a
#: number only where all distances are, and, where rows have bounds, how far the furthest of a row's
#: numbers is from the middle of its bounds, which are at 1. ``KEPT`` are the columns that
#: statistics are made of, side by side: standardised distances of the members, of the inputs along
#: their directions, and beside those; departures (M * 3L); scores along the inputs' directions;
#: statistics less their centre (M * 3L, variances less the usual ones), and log variances less their
#: centre (M * L). ``KNOWN`` is what departures are regressed on: those statistics and scores, and then
#: products and sizes of the scores.
SCORES, KEPT, KNOWN = "scores", "kept", "known"

_CENTRED = "centred"

Array = NDArray[np.float64]
#: The energy beside the inputs' directions is compared by its logarithm, and may be 0.
_BESIDE_OFFSET = 1e-6


class _Nodes(Nodes):
    """Nodes whose constants are used once, and need no names."""

    def value(self, value: object, kind: type | None = None) -> str:
        return self.constant(f"constant_{len(self.tensors)}", value, kind)

    def columns(self, value: str, start: int, stop: int, step: int = 1) -> str:
        """Some columns of a matrix."""
        return self.add("Slice", value, *(self.value([at], np.int64) for at in (start, stop, 1, step)))


def detector_graph(reference: Reference, kind: type = np.float32) -> bytes:
    """Return the graph from ``taps`` (n, M, L, 3), and ``squashed`` (n, F) where inputs are known.

    ``kind`` is the numbers' precision: np.float32 or np.float64.
    """
    graph, inputs = _Nodes(kind), reference.inputs
    members, layers = len(reference.members), reference.layers
    size, centre = 3 * members * layers, reference.centre.ravel()
    usual = centre.copy()
    usual[1::3] = np.ravel([member.variance for member in reference.members])
    flat = graph.add("Reshape", TAPS, graph.value([-1, size], np.int64))
    variance = graph.add("Relu", graph.columns(flat, 1, size, 3))
    logarithm = graph.add("Log", graph.add("Add", variance, graph.value(VARIANCE_OFFSET)))
    parts = [
        graph.add("Sub", flat, graph.value(usual)),
        graph.add("Sub", logarithm, graph.value(centre[1::3])),
    ]
    shapes = {TAPS: [members, layers, 3]}
    if inputs is not None:
        shapes[SQUASHED] = [len(inputs.centre)]
        graph.add("Sub", SQUASHED, graph.value(inputs.centre), name=_CENTRED)
        parts.append(graph.add("MatMul", _CENTRED, graph.value(inputs.projection)))
        parts += _crossed(graph, parts[2], inputs.directions, inputs.crosses)
    known, kept = graph.add("Concat", *parts, axis=1, name=KNOWN), [*parts[2:3], *parts[:2]]
    by_known = graph.value(np.concatenate([_whitening(reference), -reference.coefficients[1:]]))
    departures = graph.add("Gemm", known, by_known, graph.value(-reference.coefficients[0]))
    scored, scores = _scores(graph, reference, _distances(graph, reference, departures, *parts[2:3]))
    told = [scores, graph.add("ReduceSum", scored, graph.value([1], np.int64), keepdims=1)]
    if reference.rows is not None:
        told.append(_beyond(graph, reference.rows, flat))
        if reference.rows.watches_logits:
            shapes[MEMBER_LOGIT] = [members, reference.rows.targets]
    graph.add("Concat", *told, axis=1, name=SCORES)
    distances = graph.add("Sub", scored, graph.value(SCORE_SHIFT))
    graph.add("Concat", distances, departures, *kept, axis=1, name=KEPT)
    outputs: Shapes = {SCORES: [members + len(told) - 1], KEPT: [None], KNOWN: [None]}
    return bytes(graph.model("judging", shapes, outputs).SerializeToString())


def kept_columns(reference: Reference, layout: Layout) -> NDArray[np.intp]:
    """Return where the layout's columns are in ``KEPT``.

    Where nothing lies beside the inputs' directions, that column's place is the distance along them.
    """
    members, size, inputs = layout.members, 3 * layout.members * layout.layers, reference.inputs
    scored, directions, singles = members, 0, list[int]()
    if inputs is not None:
        scored, directions = members + 1 + inputs.has_beside, inputs.directions
        singles = [scored - 1, members]
    ends = np.cumsum([scored, size, directions, size, size // 3])
    distances, departures, along, plain, logarithms = np.split(np.arange(ends[-1]), ends[:-1])
    variances = plain[1::3].copy()
    plain[1::3] = logarithms
    columns = [plain, variances, departures, distances[:members], along, np.array(singles, np.intp)]
    return np.concatenate(columns)


def _whitening(reference: Reference) -> NDArray[np.float64]:
    """Each member's whitening beside the others', for statistics and then log variances."""
    members, size = reference.centre.shape
    whitening = np.zeros((members, size, members, size))
    whitening[range(members), :, range(members)] = reference.whitening
    flat = whitening.reshape(members * size, -1)
    of_logarithms = flat[1::3].copy()
    flat[1::3] = 0.0
    return np.concatenate([flat, of_logarithms])


def _beyond(graph: _Nodes, bounds: RowBounds, taps: str) -> str:
    """How far out a row is (n, 1), of taps (n, M * 3L) and logits: its furthest number."""
    middle, half = _middle(bounds.lower, bounds.upper)
    parts = [graph.add("Mul", graph.add("Sub", taps, graph.value(middle)), graph.value(1 / half))]
    if bounds.watches_logits:
        members, targets = bounds.below.shape
        middle, half = _middle(bounds.below, bounds.above)
        apart = np.kron(np.eye(members) - 1 / members, np.eye(targets))
        flat = graph.add("Reshape", MEMBER_LOGIT, graph.value([-1, members * targets], np.int64))
        parts.append(graph.add("Gemm", flat, graph.value(apart / half), graph.value(-middle / half)))
    numbers = graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    return graph.add("ReduceMax", graph.add("Abs", numbers), graph.value([1], np.int64), keepdims=1)


def _middle(lower: Array, upper: Array) -> tuple[Array, Array]:
    """The middles of bounds, and half their widths, in one line."""
    return (lower + upper).ravel() / 2, (upper - lower).ravel() / 2


def _crossed(graph: _Nodes, scores: str, directions: int, crosses: int) -> list[str]:
    """Products of the first scores, each pair once, and their sizes."""
    if not crosses:
        return []
    first = scores if crosses == directions else graph.columns(scores, 0, crosses)
    bounded = graph.add("Clip", first, graph.value(-CROSS_LIMIT), graph.value(CROSS_LIMIT))
    # By products with zeros and ones: picking single numbers is slower.
    factors = [
        graph.add("MatMul", bounded, graph.value(np.eye(crosses)[:, places]))
        for places in np.triu_indices(crosses)
    ]
    return [graph.add("Mul", *factors), graph.add("Abs", bounded)]


def _distances(graph: _Nodes, reference: Reference, departures: str, *scores: str) -> str:
    """Squared distances (n, M), then that of the inputs, then the energy beside their directions."""
    inputs, (members, size) = reference.inputs, reference.centre.shape
    both = graph.add("Concat", departures, *scores, axis=1) if scores else departures
    squares = graph.add("Mul", both, both)
    directions = 0 if inputs is None else inputs.directions
    owners = np.repeat(range(members + 1), [size] * members + [directions])
    owns = np.eye(members + (inputs is not None))[owners]
    squared = graph.add("MatMul", squares, graph.value(owns))
    if inputs is None or not inputs.has_beside:
        return squared
    along = np.concatenate([np.zeros(members * size), inputs.weights])[:, None]
    energy = graph.add("ReduceSumSquare", _CENTRED, graph.value([1], np.int64), keepdims=1)
    beside = graph.add("Sub", energy, graph.add("MatMul", squares, graph.value(along)))
    return graph.add("Concat", squared, graph.add("Relu", beside), axis=1)


def _scores(graph: _Nodes, reference: Reference, squared: str) -> tuple[str, str]:
    """Standardise the distances; the largest of a member's own and the inputs' is its score."""
    inputs, members = reference.inputs, len(reference.members)
    scales, offset = [reference.scale], [1.0] * members
    if inputs is not None:
        scales.append(inputs.scale[:, None])
        offset.append(1.0)
        if inputs.has_beside:
            scales.append(inputs.energy[:, None])
            offset.append(_BESIDE_OFFSET)
    mean, spread = np.concatenate(scales, axis=1)
    logarithm = graph.add("Log", graph.add("Add", squared, graph.value(offset)))
    scaled = graph.add("Mul", logarithm, graph.value(1 / spread))
    scored = graph.add("Add", scaled, graph.value(SCORE_SHIFT - mean / spread))
    parts = [scored]
    if inputs is not None:
        ends = [0, *range(members, len(mean) + 1)]
        parts = [graph.columns(scored, *pair) for pair in pairwise(ends)]
    return scored, graph.add("Max", *parts, graph.value(0.0))
