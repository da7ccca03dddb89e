"""What a graph answers: from the mean of the members' outputs to probabilities, or to quantities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor

from models.bundle.targets import Quantity
from models.networks.onnx_nodes import Nodes
from models.networks.outputs import INTERVAL, OUTPUTS, QUANTITY_OUTPUTS, VALUE
from training.evaluation.calibration import Platt
from training.evaluation.quantities import ends_of

Array = NDArray[np.floating]


class Answer(Protocol):
    """The last nodes of a graph, and the same in torch."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that clients see; the last are the taps."""

    @property
    def shapes(self) -> tuple[list[int], list[int]]:
        """The shapes of the first two for a row."""

    @property
    def network_outputs(self) -> int:
        """The number of a member's outputs."""

    def add(self, graph: Nodes, mean: str) -> None:
        """Append the nodes that take the members' mean ``[batch, O]``."""

    def compute(self, mean: Tensor) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return both outputs for the members' mean ``(n, O)``."""


@dataclass(frozen=True)
class ProbabilityAnswer:
    """Calibrated logits and their probabilities, which sum to 1 where targets are ``exclusive``."""

    calibration: Sequence[Platt]
    exclusive: bool = False
    outputs: tuple[str, ...] = OUTPUTS

    @property
    def shapes(self) -> tuple[list[int], list[int]]:
        """As in ``Answer``."""
        return [self.network_outputs], [self.network_outputs]

    @property
    def network_outputs(self) -> int:
        """As in ``Answer``."""
        return len(self.calibration)

    def platt(self) -> NDArray[np.float64]:
        """Slope and intercept per target, ``(T, 2)``."""
        return np.array([[platt.slope, platt.intercept] for platt in self.calibration])

    def add(self, graph: Nodes, mean: str) -> None:
        """As in ``Answer``."""
        platt = self.platt()
        scaled = graph.add("Mul", mean, graph.constant("platt.slope", platt[:, 0]))
        intercept = graph.constant("platt.intercept", platt[:, 1])
        logit = graph.add("Add", scaled, intercept, name="logit")
        graph.add("Softmax" if self.exclusive else "Sigmoid", logit, name="probability")

    def compute(self, mean: Tensor) -> tuple[Array, Array]:
        """As in ``Answer``."""
        slope, intercept = torch.from_numpy(self.platt().astype(np.float32)).unbind(dim=1)
        logit = mean * slope + intercept
        probability = torch.softmax(logit, dim=-1) if self.exclusive else torch.sigmoid(logit)
        return probability.numpy(), logit.numpy()


@dataclass(frozen=True)
class QuantityAnswer:
    """Values of quantities and their intervals, in the targets' units and in double precision."""

    quantities: Sequence[Quantity]
    outputs: tuple[str, ...] = QUANTITY_OUTPUTS

    @property
    def shapes(self) -> tuple[list[int], list[int]]:
        """As in ``Answer``."""
        return [len(self.quantities)], [len(self.quantities), 2]

    @property
    def network_outputs(self) -> int:
        """As in ``Answer``."""
        return 3 * len(self.quantities)

    def _column(self, name: str) -> NDArray[np.float64]:
        return np.array([getattr(each, name) for each in self.quantities], dtype=np.float64)

    def add(self, graph: Nodes, mean: str) -> None:
        """As in ``Answer``."""
        count, double = len(self.quantities), np.float64
        parts = []
        for number, name in enumerate(("mean", "low", "high")):
            bounds = [
                graph.constant(f"{name}.{end}", [count * (number + end)], np.int64) for end in (0, 1)
            ]
            axis = graph.constant("members_axis", [1], np.int64)
            parts.append(graph.add("Slice", mean, *bounds, axis))
        slope = graph.constant("line.slope", self._column("slope"))
        intercept = graph.constant("line.intercept", self._column("intercept"))
        value, below, above = (
            graph.add("Add", graph.add("Mul", part, slope), intercept) for part in parts
        )
        margin = graph.constant("margin", self._column("margin"))
        low = graph.add("Min", graph.add("Sub", below, margin), value)
        high = graph.add("Max", graph.add("Add", above, margin), value)
        last = graph.constant("last_axis", [-1], np.int64)
        ends = graph.add("Concat", *(graph.add("Unsqueeze", end, last) for end in (low, high)), axis=-1)
        for name, part, shape in ((VALUE, value, [count]), (INTERVAL, ends, [count, 1])):
            wide = graph.add("Cast", part, to=TensorProto.DOUBLE)
            scale = graph.constant(f"{name}.scale", self._column("scale").reshape(shape), double)
            centre = graph.constant(f"{name}.centre", self._column("centre").reshape(shape), double)
            graph.add("Add", graph.add("Mul", wide, scale), centre, name=name)

    def compute(self, mean: Tensor) -> tuple[Array, Array]:
        """As in ``Answer``."""
        slope, intercept = self._column("slope"), self._column("intercept")
        value, low, high = (
            part * slope + intercept for part in np.split(mean.numpy().astype(np.float64), 3, axis=1)
        )
        ends = ends_of(value, low, high, self._column("margin"))
        scale, centre = self._column("scale"), self._column("centre")
        return value * scale + centre, ends * scale[:, None] + centre[:, None]
