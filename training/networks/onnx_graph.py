"""The served ensemble as ONNX nodes, in the form that onnxruntime computes fastest.

The reasons, and the times of other forms, are in ``docs/explanation/served-graph.md``.

The operator Selu computes scalar exponentials; four vectorised operators are faster.
With c = ln(alpha), layers compute a(z) = max(z, c) + exp(min(z, c)) of z = x + c, since

    selu(x) = lambda * (a(z) - c - alpha)

and the affine part is folded into biases, weights and statistics. Weights and biases are stored as they
were trained; they are folded by nodes on constants, which a session computes once.
"""

import math
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from models.networks.onnx_nodes import Nodes
from models.networks.outputs import DOUBLES, INNER_OUTPUTS, INPUT, MEMBER_LOGIT, SQUASHED
from models.networks.selu import ALPHA, LAMBDA, SATURATED_BELOW
from models.networks.weights import Layer, MemberLayers, layer_tensors, tensor_names
from training.networks.onnx_answers import Answer
from training.networks.onnx_trees import TreesBeside, member_tree_logits

Array = NDArray[np.floating]

_C = math.log(ALPHA)
#: The value of a(z) at x = 0.
_ZERO = _C + ALPHA
#: Slope of the ramp that counts saturated units: steeper than the resolution of float32 activations.
_STEEP = 2.0**20
#: From this width on, a product per member is faster than one batched product for all members, which
#: needs fewer nodes. One member, or members of unlike widths, always take a product per member.
_WIDE = 256


def build(
    squash: NDArray[np.float32],
    members: Sequence[MemberLayers],
    answer: Answer,
    *,
    trees: TreesBeside | None = None,
) -> onnx.ModelProto:
    """Return the graph from raw features to the manifest's outputs.

    ``squash`` is the table of ``preprocessing.Squash`` (6, F). ``members`` have equally many layers;
    their widths may differ. ``answer`` says what is made of their mean. The logits of ``trees`` are
    added to the members'.
    """
    graph = Nodes()
    features = squash.shape[1]
    number, layers = len(members), len(members[0]) - 1
    squashed, value = _squash(graph, squash)
    name = MEMBER_LOGIT if trees is None else "network_logit"
    if number == 1 or not _alike(members) or max(map(_width, members[0][:-1])) >= _WIDE:
        statistics = _member_by_member(graph, squashed, members, name)
        layout, order = [3, number, layers, -1], [3, 1, 2, 0]
    else:
        statistics = _side_by_side(graph, squashed, members, name)
        layout, order = [3, layers, number, -1], [3, 2, 1, 0]
    _taps(graph, statistics, layout, order)
    if trees is not None:
        graph.add("Add", name, member_tree_logits(graph, value, *trees), name=MEMBER_LOGIT)
    axis = graph.constant("members_axis", [1], np.int64)
    answer.add(graph, graph.add("ReduceMean", MEMBER_LOGIT, axis, keepdims=0))
    shapes = [*answer.shapes, [number, layers, 3], [features], [number, answer.network_outputs]]
    outputs = dict(zip((*answer.outputs, *INNER_OUTPUTS), shapes, strict=True))
    return graph.model("ensemble", {INPUT: [features]}, outputs, doubles=DOUBLES)


def _width(layer: Layer) -> int:
    return len(layer.biases)


def _alike(members: Sequence[MemberLayers]) -> bool:
    return len({tuple(map(_width, member)) for member in members}) == 1


def _squash(graph: Nodes, table: NDArray[np.float32]) -> tuple[str, str]:
    """Impute, Yeo-Johnson, standardise, tanh: ``preprocessing.Squash`` with fewer nodes.

    Both branches of Yeo-Johnson are one: of sign s and magnitude |x|, with power q = 1 + s (p - 1),
    it is s ((1 + |x|)^q - 1) / q, or s log(1 + |x|) where q is 0. (Fitted
    powers are 0 or 2 themselves, or far enough from them.) Returns the result and the imputed values.
    """
    median, power, mean, scale, limit, weight = table.astype(np.float64)
    one = graph.constant("one", 1)
    value = graph.add("Where", graph.add("IsNaN", INPUT), graph.constant("squash.median", median), INPUT)
    # Sign would take ten times as long. Infinity is clipped to 1.
    sign = graph.add(
        "Clip",
        graph.add("Mul", value, graph.constant("largest", 1e38)),
        graph.constant("minus_one", -1),
        one,
    )
    log = graph.add("Log", graph.add("Add", graph.add("Abs", value), one))
    shape = graph.add("Mul", sign, graph.constant("squash.power", power - 1))
    q = graph.add("Add", shape, one)
    # Bounded, so that the largest float32 stays finite.
    exponent = graph.add("Clip", graph.add("Mul", q, log), "", graph.constant("largest_exponent", 80))
    above_one = graph.add("Sub", graph.add("Exp", exponent), one)
    if np.isin(power, (0.0, 2.0)).any():
        none = graph.add("Equal", q, graph.constant("zero", 0))
        quotient = graph.add("Div", above_one, graph.add("Where", none, one, q))
        magnitude = graph.add("Where", none, log, quotient)
    else:
        magnitude = graph.add("Div", above_one, q)
    factor = 1 / (scale * limit)
    moved = graph.add("Mul", graph.add("Mul", magnitude, sign), graph.constant("squash.factor", factor))
    bounded = graph.add("Tanh", graph.add("Add", moved, graph.constant("squash.shift", -mean * factor)))
    weighted = graph.constant("squash.weight", weight * limit)
    return graph.add("Mul", bounded, weighted, name=SQUASHED), value


