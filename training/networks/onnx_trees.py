"""Boosted trees as ONNX nodes, of the operators that CUDA has kernels for too.

ONNX's own operator for trees has none, and a session on CUDA must not compute a part elsewhere without
saying so. Here all rows go down all trees at once, one level after the other.
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
    roots = trees.roots.reshape(-1)
    narrow = np.float16 if trees.feature.max() <= _EXACT else np.float32
    features = _whole(graph, "trees.feature", trees.feature, narrow)
    children = _whole(graph, "trees.child", trees.child, np.float32)
    thresholds = graph.constant("trees.threshold", trees.threshold)
    # What every row compares first is known, whatever the row.
    compared = graph.add(
        "Gather", value, graph.constant("trees.root_feature", trees.feature[roots], np.int64), axis=1
    )
    limit = graph.constant("trees.root_threshold", trees.threshold[roots])
    child = graph.constant("trees.root_child", trees.child[roots], np.int64)
    node = _next(graph, compared, limit, child)
    for _ in range(trees.depth - 1):
        chosen = graph.add("Gather", features, node)
        compared = graph.add("GatherElements", value, chosen, axis=-1)
        limit, child = graph.add("Gather", thresholds, node), graph.add("Gather", children, node)
        node = _next(graph, compared, limit, child)
    steps = graph.constant("trees.value", trees.value, np.float16)
    leaves = graph.add("Gather", graph.add("Cast", steps, to=TensorProto.FLOAT), node, axis=0)
    layout = graph.constant("trees.layout", [-1, *trees.roots.shape, trees.value.shape[1]], np.int64)
    axis = graph.constant("trees.axis", [2], np.int64)
    folds = graph.add("ReduceSum", graph.add("Reshape", leaves, layout), axis, keepdims=0)
    return graph.add("Gather", folds, graph.constant("trees.places", places, np.int64), axis=1)


def _next(graph: Nodes, compared: str, limit: str, child: str) -> str:
    """The node below: the child, or the one after it."""
    above = graph.add("Cast", graph.add("Greater", compared, limit), to=TensorProto.INT64)
    return graph.add("Add", child, above)


def _whole(graph: Nodes, name: str, values: NDArray[np.int64], kind: type) -> str:
    """Whole numbers, stored in few bytes; a session makes integers of them once."""
    return graph.add("Cast", graph.constant(name, values, kind), to=TensorProto.INT64)
