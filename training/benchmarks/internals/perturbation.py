"""By how much altered members move a model's probabilities, computing no more than was altered.

A fault in one layer of one member leaves everything before it, and every other member, as it was; and
where some rows have moved far enough already, the rest need not be asked.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.bundle.manifest import Manifest
from models.networks.outputs import MEMBER_LOGIT, SQUASHED
from models.networks.selu import ALPHA, LAMBDA
from models.networks.weights import MemberLayers
from training.errors import TrainingError

Array32 = NDArray[np.float32]

#: Rows that are asked first: those whose probabilities are most easily moved.
_FIRST = 16
#: A float32 network computed in another order differs by less.
_ALIKE = 1e-3


class PerturbationProbe:
    """What published members make of some rows at every layer, to compare altered ones with."""

    def __init__(self, manifest: Manifest, members: Sequence[MemberLayers], squashed: Array32) -> None:
        """``squashed`` (n, F) are the rows as the first layer sees them."""
        self._members = members
        self._slope = np.array([target.slope for target in manifest.targets])
        self._intercept = np.array([target.intercept for target in manifest.targets])
        #: By member: the inputs of each layer, all rows.
        self._values: list[list[Array32]] = []
        logits = []
        for layers in members:
            values = [squashed]
            for number in range(len(layers)):
                values.append(layer_output(layers, number, values[-1]))
            logits.append(values.pop())
            self._values.append(values)
        self._logits = np.stack(logits, axis=1)
        self.probability = self._probabilities(self._logits)
        ease = (self.probability * (1 - self.probability)).max(axis=1)
        self._order = np.argsort(-ease, kind="stable")

    @classmethod
    def of(
        cls, manifest: Manifest, members: Sequence[MemberLayers], outputs: dict[str, Array32]
    ) -> Self:
        """The same of what a published graph gave for rows; raises ``TrainingError`` if it differs."""
        made = cls(manifest, members, outputs[SQUASHED])
        logits = np.abs(made._logits - outputs[MEMBER_LOGIT]).max()
        probability = np.abs(made.probability - outputs["probability"]).max()
        if not max(logits, probability) <= _ALIKE:
            raise TrainingError(
                f"the members as they are read do not compute what the graph of {manifest.name} does:"
                f" logits differ by {logits:.2g}, probabilities by {probability:.2g}"
            )
        return made

    def reaches(self, members: Sequence[MemberLayers], least: float) -> bool:
        """Whether altered members move the probability of any row by ``least`` or to no number."""
        for rows in (self._order[:_FIRST], self._order[_FIRST:]):
            logits = self._logits[rows]
            for member, (layers, own) in enumerate(zip(members, self._members, strict=True)):
                altered = [at for at, layer in enumerate(layers) if layer is not own[at]]
                if altered:
                    logits[:, member] = self._logit(layers, member, altered[0], rows)
            moved = np.abs(self._probabilities(logits) - self.probability[rows])
            if not moved.max(initial=0.0) < least:
                return True
        return False

    def _logit(self, layers: MemberLayers, member: int, first: int, rows: NDArray[np.intp]) -> Array32:
        value = self._values[member][first][rows]
        for number in range(first, len(layers)):
            value = layer_output(layers, number, value)
        return value

    def _probabilities(self, logits: Array32) -> NDArray[np.float64]:
        """Calibrated probabilities (n, T) of members' logits (n, members, T)."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean = logits.mean(axis=1, dtype=np.float64)
            probability: NDArray[np.float64] = expit(self._slope * mean + self._intercept)
        return probability


def layer_output(layers: MemberLayers, number: int, value: Array32) -> Array32:
    """One layer's outputs: after SELU, but for the last."""
    with np.errstate(over="ignore", invalid="ignore"):
        made: Array32 = value @ layers[number].weights + layers[number].biases
        if number == len(layers) - 1:
            return made
        below = np.float32(LAMBDA * ALPHA) * np.expm1(np.minimum(made, 0))
        return np.where(made > 0, np.float32(LAMBDA) * made, below)
