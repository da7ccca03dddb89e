"""Bound what a bundle's ONNX graph can take of memory, before a runtime loads it.

The shape of every tensor must follow from the graph. None may be larger than networks of the manifest's
layers need, for one row or for the largest batch, nor all of them together, as if none were ever freed.
The manifest's layers are bounded in turn by the weights that the file really holds.
"""

import math
from itertools import pairwise

from onnx import GraphProto, ModelProto, TensorProto, helper, shape_inference

from models.bundle.manifest import LARGEST_BATCH, MANIFEST_FILE, MODEL_FILE, Manifest
from models.errors import BundleRefused

#: Bytes per value of each data type that a tensor may have.
BYTES: dict[int, int] = {
    TensorProto.FLOAT: 4, TensorProto.FLOAT16: 2, TensorProto.BOOL: 1, TensorProto.INT64: 8,
    TensorProto.DOUBLE: 8,
}  # fmt: skip

#: Limit of constants beside the weights: shapes and axes, and some per feature and target.
_SPARE_VALUES, _PER_FEATURE, _PER_TARGET = 65_536, 32, 32
#: Limit of the values of one tensor per row of a batch: per member and unit of the widest layer, and
#: beside them. The product of two small tensors can fill the memory.
_PER_UNIT, _SPARE_PER_ROW = 4, 4_096
#: Limit of the values of all tensors per row: per unit and feature of each member, twice what the
#: committed models have, and beside them. Of constants that are computed, so many times the weights.
_ALL_PER_UNIT, _ALL_SPARE_PER_ROW, _ALL_CONSTANTS = 16, 65_536, 4
#: Limit of constants per node of a tree, beside its step for each target, and of the values of all
#: tensors per row, tree and level.
_PER_TREE_NODE, _ALL_PER_TREE_LEVEL = 4, 16
#: Limit of the bytes of all tensors in the largest batch, whatever the layers.
_MOST_BYTES = 2 << 30
#: A constant with more values is no shape or axis, so that only its size is needed to infer shapes.
_SHAPE_VALUES = 64


def _weights(manifest: Manifest) -> int:
    """The number of weights, without biases, of the manifest's layers, and of the steps of its trees."""
    steps = 0 if manifest.trees is None else manifest.trees.nodes * manifest.network_outputs
    return sum(a * b for sizes in _layers(manifest) for a, b in pairwise(sizes)) + steps


def most_constants(manifest: Manifest) -> int:
    """The largest number of constant values that the manifest's layers and trees need."""
    biases = sum(sum(sizes[1:]) for sizes in _layers(manifest))
    spare = _PER_FEATURE * manifest.features + _PER_TARGET * manifest.network_outputs + _SPARE_VALUES
    nodes = 0 if manifest.trees is None else _PER_TREE_NODE * manifest.trees.nodes
    return _weights(manifest) + biases + nodes + spare


def check_sizes(model: ModelProto, manifest: Manifest) -> None:
    """Check the size of every tensor; raises ``BundleRefused`` with the first that is not bounded.

    Sizes are inferred for one row and for the largest batch: a tensor that grows is one of rows, any
    other is one of constants.
    """
    if sum(math.prod(tensor.dims) for tensor in model.graph.initializer) < _weights(manifest):
        raise BundleRefused(
            f"{MODEL_FILE} holds fewer weights than its manifest's layers and trees have"
        )
    if manifest.trees is not None and manifest.trees.nodes < _trees(manifest)[0]:
        raise BundleRefused(f"{MANIFEST_FILE} says that there are fewer nodes than trees")
    one, most = _sizes(model, 1), _sizes(model, LARGEST_BATCH)
    for node in model.graph.node:
        for name in node.output:
            if name and (name not in one or name not in most):
                raise BundleRefused(
                    f"{MODEL_FILE}: the size of {name[:80]!r} does not follow from the graph"
                )
    widest = max(manifest.features, *manifest.widths, manifest.network_outputs)
    trees, levels = _trees(manifest)
    steps = trees * manifest.network_outputs
    per_row = _PER_UNIT * len(manifest.members) * widest + steps + _SPARE_PER_ROW
    constant = most_constants(manifest)
    growing, fixed, taken = 0, 0, 0
    for name, (size, width) in most.items():
        grows = size > one[name][0]
        rows = LARGEST_BATCH if grows else 1
        if size > rows * (per_row if grows else constant):
            limit, each = (per_row, " for each row") if grows else (constant, "")
            raise BundleRefused(
                f"{MODEL_FILE} computes {-(-size // rows)} values{each} in {name[:80]!r};"
                f" {limit} are enough for its manifest's layers"
            )
        growing, fixed = growing + size * grows, fixed + size * (not grows)
        taken += size * width
    layers = sum(sum(sizes) for sizes in _layers(manifest))
    per_tree = _ALL_PER_TREE_LEVEL * trees * levels + 2 * steps
    all_rows = LARGEST_BATCH * (_ALL_PER_UNIT * layers + per_tree + _ALL_SPARE_PER_ROW)
    if growing > all_rows or fixed > _ALL_CONSTANTS * constant or taken > _MOST_BYTES:
        raise BundleRefused(
            f"{MODEL_FILE} computes {taken >> 20} MiB of values in a batch of {LARGEST_BATCH} rows,"
            " more than its manifest's layers need"
        )


def _trees(manifest: Manifest) -> tuple[int, int]:
    """The number of trees of all folds, and of levels that a row goes down in each."""
    if manifest.trees is None:
        return 0, 0
    folds = len({member.fold for member in manifest.members})
    return folds * manifest.trees.number, manifest.trees.depth + 1


def _layers(manifest: Manifest) -> list[list[int]]:
    """The sizes of features, hidden layers and targets, by member."""
    return [
        [manifest.features, *manifest.widths_of(member), manifest.network_outputs]
        for member in range(len(manifest.members))
    ]


def _sizes(model: ModelProto, rows: int) -> dict[str, tuple[int, int]]:
    """The number of values of each tensor, and bytes per value, by name, where ONNX can infer them."""
    graph = GraphProto(name="sizes", node=model.graph.node)
    features = graph.input.add()
    features.CopyFrom(model.graph.input[0])
    features.type.tensor_type.shape.dim[0].dim_value = rows
    for tensor in model.graph.initializer:
        if isinstance(tensor.name, bytes):  # so protobuf gives what it cannot decode
            raise BundleRefused(f"{MODEL_FILE}: the name of a tensor is not UTF-8")
        if math.prod(tensor.dims) <= _SHAPE_VALUES:
            graph.initializer.add().CopyFrom(tensor)
        else:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    skeleton = ModelProto(ir_version=model.ir_version, graph=graph, opset_import=model.opset_import)
    try:
        inferred = shape_inference.infer_shapes(skeleton, data_prop=True).graph
    except Exception as error:  # onnx raises types of its own for contradictory shapes
        raise BundleRefused(f"{MODEL_FILE}: the shapes of its tensors contradict: {error}") from error
    return {
        value.name: (
            math.prod(dimension.dim_value for dimension in tensor.shape.dim),
            BYTES.get(tensor.elem_type, 8),
        )
        for value in inferred.value_info
        for tensor in [value.type.tensor_type]
        if tensor.HasField("shape")
        and all(dimension.HasField("dim_value") for dimension in tensor.shape.dim)
    }
