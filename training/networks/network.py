"""The self-normalizing network: SELU, LeCun-normal initialisation, alpha dropout.

Source: Klambauer et al. 2017 (arXiv 1706.02515), sections 2 and 3.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from models.networks.selu import SATURATED_BELOW

Shape = Literal["rectangular", "conic"]


def layer_widths(shape: Shape, units: int, layers: int, targets: int) -> tuple[int, ...]:
    """Widths of the hidden layers.

    Rectangular: ``units`` in every layer. Conic: a geometric fall from ``units`` towards the
    output's size, as in the paper's supplement.
    """
    if shape == "rectangular":
        return (units,) * layers
    ratio = (targets / units) ** (1 / layers)
    return tuple(max(targets, round(units * ratio**depth)) for depth in range(layers))


def lecun_normal_(linear: nn.Linear) -> None:
    """Initialise weights from N(0, 1 / fan-in) and biases to 0, so that omega ~ 0 and tau ~ 1.

    PyTorch's default gives tau ~ 1/3, with which the variance vanishes in a deep SNN.
    """
    nn.init.normal_(linear.weight, std=1 / math.sqrt(linear.in_features))
    nn.init.zeros_(linear.bias)


class Network(nn.Module):
    """A network for the training loop: squashed features ``[batch, F]`` to logits ``[batch, T]``."""

    def activations(self, features: Tensor) -> list[Tensor]:
        """Return every hidden layer's activations ``[batch, width]``, without dropout."""
        raise NotImplementedError


class SelfNormalizingNetwork(Network):
    """Squashed features ``[batch, F]`` to logits ``[batch, T]``.

    ``input_dropout`` zeroes features (zero is their mean); ``dropout`` is alpha dropout after
    every hidden layer.
    """

    def __init__(
        self,
        features: int,
        widths: tuple[int, ...],
        targets: int,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = (features, *widths)
        self.hidden = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in zip(sizes, widths, strict=False)
        )
        self.head = nn.Linear(sizes[-1], targets)
        self.input_dropout = nn.Dropout(input_dropout)
        self.dropout = nn.AlphaDropout(dropout)
        for linear in (*self.linears(), self.head):
            lecun_normal_(linear)

    def linears(self) -> list[nn.Linear]:
        """The hidden layers' affine maps, first to last."""
        return [linear for linear in self.hidden if isinstance(linear, nn.Linear)]

    def widths(self) -> list[int]:
        """Units of each hidden layer."""
        return [linear.out_features for linear in self.linears()]

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``[batch, T]``."""
        activation = self.input_dropout(features)
        for linear in self.hidden:
            activation = self.dropout(nn.functional.selu(linear(activation)))
        logits: Tensor = self.head(activation)
        return logits

    @torch.no_grad()
    def activations(self, features: Tensor) -> list[Tensor]:
        """Return every hidden layer's activations ``[batch, width]`` after SELU, without dropout."""
        layers = []
        for linear in self.hidden:
            features = nn.functional.selu(linear(features))
            layers.append(features)
        return layers


def tap(activation: Tensor) -> Tensor:
    """Statistics of a layer ``[..., width]`` per row: mean, population variance, saturated share.

    Returns ``[..., 3]``. Saturated means within 5 % of -lambda * alpha.
    """
    mean = activation.mean(dim=-1, keepdim=True)
    variance = (activation - mean).square().mean(dim=-1)
    saturated = (activation <= SATURATED_BELOW).to(activation.dtype).mean(dim=-1)
    return torch.stack((mean.squeeze(-1), variance, saturated), dim=-1)
