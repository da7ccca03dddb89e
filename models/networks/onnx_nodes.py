"""A graph in the making: ONNX nodes of one output each, constants, and the model of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: Operator set 18 has kernels for all that is used here on CUDA, too.
_OPSET, _IR_VERSION = 18, 10

#: By tensor: its shape for one row of a batch, None where it is not said.
Shapes = Mapping[str, Sequence[int | None]]


class Nodes:
    """Nodes and constants, in the order of computing."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: object, kind: type = np.float32) -> str:
        """Keep a constant under its name, which is returned."""
        if name not in self.tensors:
            self.tensors[name] = numpy_helper.from_array(np.asarray(value, kind), name)
        return name

    def add(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Append a node of one output, whose name is returned."""
        output = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def model(self, name: str, inputs: Shapes, outputs: Shapes) -> onnx.ModelProto:
        """Return the model; all inputs and outputs are float32, batches of rows."""

        def values(shapes: Shapes) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["batch", *shape])
                for tensor, shape in shapes.items()
            ]

        graph = helper.make_graph(
            self.nodes, name, values(inputs), values(outputs), list(self.tensors.values())
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return model
