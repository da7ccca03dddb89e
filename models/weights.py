"""The weights of a bundle's networks, read from its ONNX file as they were trained."""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from models.errors import BundleRefused

WEIGHTS, BIASES = "weights.{}", "biases.{}"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of all members: weights ``(members, in, out)`` and biases ``(members, out)``."""

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]


def read_weights(model: bytes) -> list[Layer]:
    """Return the hidden layers and, last, the output layer of an ONNX file that was checked before.

    Raises ``BundleRefused`` for a graph that does not keep them under their names, as graphs did that
    were published before those names were agreed upon.
    """
    tensors = {tensor.name: tensor for tensor in onnx.load_model_from_string(model).graph.initializer}
    layers: list[Layer] = []
    while (name := WEIGHTS.format(len(layers))) in tensors:
        biases = BIASES.format(len(layers))
        if biases not in tensors:
            break
        weights = numpy_helper.to_array(tensors[name]).astype(np.float32)
        added = numpy_helper.to_array(tensors[biases]).astype(np.float32)
        layers.append(Layer(weights, added.reshape(weights.shape[0], -1)))
    if not layers:
        raise BundleRefused(
            "the graph does not keep its weights under the names that this build knows;"
            " publish the model again with this build's training module"
        )
    return layers
