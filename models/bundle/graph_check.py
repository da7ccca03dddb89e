"""Check what a bundle's ONNX file contains before a runtime loads it.

An ONNX graph is a program: it can use files of the machine as weights, load operator libraries, loop,
or take more memory than there is. This check allows none of that. All operators are on a list, weights
are inside the file and of a size that follows from the manifest, inputs and outputs are the contract's.
"""

import math
from collections.abc import Iterator, Mapping
from typing import TypeGuard

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from models.bundle.graph_sizes import BYTES, check_sizes, most_constants
from models.bundle.manifest import MODEL_FILE, Manifest
from models.errors import BundleRefused
from models.networks.outputs import INNER_OUTPUTS, INPUT, MEMBER_LOGIT, SQUASHED, TAPS

#: The operators of networks, their statistics and their scaling. None has control flow, random numbers
#: or strings, or makes a tensor whose size is read from data.
OPERATORS = frozenset((
    "Abs", "Add", "Cast", "Clip", "Concat", "Div", "Equal", "Exp", "Flatten", "Gather",
    "GatherElements", "Gemm", "Greater", "GreaterOrEqual", "HardSigmoid", "Identity", "IsInf",
    "IsNaN", "LayerNormalization", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Mean", "Min",
    "Mul", "Neg", "Not", "Pow", "Reciprocal", "ReduceMean", "ReduceSum", "ReduceSumSquare",
    "Relu", "Reshape", "Selu", "Sigmoid", "Sign", "Slice", "Softmax", "Split", "Sqrt", "Squeeze",
    "Sub", "Sum", "Tanh", "Transpose", "Unsqueeze", "Where",
))  # fmt: skip

#: Limit of nodes: per member and layer, per level of trees, and beside them.
_NODES_PER_LAYER, _NODES_PER_LEVEL, _SPARE_NODES = 32, 16, 512

#: Operator set versions that this build supports.
_OPSETS = range(17, 24)


def check_graph(model: bytes, manifest: Manifest) -> tuple[str, ...]:
    """Check that a serialised ONNX graph meets the contract and does nothing else.

    Returns the names of its outputs. Raises ``BundleRefused`` with the reason.
    """
    try:
        proto = onnx.load_model_from_string(model)
    except Exception as error:  # protobuf raises types of its own for other files
        raise BundleRefused(f"{MODEL_FILE} is not an ONNX model: {error}") from error
    _check_language(proto)
    _check_nodes(proto.graph, manifest)
    _check_tensors(proto.graph, manifest)
    _check_picks(proto.graph, manifest)
    _check_interface(proto.graph, manifest)
    check_sizes(proto, manifest)
    return tuple(output.name for output in proto.graph.output)


def _check_language(model: ModelProto) -> None:
    domains = sorted({opset.domain for opset in model.opset_import} - {"", "ai.onnx"})
    if domains:
        raise BundleRefused(f"{MODEL_FILE} asks for operators of {domains[0]!r}; ONNX's own are allowed")
    versions = [opset.version for opset in model.opset_import]
    if len(versions) != 1 or versions[0] not in _OPSETS:
        raise BundleRefused(
            f"{MODEL_FILE} is written in operator sets {versions}; one is needed, from"
            f" {_OPSETS.start} to {_OPSETS.stop - 1}"
        )
    if model.functions:
        raise BundleRefused(f"{MODEL_FILE} defines functions of its own; a network needs none")
    if model.training_info:
        raise BundleRefused(f"{MODEL_FILE} holds a training graph; only inference is served")


def _check_nodes(graph: GraphProto, manifest: Manifest) -> None:
    most = _SPARE_NODES + _NODES_PER_LAYER * len(manifest.members) * (manifest.layers + 1)
    if manifest.trees is not None:
        most += _NODES_PER_LEVEL * (manifest.trees.depth + 1)
    if len(graph.node) > most:
        raise BundleRefused(
            f"{MODEL_FILE} has {len(graph.node)} nodes, {most} are enough for its layers"
        )
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise BundleRefused(f"{MODEL_FILE} uses the operator {name[:80]!r}, which no network needs")
        for attribute in node.attribute:
            if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
                raise BundleRefused(f"{MODEL_FILE}: a node {node.op_type} holds a graph of its own")