def _folded(
    graph: Nodes, tensors: dict[str, Array], layer: int, member: int | None, *, last: bool
) -> tuple[str, str]:
    """Weights (…, in, out) and biases (…, 1, out), one member's or all, that take and give a(z)."""
    weights, biases = tensor_names(layer, member)
    stored = graph.constant(weights, tensors[weights], np.float16)
    added = graph.constant(biases, tensors[biases])
    factors = graph.add("Cast", stored, to=TensorProto.FLOAT)
    if layer:  # inputs of the first layer are features, of others units: lambda (a - _ZERO)
        factors = graph.add("Mul", factors, graph.constant("lambda", LAMBDA))
        sums = graph.add("ReduceSum", factors, graph.constant("inputs_axis", [-2], np.int64))
        added = graph.add("Sub", added, graph.add("Mul", sums, graph.constant("unit_zero", _ZERO)))
    if not last:
        added = graph.add("Add", added, graph.constant("log_alpha", _C))
    return factors, added


def _activate(graph: Nodes, z: str) -> str:
    """a(z): exponential below c = ln(alpha), a straight line above."""
    c = graph.constant("log_alpha", _C)
    return graph.add("Add", graph.add("Clip", z, c), graph.add("Exp", graph.add("Clip", z, "", c)))


def _statistics(graph: Nodes, units: str) -> tuple[str, str, str]:
    """Mean, mean square and saturated share of a layer's units (…, width), each of shape (…)."""
    last = graph.constant("last_axis", [-1], np.int64)
    saturated_below = SATURATED_BELOW / LAMBDA + _ZERO
    saturated = graph.add(
        "HardSigmoid", units, alpha=-_STEEP, beta=0.5 + _STEEP * float(np.float32(saturated_below))
    )
    return (
        graph.add("ReduceMean", units, last, keepdims=0),
        graph.add("ReduceMean", graph.add("Mul", units, units), last, keepdims=0),
        graph.add("ReduceMean", saturated, last, keepdims=0),
    )


_Statistics = list[tuple[str, str, str]]


def _tensors(members: Sequence[MemberLayers], *, stacked: bool) -> dict[str, Array]:
    tensors: dict[str, Array] = {}
    for number, layers in enumerate(zip(*members, strict=True)):
        tensors |= layer_tensors(number, layers, stacked=stacked)
    return tensors


def _member_by_member(
    graph: Nodes, squashed: str, members: Sequence[MemberLayers], name: str
) -> _Statistics:
    """One chain of fused products per member; statistics come member by member."""
    tensors = _tensors(members, stacked=False)
    statistics, logits = [], []
    for member, layers in enumerate(members):
        units = squashed
        for layer in range(len(layers) - 1):
            folded = _folded(graph, tensors, layer, member, last=False)
            units = _activate(graph, graph.add("Gemm", units, *folded))
            statistics.append(_statistics(graph, units))
        folded = _folded(graph, tensors, len(layers) - 1, member, last=True)
        logits.append(graph.add("Gemm", units, *folded))
    shape = graph.constant("logit_shape", [-1, len(members), _width(members[0][-1])], np.int64)
    joined = graph.add("Concat", *logits, axis=1) if len(members) > 1 else logits[0]
    graph.add("Reshape", joined, shape, name=name)
    return statistics


def _side_by_side(
    graph: Nodes, squashed: str, members: Sequence[MemberLayers], name: str
) -> _Statistics:
    """One batched product per layer for all members; statistics come layer by layer."""
    tensors = _tensors(members, stacked=True)
    last = len(members[0]) - 1
    statistics = []
    units = graph.add("Unsqueeze", squashed, graph.constant("first_axis", [0], np.int64))
    for layer in range(last):
        weight, bias = _folded(graph, tensors, layer, None, last=False)
        units = _activate(graph, graph.add("Add", graph.add("MatMul", units, weight), bias))
        statistics.append(_statistics(graph, units))
    weight, bias = _folded(graph, tensors, last, None, last=True)
    logits = graph.add("Add", graph.add("MatMul", units, weight), bias)
    graph.add("Transpose", logits, perm=[1, 0, 2], name=name)
    return statistics


def _taps(graph: Nodes, statistics: _Statistics, layout: list[int], order: list[int]) -> None:
    """All statistics as (batch, members, layers, 3), of SELU's scale again.

    Statistics of shape (batch) or (members, batch) are concatenated along their first axis and
    transposed last: concatenation along the last axis would copy single numbers.
    """
    mean, square, share = (
        graph.add("Concat", *kind, axis=0) if len(kind) > 1 else kind[0]
        for kind in zip(*statistics, strict=True)
    )
    variance = graph.add("Sub", square, graph.add("Mul", mean, mean))
    mean = graph.add("Sub", mean, graph.constant("unit_zero", _ZERO))
    mean = graph.add("Mul", mean, graph.constant("lambda", LAMBDA))
    variance = graph.add("Mul", variance, graph.constant("lambda_squared", LAMBDA**2))
    joined = graph.add("Concat", mean, variance, share, axis=0)
    shaped = graph.add("Reshape", joined, graph.constant("taps_layout", layout, np.int64))
    graph.add("Transpose", shaped, perm=order, name="taps")
