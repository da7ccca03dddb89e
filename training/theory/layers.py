"""What the theory says of a trained network's layers, beside what is measured.

The paper's g takes a layer's inputs for independent and of one mean and variance. Trained networks
are not so: their units have means of their own and are correlated. With the measured mean vector and
covariance of the layer below a unit's pre-activation has mean w'm + b and variance w'Sw; taken for
Gaussian, it passes through SELU's closed-form moments.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.networks.selu import selu, selu_moments
from models.networks.weights import Layer

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Told:
    """Mean and variance of a layer over rows and units, and every unit's own mean ``(units,)``."""

    mean: float
    variance: float
    units: Array


@dataclass(frozen=True, slots=True)
class LayerTheory:
    """One layer of one member: measured, predicted by g, predicted with the covariance below it."""

    measured: Told
    by_map: Told
    by_covariance: Told

    def error(self, predicted: Told) -> float:
        """Root mean square error of the units' means."""
        return float(np.sqrt(np.mean((predicted.units - self.measured.units) ** 2)))


def theory_of(layers: Sequence[Layer], inputs: NDArray[np.floating]) -> list[LayerTheory]:
    """Compare theory and measurement for a member's hidden layers.

    ``layers`` are hidden ones and, last, the output's; ``inputs`` are squashed features ``(n, F)``.
    Every prediction takes the measured statistics of the layer below, so that errors don't add up.
    """
    below = np.asarray(inputs, dtype=np.float64)
    found = []
    for layer in layers[:-1]:
        weights = layer.weights.astype(np.float64)
        biases = layer.biases.astype(np.float64)
        above = selu(below @ weights + biases)
        found.append(
            LayerTheory(
                _measured(above), _by_map(below, weights, biases), _by_covariance(below, weights, biases)
            )
        )
        below = above
    return found


def _measured(activation: Array) -> Told:
    return Told(float(activation.mean()), float(activation.var()), activation.mean(axis=0))


def _by_map(below: Array, weights: Array, biases: Array) -> Told:
    """The paper's eq. 3 with each unit's own omega, tau and bias."""
    omega, tau = weights.sum(axis=0), np.square(weights).sum(axis=0)
    return _pooled(*selu_moments(below.mean() * omega + biases, below.var() * tau))


def _by_covariance(below: Array, weights: Array, biases: Array) -> Told:
    centred = (below - below.mean(axis=0)) @ weights  # w'Sw without the square of the width
    return _pooled(*selu_moments(below.mean(axis=0) @ weights + biases, centred.var(axis=0)))


def _pooled(means: Array, variances: Array) -> Told:
    """Pool units by the law of total variance."""
    return Told(float(means.mean()), float(variances.mean() + means.var()), means)
