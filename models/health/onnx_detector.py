"""A reference as an ONNX graph that judges rows: ``Detector``'s arithmetic in the fewest nodes."""

import numpy as np
from numpy.typing import NDArray

from models.health.reference import CROSS_LIMIT, SCORE_SHIFT, VARIANCE_OFFSET, Reference
from models.networks.onnx_nodes import Nodes
from models.networks.outputs import SQUASHED, TAPS

#: What the graph gives: rows' scores (n, M), as ``Ranks`` takes them, and what is kept of rows, side by
#: side: standardised distances, shifted like scores, of members, of inputs, and of what lies beside
#: those; departures (M * 3L); statistics less their centre (M * 3L), the variances as they are less the
#: usual ones; log variances less their centre (M * L); inputs' directions; more that departures are of.
SCORES, KEPT = "scores", "kept"

_CENTRED = "centred"
#: What lies beside the inputs' directions is compared by its logarithm, and may be nothing.
_BESIDE_OFFSET = 1e-6


class _Nodes(Nodes):
    """Constants are used once here, and need no names."""

    def value(self, value: object, kind: type = np.float32) -> str:
        return self.constant(f"constant_{len(self.tensors)}", value, kind)

    def columns(self, value: str, start: int, stop: int, step: int = 1) -> str:
        """Some columns of a matrix."""
        places = [self.value([number], np.int64) for number in (start, stop, 1, step)]
        return self.add("Slice", value, *places)


def detector_graph(reference: Reference) -> bytes:
    """Return the graph from ``taps`` (n, M, L, 3), and ``squashed`` (n, F) where inputs are known."""
    graph, inputs = _Nodes(), reference.inputs
    members, layers = len(reference.members), reference.layers
    size = members * 3 * layers
    centre = reference.centre.ravel()
    usual = centre.copy()
    usual[1::3] = np.ravel([member.variance for member in reference.members])
    flat = graph.add("Reshape", TAPS, graph.value([-1, size], np.int64))
    moved = graph.add("Sub", flat, graph.value(usual))
    variance = graph.add("Relu", graph.columns(flat, 1, size, 3))
    logarithm = graph.add("Log", graph.add("Add", variance, graph.value(VARIANCE_OFFSET)))
    parts = [moved, graph.add("Sub", logarithm, graph.value(centre[1::3]))]
    scores = None
    if inputs is not None:
        centred = graph.add("Sub", SQUASHED, graph.value(inputs.centre), name=_CENTRED)
        scores = graph.add("MatMul", centred, graph.value(inputs.projection))
        parts += [scores, *_crossed(graph, scores, inputs.directions, inputs.crosses)]
    known = graph.add("Concat", *parts, axis=1)
    coefficients = reference.coefficients
    departures = graph.add(
        "Gemm",
        known,
        graph.value(np.concatenate([_whitening(reference), -coefficients[1:]])),
        graph.value(-coefficients[0]),
    )
    squared = _distances(graph, reference, departures, scores)
    scored = _scores(graph, reference, squared)
    graph.add("Concat", scored, departures, known, axis=1, name=KEPT)
    return _model(graph, reference)


def _whitening(reference: Reference) -> NDArray[np.float64]:
    """Each member's whitening beside the others', for statistics and then log variances."""
    members, each = reference.centre.shape
    whitening = np.zeros((members * each, members * each))
    for member, own in enumerate(reference.whitening):
        part = slice(member * each, (member + 1) * each)
        whitening[part, part] = own
    of_logarithms = whitening[1::3].copy()
    whitening[1::3] = 0.0
    return np.concatenate([whitening, of_logarithms])


def _crossed(graph: _Nodes, scores: str, directions: int, crosses: int) -> list[str]:
    """Products of the first scores, each pair once, and their sizes."""
    if not crosses:
        return []
    first = scores if crosses == directions else graph.columns(scores, 0, crosses)
    limits = graph.value(-CROSS_LIMIT), graph.value(CROSS_LIMIT)
    bounded = graph.add("Clip", first, *limits)
    # By products with zeros and ones: picking single numbers is slower.
    picked = [
        graph.add("MatMul", bounded, graph.value(np.eye(crosses)[:, places]))
        for places in np.triu_indices(crosses)
    ]
    return [graph.add("Mul", *picked), graph.add("Abs", bounded)]


def _distances(graph: _Nodes, reference: Reference, departures: str, scores: str | None) -> str:
    """Squared distances (n, M), then that of inputs, then what lies beside their directions."""
    inputs, (members, each) = reference.inputs, reference.centre.shape
    which = np.repeat(np.eye(members), each, axis=0)
    if inputs is None or scores is None:
        squares = graph.add("Mul", departures, departures)
        return graph.add("MatMul", squares, graph.value(which))
    both = graph.add("Concat", departures, scores, axis=1)
    squares = graph.add("Mul", both, both)
    own = np.zeros((len(which) + inputs.directions, members + 1))
    own[: len(which), :members], own[len(which) :, members] = which, 1.0
    squared = graph.add("MatMul", squares, graph.value(own))
    if inputs.directions == len(inputs.centre):
        return squared
    along = np.concatenate([np.zeros(len(which)), inputs.weights])[:, None]
    whole = graph.add("ReduceSumSquare", _CENTRED, graph.value([1], np.int64), keepdims=1)
    beside = graph.add("Sub", whole, graph.add("MatMul", squares, graph.value(along)))
    return graph.add("Concat", squared, graph.add("Relu", beside), axis=1)


def _scores(graph: _Nodes, reference: Reference, squared: str) -> str:
    """Standardise distances; of each member's and the inputs' the largest is the row's."""
    inputs, members = reference.inputs, len(reference.members)
    scale, offset = [reference.scale], [1.0] * members
    if inputs is not None:
        scale.append(inputs.scale[:, None])
        offset.append(1.0)
        if inputs.directions < len(inputs.centre):
            scale.append(inputs.energy[:, None])
            offset.append(_BESIDE_OFFSET)
    mean, spread = np.concatenate(scale, axis=1)
    logarithm = graph.add("Log", graph.add("Add", squared, graph.value(offset)))
    scaled = graph.add("Mul", logarithm, graph.value(1 / spread))
    scored = graph.add("Add", scaled, graph.value(SCORE_SHIFT - mean / spread))
    ends = [members, *range(members + 1, len(mean) + 1)]
    starts = [0, *ends[:-1]]
    parts = [scored]
    if len(ends) > 1:
        parts = [graph.columns(scored, *both) for both in zip(starts, ends, strict=True)]
    graph.add("Max", *parts, graph.value(0.0), name=SCORES)
    return scored


def _model(graph: _Nodes, reference: Reference) -> bytes:
    inputs, members = reference.inputs, len(reference.members)
    given = {TAPS: [members, reference.layers, 3]}
    if inputs is not None:
        given[SQUASHED] = [len(inputs.centre)]
    made: dict[str, list[int | None]] = {SCORES: [members], KEPT: [None]}
    return bytes(graph.model("judging", given, made).SerializeToString())
