"""The weights of a bundle's networks, read from its ONNX file as they were trained.

A graph keeps them in one of two ways. Stacked: one tensor for each layer, of all members, whose networks
are of one shape then. Apart: one tensor for each layer of each member.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from models.errors import BundleRefused

Array32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of one member: weights ``(in, out)`` and biases ``(out,)``."""

    weights: Array32
    biases: Array32


#: One member: its hidden layers and, last, its output layer.
MemberLayers = tuple[Layer, ...]


def tensor_names(layer: int, member: int | None = None) -> tuple[str, str]:
    """Names of the tensors of a layer's weights and biases: one member's, or all members' stacked."""
    suffix = f"{layer}" if member is None else f"{layer}.{member}"
    return f"weights.{suffix}", f"biases.{suffix}"


def layer_tensors(number: int, members: Sequence[Layer], *, stacked: bool) -> dict[str, Array32]:
    """The tensors that keep one layer of all members, by name.

    Stacked: weights ``(members, in, out)``, biases ``(members, 1, out)``. Apart: for each member weights
    ``(in, out)``, biases ``(1, out)``.
    """
    if stacked:
        weights, biases = tensor_names(number)
        return {
            weights: np.stack([layer.weights for layer in members]),
            biases: np.stack([layer.biases[None] for layer in members]),
        }
    tensors: dict[str, Array32] = {}
    for member, layer in enumerate(members):
        weights, biases = tensor_names(number, member)
        tensors |= {weights: layer.weights, biases: layer.biases[None]}
    return tensors


def read_weights(model: bytes) -> list[MemberLayers]:
    """Return the members of an ONNX file that was checked before.

    Raises ``BundleRefused`` for a graph that does not keep its weights under their names, as graphs did
    that were published before those names were agreed upon.
    """
    kept = {tensor.name: tensor for tensor in onnx.load_model_from_string(model).graph.initializer}

    def layers(member: int | None) -> list[tuple[Array32, Array32]]:
        tensors: list[tuple[Array32, Array32]] = []
        while set(names := tensor_names(len(tensors), member)) <= kept.keys():
            weights, biases = (numpy_helper.to_array(kept[name]).astype(np.float32) for name in names)
            tensors.append((weights, biases))
        return tensors

    if stacked := layers(None):
        return [
            tuple(Layer(weights[member], biases[member].reshape(-1)) for weights, biases in stacked)
            for member in range(len(stacked[0][0]))
        ]
    members: list[MemberLayers] = []
    while own := layers(len(members)):
        members.append(tuple(Layer(weights, biases.reshape(-1)) for weights, biases in own))
    if not members:
        raise BundleRefused(
            "the graph does not keep its weights under the names that this build knows;"
            " publish the model again with this build's training module"
        )
    return members
