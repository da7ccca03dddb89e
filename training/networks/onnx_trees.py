"""Boosted trees as ONNX nodes, of the operators that CUDA has kernels for too.

ONNX's own operator for trees has none, and a session on CUDA must not compute a part elsewhere without
saying so. Here all rows go down all trees at once, one level after the other. ``GatherElements`` looks
numbers up in a third of ``Gather``'s time or less; its indices are clipped to what there is, which costs
little and is what a bundle's check asks for.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from models.networks.onnx_nodes import Nodes
from training.networks.trees import Trees

#: The largest whole number up to which float16 has all.
_EXACT = 2048


class TreesBeside(NamedTuple):
    """Trees, and which of their folds' logits is added to each member's."""

    trees: Trees
    places: list[int]


def member_tree_logits(graph: Nodes, value: str, trees: Trees, places: list[int]) -> str:
    """The trees' logits ``[batch, members, T]`` of imputed raw features ``value`` ``[batch, F]``."""
    roots, targets = trees.roots.reshape(-1), trees.value.shape[1]
    flat = graph.constant("trees.flat", [1, -1], np.int64)
    by_row = graph.constant("trees.by_row", [-1, roots.size], np.int64)
    tables = (
        _whole(graph, "trees.feature", trees.feature),
        graph.constant("trees.threshold", trees.threshold[None]),
        _whole(graph, "trees.child", trees.child),
    )
    zero = graph.constant("trees.zero", 0, np.int64)
    last_feature = graph.constant("trees.last_feature", trees.feature.max(), np.int64)
    last_node = graph.constant("trees.last_node", len(trees.child) - 1, np.int64)
    # What every row compares first is known, whatever the row.
    compared = graph.add(
        "Gather", value, graph.constant("trees.root_feature", trees.feature[roots], np.int64), axis=1
    )
    limit = graph.constant("trees.root_threshold", trees.threshold[roots])
    child = graph.constant("trees.root_child", trees.child[roots], np.int64)
    node = graph.add("Reshape", _next(graph, compared, limit, child), flat)
    for _ in range(trees.depth - 1):
        place = graph.add("Clip", node, zero, last_node)
        feature, limit, child = (graph.add("GatherElements", table, place, axis=-1) for table in tables)
        own = graph.add("Clip", graph.add("Reshape", feature, by_row), zero, last_feature)
        compared = graph.add("Reshape", graph.add("GatherElements", value, own, axis=-1), flat)
        node = _next(graph, compared, limit, child)
    steps = graph.constant("trees.value", trees.value, np.float16)
    leaves = graph.add(
        "Cast",
        graph.add("Gather", steps, graph.add("Reshape", node, by_row), axis=0),
        to=TensorProto.FLOAT,
    )
    layout = graph.constant("trees.layout", [-1, *trees.roots.shape, targets], np.int64)
    axis = graph.constant("trees.axis", [2], np.int64)
    folds = graph.add("ReduceSum", graph.add("Reshape", leaves, layout), axis, keepdims=0)
    return graph.add("Gather", folds, graph.constant("trees.places", places, np.int64), axis=1)


def _next(graph: Nodes, compared: str, limit: str, child: str) -> str:
    """The node below: the child, or the one after it."""
    above = graph.add("Cast", graph.add("Greater", compared, limit), to=TensorProto.INT64)
    return graph.add("Add", child, above)


def _whole(graph: Nodes, name: str, values: NDArray[np.int64]) -> str:
    """Whole numbers ``[1, n]``, stored in few bytes; a session makes integers of them once."""
    kind = np.float16 if values.max() <= _EXACT else np.float32
    return graph.add("Cast", graph.constant(name, values[None], kind), to=TensorProto.INT64)
