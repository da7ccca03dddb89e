"""What theory says of a trained network's activations, layer by layer, beside what was measured.

Three predictions, from the crudest on. The fixed point (0, 1), where self-normalizing networks start.
The paper's map g, from the pooled mean and variance of the layer below and this layer's average omega
and tau, as if its inputs were independent and alike. And each unit's own pre-activation as a normal
variable with the mean and variance that the measured means and covariance of the layer below give it.
Training leaves the first two far behind in every healthy state: they explain, and never alarm.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.networks.selu import moment_map, selu, selu_moments
from models.networks.weights import Layer

#: Where a network of standardised inputs and untrained weights stays.
FIXED_POINT: dict[str, float | None] = {"mean": 0.0, "variance": 1.0}


class LayerTheory(BaseModel):
    """One layer of one member: mean and variance over all units and rows, measured and predicted.

    ``correlation`` is that of the units' means, predicted with the covariance, with those measured;
    None where the units do not differ.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: float
    variance: float
    map_mean: float
    map_variance: float
    covariance_mean: float
    covariance_variance: float
    correlation: float | None

    def lines(self) -> dict[str, dict[str, float | None]]:
        """Return the predictions by name, as the health document shows them."""
        return {
            "fixed_point": dict(FIXED_POINT),
            "map": {"mean": self.map_mean, "variance": self.map_variance},
            "covariance": {
                "mean": self.covariance_mean,
                "variance": self.covariance_variance,
                "correlation": self.correlation,
            },
        }


class MemberTheory(BaseModel):
    """The layers of one member, first to last."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: list[LayerTheory]


def member_theory(layers: Sequence[Layer], squashed: NDArray[np.floating]) -> MemberTheory:
    """Compare one member's layers with theory, on squashed rows ``(n, F)`` that it never saw, n >= 2.

    The output layer is the last of ``layers``, and has no activations.
    """
    inputs = np.asarray(squashed, np.float64)
    theories = []
    for layer in layers[:-1]:
        weights = layer.weights.astype(np.float64)
        biases = layer.biases.astype(np.float64)
        outputs = selu(inputs @ weights + biases)
        theories.append(_compare(inputs, weights, biases, outputs))
        inputs = outputs
    return MemberTheory(layers=theories)


def _compare(
    inputs: NDArray[np.float64],
    weights: NDArray[np.float64],
    biases: NDArray[np.float64],
    outputs: NDArray[np.float64],
) -> LayerTheory:
    """One layer: inputs ``(n, in)``, weights ``(in, out)``, biases ``(out)``, outputs ``(n, out)``."""
    omega, tau = weights.sum(axis=0).mean(), np.square(weights).sum(axis=0).mean()
    map_mean, map_variance = moment_map(inputs.mean(), omega, inputs.var(), tau)
    covariance = np.atleast_2d(np.cov(inputs, rowvar=False, bias=True))
    means = inputs.mean(axis=0) @ weights + biases
    variances = np.maximum(((covariance @ weights) * weights).sum(axis=0), 0.0)
    unit_means, unit_variances = selu_moments(means, variances)
    return LayerTheory(
        mean=_short(outputs.mean()),
        variance=_short(outputs.var()),
        map_mean=_short(map_mean),
        map_variance=_short(map_variance),
        covariance_mean=_short(unit_means.mean()),
        covariance_variance=_short(unit_variances.mean() + unit_means.var()),
        correlation=_correlation(unit_means, outputs.mean(axis=0)),
    )


def _correlation(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> float | None:
    if predicted.std() == 0 or measured.std() == 0:
        return None
    return _short(np.corrcoef(predicted, measured)[0, 1])


def _short(value: np.floating | NDArray[np.float64]) -> float:
    return float(f"{float(value):.6g}")
