"""Rows through a published ensemble in which bits flip while one row is computed.

The networks are computed here as the served graph does: weights are folded, layers hold a(z) (see
``training.networks.onnx_graph``), and it is these numbers whose bits flip. A fault belongs to one row of
one request, and to one member: one number of what a layer gives, or one weight of it.
"""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.bundle.manifest import Manifest
from models.networks.selu import ALPHA, LAMBDA, SATURATED_BELOW
from models.networks.weights import MemberLayers

Array32 = NDArray[np.float32]

_C = np.float32(log(ALPHA))
_ZERO, _LAMBDA = np.float32(log(ALPHA) + ALPHA), np.float32(LAMBDA)

#: What is hit, and how many of its bits flip.
KINDS = (("activation", 1), ("activation", 3), ("weight", 1), ("weight", 3))


@dataclass(frozen=True, slots=True)
class Hit:
    """A corrupted row: its taps (M, L, 3), its members' logits (M, T), and where it was hit."""

    row: int
    taps: Array32
    logits: Array32
    moved: float


class Rows:
    """Clean rows of all members, and what each becomes with bits flipped."""

    def __init__(self, manifest: Manifest, members: list[MemberLayers], squashed: Array32) -> None:
        """Compute squashed rows (n, F)."""
        self._members, self.squashed, self._hidden = members, squashed, len(members[0]) - 1
        self._slope = np.array([target.slope for target in manifest.targets])
        self._intercept = np.array([target.intercept for target in manifest.targets])
        self._softmax = manifest.exclusive
        parts = [self._through(layers, 0, squashed) for layers in members]
        self._units = [units for units, _, _ in parts]
        self.taps = np.stack([taps for _, taps, _ in parts], axis=1)
        self.logits = np.stack([logits for _, _, logits in parts], axis=1)
        self._probability = self._probabilities(self.logits)

    def hit(self, what: str, bits: int, rng: np.random.Generator) -> Hit | None:
        """Flip bits of any number of any row; None if an answer would be no number."""
        row, member = int(rng.integers(len(self.squashed))), int(rng.integers(len(self._members)))
        number = int(rng.integers(self._hidden + 1))
        layers, mask = self._members[member], rng.choice(32, bits, replace=False)
        value = self._inputs(member, number, row)
        with np.errstate(all="ignore"):
            if what == "weight":
                weights = layers[number].weights
                place = tuple(int(rng.integers(size)) for size in weights.shape)
                factor = _LAMBDA if number else np.float32(1)
                wrong = _flipped(factor * weights[place], mask) / factor
                z = value @ weights + layers[number].biases
                z[0, place[1]] += value[0, place[0]] * (wrong - weights[place])
                outputs = z if number == self._hidden else _activate(z)
            else:
                outputs = self._outputs(member, number, row)
                at = int(rng.integers(outputs.shape[1]))
                outputs[0, at] = _flipped(outputs[0, at], mask)
            logits, taps = self.logits[row].copy(), self.taps[row].copy()
            if number == self._hidden:
                logits[member] = outputs[0]
            else:
                taps[member, number] = _statistics(outputs)[0]
                _, later, made = self._through(layers, number + 1, _selu(outputs))
                taps[member, number + 1 :], logits[member] = later[0], made[0]
            probability = self._probabilities(logits[None])[0]
        if not np.isfinite(probability).all():
            return None
        return Hit(row, taps, logits, float(np.abs(probability - self._probability[row]).max()))

    def _inputs(self, member: int, number: int, row: int) -> Array32:
        if not number:
            return self.squashed[row : row + 1]
        return _selu(self._units[member][number - 1][row : row + 1])

    def _outputs(self, member: int, number: int, row: int) -> Array32:
        if number == self._hidden:
            return np.array(self.logits[row, member][None], np.float32)
        return self._units[member][number][row : row + 1].copy()

    def _through(
        self, layers: MemberLayers, first: int, value: Array32
    ) -> tuple[list[Array32], Array32, Array32]:
        """The layers from ``first`` on: their units as a(z), their statistics, and the logits."""
        units, taps = [], np.empty((len(value), self._hidden - first, 3), np.float32)
        for number in range(first, self._hidden):
            units.append(_activate(value @ layers[number].weights + layers[number].biases))
            taps[:, number - first] = _statistics(units[-1])
            value = _selu(units[-1])
        return units, taps, value @ layers[-1].weights + layers[-1].biases

    def _probabilities(self, logits: Array32) -> NDArray[np.float64]:
        scaled = self._slope * logits.mean(axis=1, dtype=np.float64) + self._intercept
        if not self._softmax:
            return np.asarray(expit(scaled))
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _activate(z: Array32) -> Array32:
    moved = z + _C
    return np.asarray(np.maximum(moved, _C) + np.exp(np.minimum(moved, _C)))


def _selu(units: Array32) -> Array32:
    return np.asarray(_LAMBDA * (units - _ZERO))


def _statistics(units: Array32) -> Array32:
    values = _selu(units)
    mean = values.mean(axis=1)
    square, share = np.square(values).mean(axis=1), (values <= SATURATED_BELOW).mean(axis=1)
    return np.stack([mean, square - np.square(mean), share], axis=-1).astype(np.float32)


def _flipped(value: np.float32, mask: NDArray[np.integer]) -> np.float32:
    bits = np.array(value, np.float32).view(np.uint32)
    for bit in mask.tolist():
        bits = bits ^ np.uint32(1 << bit)
    return np.float32(float(bits.view(np.float32)))
