"""Train one network: its hyperparameters, losses and the training loop."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.evaluation.metrics import mean_auc
from training.evaluation.quantities import r_squared
from training.networks.network import (
    Network,
    SelfNormalizingNetwork,
    Shape,
    layer_widths,
)

Array32 = NDArray[np.float32]
AnyNetwork = TypeVar("AnyNetwork", bound=Network)

#: Of more epochs than these, not all are reported: held-out rows take time to judge.
_MOST_REPORTS = 30


@dataclass(frozen=True, slots=True)
class Recipe:
    """The hyperparameters of one network and its training.

    ``balanced`` gives every target the same weight in the loss, however few of its entries were
    measured. If the data hold several samples of a record, ``shares`` learns the shares of positive
    samples, weighted by their number, instead of the majority's labels. ``without`` are prefixes of
    the names of features that the network does not see. ``exclusive`` is set by the data: targets are
    classes, learned by softmax.

    With ``quantiles`` the targets are quantities: beside each mean its conditional quantiles are
    learned, so that a network has 1 + Q outputs a target, all means first.

    The rarer class of a single target is repeated until it is ``rare_share`` of every epoch (0: as it
    is); calibration gives the probabilities their level back.
    """

    shape: Shape = "rectangular"
    units: int = 64
    layers: int = 4
    dropout: float = 0.0
    input_dropout: float = 0.0
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    batch_size: int = 256
    epochs: int = 20
    balanced: bool = False
    shares: bool = True
    without: tuple[str, ...] = ()
    exclusive: bool = False
    rare_share: float = 0.0
    quantiles: tuple[float, ...] = ()

    def seen(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Whether the network sees each of the features called ``names``; ``(F,)``."""
        return np.array([not name.startswith(self.without) for name in names])

    def build(self, features: int, targets: int) -> SelfNormalizingNetwork:
        """Return a freshly initialised network."""
        outputs = targets * (1 + len(self.quantiles))
        widths = layer_widths(self.shape, self.units, self.layers, outputs)
        return SelfNormalizingNetwork(features, widths, outputs, self.dropout, self.input_dropout)


class Figure(NamedTuple):
    """A figure of held-out rows and its name."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Mean loss of an epoch, and a figure and the variance by layer on the held-out rows after it.

    The figure is the mean AUC, of quantities R².
    """

    epoch: int
    epochs: int
    loss: float
    figure: Figure
    variances: tuple[float, ...]


def masked_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean binary cross-entropy over the entries ``(n, T)`` whose label is not NaN.

    ``weights`` ``(n, T)`` are the entries' weights.
    """
    measured = ~torch.isnan(labels)
    used = None if weights is None else weights[measured]
    return nn.functional.binary_cross_entropy_with_logits(logits[measured], labels[measured], used)


def class_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean cross-entropy of one-hot labels ``(n, T)``; a row's entries have one weight, ``(n, T)``."""
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    return (losses * weights[:, 0]).mean()


def quantity_loss(
    outputs: Tensor, labels: Tensor, weights: Tensor, quantiles: Sequence[float]
) -> Tensor:
    """Mean squared error of the means, plus the pinball losses of the quantiles.

    ``outputs`` ``(n, T (1 + Q))`` are of standardised labels ``(n, T)``; ``weights`` ``(n, T)`` are the
    entries'.
    """
    targets = labels.shape[1]
    losses = (outputs[:, :targets] - labels).square()
    for place, level in enumerate(quantiles, start=1):
        above = labels - outputs[:, place * targets : (place + 1) * targets]
        losses = losses + torch.maximum(level * above, (level - 1) * above)
    return (losses * weights).mean()


def entry_weights(
    labels: Tensor, counts: Tensor | None, balanced: bool, given: Tensor | None = None
) -> Tensor:
    """Weights ``(n, T)`` of the labels' entries; their mean over measured entries is 1.

    ``counts`` ``(n, T)`` are the numbers of samples behind the labels. An entry's weight is the square
    root of its count, at most that of four: samples of one compound share errors, such as impurity.
    ``balanced`` gives every target the same weight, ``given`` ``(n,)`` are the rows' own.
    """
    weights = (~torch.isnan(labels)).float()
    if given is not None:
        weights = weights * given[:, None]
    if counts is not None:
        weights = weights * counts.clamp(max=4).sqrt()
    if balanced:
        weights = weights / weights.sum(dim=0).clamp(min=1e-12)  # 0 where nothing was measured
    return weights * ((weights > 0).sum() / weights.sum())