def _check_tensors(graph: GraphProto, manifest: Manifest) -> None:
    if graph.sparse_initializer:
        raise BundleRefused(f"{MODEL_FILE} holds sparse tensors; weights are plain ones")
    most, total = most_constants(manifest), 0
    for tensor in _tensors(graph):
        _check_tensor(tensor)
        total += math.prod(tensor.dims)
        if total > most:
            raise BundleRefused(
                f"{MODEL_FILE} holds more than {most} values, which its manifest's layers do not need"
            )


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """All tensors of a graph without subgraphs, those in the attributes of nodes included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type in (AttributeProto.SPARSE_TENSOR, AttributeProto.SPARSE_TENSORS):
                raise BundleRefused(f"{MODEL_FILE}: a node {node.op_type} holds a sparse tensor")
            # An attribute's type may be false: what it holds counts.
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_tensor(tensor: TensorProto) -> None:
    """Check that a tensor's values are inside, of an allowed type, and as many as its shape says."""
    name = tensor.name[:80]
    if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
        raise BundleRefused(f"{MODEL_FILE} keeps {name!r} outside itself; a bundle must be whole")
    if tensor.data_type not in BYTES:
        raise BundleRefused(f"{MODEL_FILE}: {name!r} is of a kind of number that no network needs")
    if any(size < 0 for size in tensor.dims):
        raise BundleRefused(f"{MODEL_FILE}: {name!r} has a negative size")
    count = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        complete = len(tensor.raw_data) == count * BYTES[tensor.data_type]
    else:
        complete = len(tensor.float_data) + len(tensor.int32_data) + len(tensor.int64_data) == count
    if not complete:
        raise BundleRefused(f"{MODEL_FILE}: {name!r} does not hold the values that its shape says")


def _check_picks(graph: GraphProto, manifest: Manifest) -> None:
    """Check that elements are gathered along the last axis, at places clipped to those that there are.

    Trees do so. CUDA's kernel reads what an index says, wherever that is.
    """
    tables = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type != "GatherElements":
            continue
        values, index = (*node.input, "", "")[:2]
        axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
        width = _last_size(makers, tables, values, manifest)
        low, high = -1, width
        if _kind(makers, index) == "Clip" and len(makers[index].input) == 3:
            bounds = [tables.get(name) for name in makers[index].input[1:]]
            known = [numpy_helper.to_array(bound) for bound in bounds if _is_number(bound)]
            if len(known) == 2:
                low, high = (int(bound.reshape(-1)[0]) for bound in known)
        if axes != [-1] or not 0 <= low <= high < width:
            raise BundleRefused(
                f"{MODEL_FILE} gathers elements in {node.output[0][:80]!r} at places that are not"
                " clipped to those that there are"
            )


def _is_number(bound: TensorProto | None) -> TypeGuard[TensorProto]:
    return bound is not None and bound.data_type == TensorProto.INT64 and math.prod(bound.dims) == 1


def _last_size(
    makers: Mapping[str, NodeProto], tables: Mapping[str, TensorProto], name: str, manifest: Manifest
) -> int:
    """The size of a tensor's last axis: of a constant, or of the features; 0 if it is not known here.

    A cast leaves it as it is, and a choice between features and something else does not make it smaller.
    """
    if _kind(makers, name) == "Cast":
        name = makers[name].input[0]
    if name == INPUT or (_kind(makers, name) == "Where" and INPUT in makers[name].input):
        return manifest.features
    return tables[name].dims[-1] if name in tables and tables[name].dims else 0


def _kind(makers: Mapping[str, NodeProto], name: str) -> str:
    """The operator that makes a tensor of inputs, empty if none does."""
    return makers[name].op_type if name in makers and makers[name].input else ""


def _check_interface(graph: GraphProto, manifest: Manifest) -> None:
    targets, members = len(manifest.target_names), len(manifest.members)
    answer = [[targets], [targets, 2] if manifest.is_regression else [targets]]
    required, optional = manifest.outputs[:-1], (TAPS, *INNER_OUTPUTS)
    expected = {
        INPUT: [manifest.features],
        **dict(zip(required, answer, strict=True)),
        TAPS: [members, manifest.layers, 3],
        SQUASHED: [manifest.features],
        MEMBER_LOGIT: [members, manifest.network_outputs],
    }
    if [value.name for value in graph.input] != [INPUT]:
        raise BundleRefused(f"{MODEL_FILE} is foreign: its inputs are not just {INPUT!r}")
    outputs = tuple(value.name for value in graph.output)
    if outputs != (*required, *(name for name in optional if name in outputs)):
        raise BundleRefused(
            f"{MODEL_FILE} is foreign: its outputs are not {', '.join(required)}, and maybe"
            f" {', '.join(optional)}"
        )
    for value in [*graph.input, *graph.output]:
        shape = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim][1:]
        if shape != expected[value.name]:
            raise BundleRefused(
                f"{MODEL_FILE}: {value.name} has shape [batch, {', '.join(map(str, shape))}],"
                f" the manifest says [batch, {', '.join(map(str, expected[value.name]))}]"
            )
