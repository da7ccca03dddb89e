"""From raw features to network inputs, inside the graph: impute, unskew, standardise, squash.

SNNs assume inputs of mean 0 and variance 1; raw features have heavy tails (HTRU2's DM-SNR
kurtosis reaches 1191) and undefined values. Yeo-Johnson's power transform can be written in ONNX, a
quantile map cannot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import yeojohnson, yeojohnson_normmax
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Block:
    """How the features whose names start with ``prefix`` are squashed.

    ``power`` is Yeo-Johnson's lambda (1: identity, 0: log1p) or ``"fit"`` for each feature's
    maximum-likelihood value. Standardised values z become ``limit`` * tanh(z / ``limit``), times
    ``weight``.
    """

    prefix: str
    power: float | Literal["fit"] = "fit"
    limit: float = 1.0
    weight: float = 1.0


#: Fitted powers stay in this range: beyond it the transform only amplifies rounding.
_POWER_RANGE = (-2.0, 3.0)

#: Powers nearer to 0 are taken as 0: (x^p - 1) / p cancels in float32.
_SMALLEST_POWER = 0.02


class Squash(nn.Module):
    """Raw features ``[batch, F]`` (NaN allowed) to network inputs ``[batch, F]``, always finite."""

    def __init__(self, table: NDArray[np.float32]) -> None:
        """Take a table of shape ``(6, F)``: median, power, mean, scale, limit, weight."""
        super().__init__()
        self.register_buffer("table", torch.from_numpy(np.asarray(table, dtype=np.float32)))
        self.table: Tensor

    def forward(self, raw: Tensor) -> Tensor:
        """Return network inputs ``[batch, F]``."""
        median, power, mean, scale, limit, weight = self.table.unbind(0)
        value = torch.where(torch.isnan(raw), median, raw)
        z = (_yeo_johnson(value, power) - mean) / scale
        return weight * limit * torch.tanh(z / limit)

    def imputed(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return raw rows ``(n, F)`` with medians for undefined values, as the transform takes them."""
        return np.where(np.isnan(raw), self.table[0].numpy(), raw)

    @torch.no_grad()
    def transform(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return network inputs of raw rows as arrays ``(n, F)``."""
        inputs: NDArray[np.float32] = self(torch.from_numpy(raw)).numpy()
        return inputs


def _yeo_johnson(x: Tensor, power: Tensor) -> Tensor:
    """Yeo and Johnson 2000, eq. 2.1; each branch of a ``where`` is kept in its own domain."""
    above = torch.log1p(x.clamp(min=0))
    below = torch.log1p((-x).clamp(min=0))
    return torch.where(x >= 0, _power(above, power), -_power(below, 2 - power))


def _power(log: Tensor, power: Tensor) -> Tensor:
    """(exp(power * log) - 1) / power, its limit at power 0 being log itself.

    The exponent is bounded so that the largest float32 input stays finite.
    """
    zero = power.abs() < _SMALLEST_POWER
    safe = torch.where(zero, torch.ones_like(power), power)
    return torch.where(zero, log, ((safe * log).clamp(max=80.0).exp() - 1) / safe)


def fit_squash(rows: NDArray[np.float32], names: Sequence[str], blocks: Sequence[Block]) -> Squash:
    """Fit the transform to raw rows ``(n, F)``, without labels.

    Each of the F names must start with the prefix of a block; the first such block is used. A constant
    feature gets weight 0.
    """
    table = np.zeros((6, rows.shape[1]), dtype=np.float64)
    for column, name in enumerate(names):
        block = next(block for block in blocks if name.startswith(block.prefix))
        table[:, column] = _fit_column(rows[:, column].astype(np.float64), block)
    return Squash(table.astype(np.float32))


def _fit_column(values: NDArray[np.float64], block: Block) -> tuple[float, ...]:
    known = values[~np.isnan(values)]
    if len(known) == 0 or np.ptp(known) == 0:
        return (0.0, 1.0, 0.0, 1.0, block.limit, 0.0)
    power = _fitted_power(known) if block.power == "fit" else float(block.power)
    median = float(np.median(known))
    filled = np.where(np.isnan(values), median, values)
    transformed = yeojohnson(filled, lmbda=power)
    mean, scale = float(transformed.mean()), float(transformed.std())
    return (median, power, mean, scale, block.limit, block.weight)


def _fitted_power(known: NDArray[np.float64]) -> float:
    if len(np.unique(known[:1000])) <= 2 and len(np.unique(known)) <= 2:
        return 1.0  # a power only shifts and scales a binary feature
    power = float(np.clip(yeojohnson_normmax(known), *_POWER_RANGE))
    # The mirrored branch has power 2 - p: keep that one away from 0 too.
    if abs(power) < _SMALLEST_POWER:
        return 0.0
    return 2.0 if abs(2 - power) < _SMALLEST_POWER else power