def train(
    rows: Array32,
    labels: Array32,
    held_out: tuple[Array32, Array32],
    recipe: Recipe,
    seed: int,
    report: Callable[[Progress], None],
    counts: Array32 | None = None,
    weights: Array32 | None = None,
) -> SelfNormalizingNetwork:
    """Train a fresh network of the recipe; the same seed gives the same one on the same machine."""
    torch.manual_seed(seed)
    network = recipe.build(rows.shape[1], labels.shape[1])
    return train_network(network, rows, labels, held_out, recipe, report, counts, weights)


def train_network(
    network: AnyNetwork,
    rows: Array32,
    labels: Array32,
    held_out: tuple[Array32, Array32],
    recipe: Recipe,
    report: Callable[[Progress], None],
    counts: Array32 | None = None,
    weights: Array32 | None = None,
) -> AnyNetwork:
    """Train a network on squashed rows ``(n, F)`` and labels ``(n, T)``, NaN where not measured.

    Labels may be shares of positive samples, and ``counts`` ``(n, T)`` their numbers; ``weights``
    ``(n,)`` are those of rows. The held-out rows and labels are only evaluated, and ``report`` is called
    after an epoch, of many epochs after some.
    """
    # A row without any measured label teaches nothing, and a batch of such rows has no mean loss.
    taught = ~np.isnan(labels).all(axis=1)
    x, y = torch.from_numpy(rows[taught]), torch.from_numpy(labels[taught])
    samples = None if counts is None else torch.from_numpy(counts[taught])
    given = None if weights is None else torch.from_numpy(weights[taught])
    entries = entry_weights(y, samples, recipe.balanced, given)
    learned = torch.from_numpy(repeated(labels[taught], recipe.rare_share))
    optimizer = _optimizer(network, recipe)
    steps = recipe.epochs * math.ceil(len(learned) / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    apart = math.ceil(recipe.epochs / _MOST_REPORTS)
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        losses = []
        for batch in learned[torch.randperm(len(learned))].split(recipe.batch_size):
            loss = _loss(network(x[batch]), y[batch], entries[batch], recipe)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        if epoch % apart == 0 or epoch == recipe.epochs:
            report(
                Progress(
                    epoch, recipe.epochs, float(np.mean(losses)), *_watch(network, held_out, recipe)
                )
            )
    return network.eval()


def _loss(outputs: Tensor, labels: Tensor, weights: Tensor, recipe: Recipe) -> Tensor:
    if recipe.quantiles:
        return quantity_loss(outputs, labels, weights, recipe.quantiles)
    if recipe.exclusive:
        return class_loss(outputs, labels, weights)
    return masked_loss(outputs, labels, weights)


def held_out_figure(labels: Array32, outputs: Array32, recipe: Recipe) -> Figure:
    """How good a network's outputs are on rows that it never saw."""
    if recipe.quantiles:
        return Figure("R²", r_squared(labels, outputs[:, : labels.shape[1]]))
    return Figure("AUC", mean_auc(labels, outputs))


def repeated(labels: Array32, share: float) -> NDArray[np.int64]:
    """The rows of an epoch: all of labels ``(n, T)``, a single target's rarer class several times.

    It is repeated until it is ``share`` of the epoch; where it is more already, nothing is repeated. A
    batch without any of its rows teaches nothing about it, whatever weight they have in other batches.
    """
    everything = np.arange(len(labels))
    if not share or labels.shape[1] > 1:
        return everything
    positive = labels[:, 0] == 1
    rarer = np.flatnonzero(positive if 2 * positive.sum() <= len(labels) else ~positive)
    wanted = round(share / (1 - share) * (len(labels) - len(rarer)))
    if not len(rarer) or wanted <= len(rarer):
        return everything
    return np.concatenate([everything, np.resize(rarer, wanted - len(rarer))])


def _optimizer(network: Network, recipe: Recipe) -> torch.optim.Optimizer:
    """Weight decay applies to weights only: decayed biases would shift a layer's mean."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9)


@torch.no_grad()
def _watch(
    network: Network, held_out: tuple[Array32, Array32], recipe: Recipe
) -> tuple[Figure, tuple[float, ...]]:
    """A figure and the variance by layer of held-out rows."""
    network.eval()
    rows, labels = torch.from_numpy(held_out[0]), held_out[1]
    variances = tuple(float(layer.var()) for layer in network.activations(rows[:512]))
    return held_out_figure(labels, network(rows).numpy(), recipe), variances
