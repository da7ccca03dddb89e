"""Building an ONNX graph: nodes of one output each, constants, and the model made of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

#: Operator set 18 has kernels for all that is used here on CUDA, too.
_OPSET, _IR_VERSION = 18, 10

#: By tensor: its shape for one row of a batch, None where it is not said.
Shapes = Mapping[str, Sequence[int | None]]


class Nodes:
    """Nodes and constants, in the order of computing; ``kind`` is their numbers' type."""

    def __init__(self, kind: type = np.float32) -> None:
        self.kind = kind
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: object, kind: type | None = None) -> str:
        """Keep a constant under its name, which is returned."""
        if name not in self.tensors:
            self.tensors[name] = numpy_helper.from_array(np.asarray(value, kind or self.kind), name)
        return name

    def add(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Append a node of one output, whose name is returned."""
        output = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def model(
        self, name: str, inputs: Shapes, outputs: Shapes, doubles: Collection[str] = ()
    ) -> onnx.ModelProto:
        """Return the model; all inputs and outputs are batches of rows, of the type ``kind``.

        The outputs in ``doubles`` are in double precision.
        """

        def values(shapes: Shapes) -> list[onnx.ValueInfoProto]:
            kinds = {tensor: np.float64 if tensor in doubles else self.kind for tensor in shapes}
            return [
                helper.make_tensor_value_info(
                    tensor,
                    helper.np_dtype_to_tensor_dtype(np.dtype(kinds[tensor])),
                    ["batch", *shape],
                )
                for tensor, shape in shapes.items()
            ]

        graph = helper.make_graph(
            self.nodes, name, values(inputs), values(outputs), list(self.tensors.values())
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return model
