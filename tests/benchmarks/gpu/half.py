"""A committed graph with its networks in FP16, for what that would cost and save."""

import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from models.networks.outputs import MEMBER_LOGIT, SQUASHED
from service.inference.backend.device import CPU, session_options

PRODUCTS = ("Gemm", "MatMul")


@lru_cache(maxsize=2)
def folded(model: bytes) -> onnx.ModelProto:
    """The graph with its constants computed, as a session would: weights in float32, each by itself."""
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(model, options, providers=[CPU])
        return onnx.load(path)


@lru_cache(maxsize=2)
def halved(model: bytes) -> bytes:
    """The graph with networks and taps in FP16; inputs and outputs stay float32.

    So do the squash, whose constants FP16 cannot hold, the step that counts saturated units, whose
    slope it cannot hold either, and what comes after the last product.
    """
    whole = folded(model).graph
    kept = _ancestors(whole, [SQUASHED]) | _after_products(whole)
    kept |= {node.output[0] for node in whole.node if node.op_type == "HardSigmoid"}
    return _Halving(whole, kept).model()


class _Halving:
    """One graph on its way: nodes that are kept compute in float32, the others in FP16."""

    def __init__(self, graph: onnx.GraphProto, kept: set[str]) -> None:
        self._graph = graph
        self._weights = {
            tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT
        }
        whole = {output for node in graph.node if node.output[0] in kept for output in node.output}
        self._half = {output for node in graph.node for output in node.output} - whole
        self._nodes: list[onnx.NodeProto] = []
        self._made = list(graph.initializer)
        self._cast: dict[tuple[str, int], str] = {}
        # What is no float anywhere: axes, shapes, and answers of IsNaN and Equal.
        self._others = {tensor.name for tensor in graph.initializer} - set(self._weights) | {
            node.output[0] for node in graph.node if node.op_type in ("IsNaN", "Equal")
        }
        for node in graph.node:
            self._add(node, TensorProto.FLOAT16 if node.output[0] in self._half else TensorProto.FLOAT)

    def model(self) -> bytes:
        """The model, its outputs in float32 under their own names."""
        outputs = {output.name for output in self._graph.output} & self._half
        for node in self._nodes:
            node.input[:] = [f"{name}.half" if name in outputs else name for name in node.input]
            node.output[:] = [f"{name}.half" if name in outputs else name for name in node.output]
        self._nodes += [
            helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)
            for name in sorted(outputs)
        ]
        used = {name for node in self._nodes for name in node.input}
        graph = helper.make_graph(
            self._nodes,
            "half",
            list(self._graph.input),
            list(self._graph.output),
            [tensor for tensor in self._made if tensor.name in used],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        onnx.checker.check_model(made)
        return bytes(made.SerializeToString())

    def _add(self, node: onnx.NodeProto, kind: int) -> None:
        added = onnx.NodeProto()
        added.CopyFrom(node)
        added.input[:] = [self._as(name, kind) for name in node.input]
        self._nodes.append(added)

    def _as(self, name: str, kind: int) -> str:
        """The tensor's name in this precision, converted for the first that needs it so."""
        own = TensorProto.FLOAT16 if name in self._half else TensorProto.FLOAT
        if not name or name in self._others or own == kind:
            return name
        if (name, kind) not in self._cast:
            made = self._cast[name, kind] = f"{name}.{kind}"
            if name in self._weights:
                array = numpy_helper.to_array(self._weights[name]).astype(np.float16)
                self._made.append(numpy_helper.from_array(array, made))
            else:
                self._nodes.append(helper.make_node("Cast", [name], [made], to=kind))
        return self._cast[name, kind]


def _ancestors(graph: onnx.GraphProto, tensors: list[str]) -> set[str]:
    """First outputs of the nodes that compute these tensors, and of all that they need."""
    makers = {output: node for node in graph.node for output in node.output}
    found: set[str] = set()
    while tensors:
        node = makers.get(tensors.pop())
        if node is not None and node.output[0] not in found:
            found.add(node.output[0])
            tensors.extend(node.input)
    return found


def _after_products(graph: onnx.GraphProto) -> set[str]:
    """First outputs of the nodes between the last products and the probability."""
    products = [output for node in graph.node if node.op_type in PRODUCTS for output in node.output]
    outputs = {output.name for output in graph.output}
    wanted = [name for name in ("probability", "logit", MEMBER_LOGIT) if name in outputs]
    return _ancestors(graph, wanted) - _ancestors(graph, products)
