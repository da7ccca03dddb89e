"""Faults put into the weights of a network, as damaged memory or a wrong file would.

Each kind takes the published members and a generator, and changes copies: what a fault leaves alone
is shared with the published members.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import Place
from models.networks.weights import Layer, MemberLayers

Array32 = NDArray[np.float32]
Members = list[MemberLayers]


@dataclass(frozen=True, slots=True)
class Fault:
    """The members with a fault, and the first place that differs from the published ones."""

    members: Members
    place: Place


Kind = Callable[[Members, np.random.Generator], Fault]


def _random_layer(members: Members, rng: np.random.Generator) -> tuple[int, int]:
    """A member, and the first, middle or last of its hidden layers."""
    hidden = len(members[0]) - 1
    return int(rng.integers(len(members))), int(rng.choice((0, hidden // 2, hidden - 1)))


def _place(members: Members, number: int, member: int) -> Place:
    if number == len(members[0]) - 1:
        return Place("output", member)
    return Place("layer", member, number + 1)


def _with_layer(layers: MemberLayers, number: int, layer: Layer) -> MemberLayers:
    return (*layers[:number], layer, *layers[number + 1 :])


def _in_layer(
    members: Members, member: int, number: int, change: Callable[[Array32, Array32], object]
) -> Fault:
    """One layer of one member changed by ``change(weights, biases)``, in place, on a copy."""
    layer = Layer(members[member][number].weights.copy(), members[member][number].biases.copy())
    change(layer.weights, layer.biases)
    changed = list(members)
    changed[member] = _with_layer(members[member], number, layer)
    return Fault(changed, _place(members, number, member))


def _scaled(factor: float) -> Kind:
    """Weights of one member's layer, scaled."""
    return lambda members, rng: _in_layer(
        members, *_random_layer(members, rng), lambda weights, _: np.multiply(weights, factor, weights)
    )


def _scaled_in_all(members: Members, rng: np.random.Generator) -> Fault:
    """Weights of a layer of all members, scaled by 1.1."""
    number = _random_layer(members, rng)[1]
    changed = [
        _with_layer(
            layers, number, Layer(layers[number].weights * np.float32(1.1), layers[number].biases)
        )
        for layers in members
    ]
    return Fault(changed, _place(members, number, 0))


def _bit_flipped(members: Members, rng: np.random.Generator) -> Fault:
    """The top bit of the exponent of any one weight, in the output layer too."""

    def change(weights: Array32, _: Array32) -> None:
        bits = weights.reshape(-1).view(np.uint32)
        bits[rng.integers(bits.size)] ^= np.uint32(1 << 30)

    member, number = int(rng.integers(len(members))), int(rng.integers(len(members[0])))
    return _in_layer(members, member, number, change)


def _dead(share: float) -> Kind:
    """Units whose incoming weights and bias are 0; a share of 0 means one unit."""

    def make(members: Members, rng: np.random.Generator) -> Fault:
        def change(weights: Array32, biases: Array32) -> None:
            units = rng.permutation(len(biases))[: max(1, round(share * len(biases)))]
            weights[:, units] = 0
            biases[units] = 0

        return _in_layer(members, *_random_layer(members, rng), change)

    return make


def _all_weights(members: Members, change: Callable[[Array32], Array32]) -> Fault:
    """Every weight of every member changed; the biases stay."""
    changed = [
        tuple(Layer(change(layer.weights), layer.biases) for layer in layers) for layers in members
    ]
    return Fault(changed, _place(members, 0, 0))


def _stale(members: Members, rng: np.random.Generator) -> Fault:
    """Weights of a slightly different model, as of an earlier epoch: 5 % noise."""

    def noisy(array: Array32) -> Array32:
        noise = rng.standard_normal(array.shape, dtype=np.float32)
        return array + np.float32(0.05 * array.std()) * noise

    return _all_weights(members, noisy)


def _foreign(members: Members, rng: np.random.Generator) -> Fault:
    """Another model of the same shape: every layer's weights in another order."""
    return _all_weights(members, lambda array: rng.permutation(array.reshape(-1)).reshape(array.shape))


def _replaced(members: Members, rng: np.random.Generator) -> Fault:
    """One member replaced by a copy of another of its shape; every shape has one per fold."""
    member = int(rng.integers(len(members)))
    shapes = [[layer.weights.shape for layer in layers] for layers in members]
    others = [at for at in range(len(members)) if at != member and shapes[at] == shapes[member]]
    changed = list(members)
    changed[member] = members[int(rng.choice(others))]
    return Fault(changed, _place(members, 0, member))


KINDS: dict[str, Kind] = {
    "a member's layer × 2": _scaled(2.0),
    "a member's layer × 1.1": _scaled(1.1),
    "every member's layer × 1.1": _scaled_in_all,
    "top exponent bit of a weight": _bit_flipped,
    "a dead unit": _dead(0.0),
    "5 % of a layer's units dead": _dead(0.05),
    "stale model (5 % noise)": _stale,
    "foreign model of the same shape": _foreign,
    "one member replaced": _replaced,
}
