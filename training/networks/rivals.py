"""The networks that the paper compares the SNN with, each of ReLU layers and one technique.

Klambauer et al. 2017, section 3: batch, layer and weight normalisation, highway and residual
networks, and plain layers in He's ("MSRA") initialisation. They are trained by the same loop.
"""

import math
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from training.networks.network import Network
from training.networks.training_loop import Recipe, train_network

Method = Literal["SNN", "batch norm", "layer norm", "weight norm", "highway", "residual", "He ReLU"]
METHODS: tuple[Method, ...] = get_args(Method)


class Highway(nn.Module):
    """``t * relu(Wx) + (1 - t) * x``, t a learned gate (Srivastava et al. 2015, arXiv 1505.00387)."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.carry, self.gate = he(nn.Linear(units, units)), nn.Linear(units, units)
        # As its authors advise: begin by carrying the input through.
        nn.init.constant_(self.gate.bias, -2.0)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, units]``."""
        t = torch.sigmoid(self.gate(x))
        carried: Tensor = t * torch.relu(self.carry(x)) + (1 - t) * x
        return carried


class Residual(nn.Module):
    """``x + W relu(B(W relu(B(x))))``, B batch normalisation (He et al. 2016, arXiv 1603.05027)."""

    def __init__(self, units: int) -> None:
        super().__init__()
        steps = [(nn.BatchNorm1d(units), nn.ReLU(), he(nn.Linear(units, units))) for _ in range(2)]
        self.branch = nn.Sequential(*steps[0], *steps[1])

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, units]``."""
        summed: Tensor = x + self.branch(x)
        return summed


class Rival(Network):
    """Squashed features ``[batch, F]`` to logits ``[batch, T]``, like ``SelfNormalizingNetwork``.

    Every hidden layer has ``recipe.units`` units; for "residual" a layer is a block of two, as the
    paper counts. Dropout is the ordinary kind.
    """

    def __init__(self, method: Method, recipe: Recipe, features: int, targets: int) -> None:
        super().__init__()
        units = recipe.units
        sizes = [features, *[units] * recipe.layers]
        self.input_dropout = nn.Dropout(recipe.input_dropout)
        self.hidden = nn.ModuleList(
            nn.Sequential(_layer(method, fan_in, units), nn.Dropout(recipe.dropout))
            for fan_in in sizes[:-1]
        )
        self.head = nn.Linear(units, targets)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``[batch, T]``."""
        logits: Tensor = self.head(self.run(self.input_dropout(features))[-1])
        return logits

    def run(self, features: Tensor) -> list[Tensor]:
        """Return every hidden layer's output ``[batch, units]``."""
        layers = []
        for layer in self.hidden:
            features = layer(features)
            layers.append(features)
        return layers

    @torch.no_grad()
    def activations(self, features: Tensor) -> list[Tensor]:
        """Return every hidden layer's output ``[batch, units]``, in evaluation mode without dropout."""
        return self.run(features)


def build(method: Method, recipe: Recipe, features: int, targets: int) -> Network:
    """Return a freshly initialised network of a method with a recipe's shape and dropout."""
    if method == "SNN":
        return recipe.build(features, targets)
    return Rival(method, recipe, features, targets)


def fit_scores(
    method: Method,
    recipe: Recipe,
    rows: NDArray[np.float32],
    labels: NDArray[np.float32],
    learn: NDArray[np.intp],
    seed: int,
) -> NDArray[np.float64]:
    """Logits ``(n, T)`` of squashed rows ``(n, F)`` by a network trained on the rows ``learn``."""
    torch.manual_seed(seed)
    network = build(method, recipe, rows.shape[1], labels.shape[1])
    watched = rows[learn[:64]], labels[learn[:64]]
    train_network(network, rows[learn], labels[learn], watched, recipe, lambda _: None)
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(rows)).numpy(), dtype=np.float64)


def he(linear: nn.Linear) -> nn.Linear:
    """Initialise weights from N(0, 2 / fan-in) and biases to 0 (He et al. 2015, arXiv 1502.01852)."""
    nn.init.normal_(linear.weight, std=math.sqrt(2 / linear.in_features))
    nn.init.zeros_(linear.bias)
    return linear


def _layer(method: Method, fan_in: int, units: int) -> nn.Module:
    linear = he(nn.Linear(fan_in, units))
    # Highway and residual layers keep their input's width: a plain layer changes it first.
    same_width = fan_in == units
    match method:
        case "batch norm":
            return nn.Sequential(linear, nn.BatchNorm1d(units), nn.ReLU())
        case "layer norm":
            return nn.Sequential(linear, nn.LayerNorm(units), nn.ReLU())
        case "weight norm":
            return nn.Sequential(weight_norm(linear), nn.ReLU())
        case "highway" if same_width:
            return Highway(units)
        case "residual":
            return Residual(units) if same_width else nn.Sequential(linear, Residual(units))
        case _:
            return nn.Sequential(linear, nn.ReLU())
