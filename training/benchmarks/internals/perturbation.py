"""By how much altered members move a model's probabilities, recomputing only what was altered.

A fault in one layer of one member changes neither the layers before it nor the other members. Rows
whose probabilities move most easily are computed first: if they move enough, the others are skipped.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.bundle.manifest import Manifest
from models.networks.outputs import MEMBER_LOGIT, SQUASHED
from models.networks.selu import ALPHA, LAMBDA
from models.networks.weights import MemberLayers
from training.errors import TrainingError

Array32 = NDArray[np.float32]

#: Number of rows that are computed first: those whose probabilities move most easily.
_FIRST = 16
#: Largest difference between float32 networks computed in different orders.
_ALIKE = 1e-3


class PerturbationProbe:
    """The values of published members at every layer for some rows, to compare altered ones with."""

    def __init__(
        self, manifest: Manifest, members: Sequence[MemberLayers], outputs: dict[str, Array32]
    ) -> None:
        """Take a published graph's outputs for n rows; raise ``TrainingError`` if members' differ."""
        self._members = members
        self._slope = np.array([target.slope for target in manifest.targets])
        self._intercept = np.array([target.intercept for target in manifest.targets])
        #: By member: the inputs of each layer, all rows.
        self._values: list[list[Array32]] = []
        for layers in members:
            values = [outputs[SQUASHED]]
            for number in range(len(layers)):
                values.append(layer_output(layers, number, values[-1]))
            self._values.append(values)
        self._logits = np.stack([values.pop() for values in self._values], axis=1)
        self.probability = self._probabilities(self._logits)
        ease = (self.probability * (1 - self.probability)).max(axis=1)
        self._order = np.argsort(-ease, kind="stable")
        logits = np.abs(self._logits - outputs[MEMBER_LOGIT]).max()
        probability = np.abs(self.probability - outputs["probability"]).max()
        if not max(logits, probability) <= _ALIKE:
            raise TrainingError(
                f"the members as they are read do not compute what the graph of {manifest.name} does:"
                f" logits differ by {logits:.2g}, probabilities by {probability:.2g}"
            )

    def reaches(self, members: Sequence[MemberLayers], least: float) -> bool:
        """Whether altered members move the probability of any row by ``least`` or more, or to NaN."""
        for rows in (self._order[:_FIRST], self._order[_FIRST:]):
            logits = self._logits[rows]
            for member, (layers, own) in enumerate(zip(members, self._members, strict=True)):
                altered = [at for at, layer in enumerate(layers) if layer is not own[at]]
                if altered:
                    value = self._values[member][altered[0]][rows]
                    for number in range(altered[0], len(layers)):
                        value = layer_output(layers, number, value)
                    logits[:, member] = value
            moved = np.abs(self._probabilities(logits) - self.probability[rows])
            if not moved.max(initial=0.0) < least:
                return True
        return False

    def _probabilities(self, logits: Array32) -> NDArray[np.float64]:
        """Calibrated probabilities (n, T) of members' logits (n, members, T)."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean = logits.mean(axis=1, dtype=np.float64)
            probability: NDArray[np.float64] = expit(self._slope * mean + self._intercept)
        return probability


def layer_output(layers: MemberLayers, number: int, value: Array32) -> Array32:
    """One layer's outputs ``(n, width)``, after SELU except for the last layer."""
    with np.errstate(over="ignore", invalid="ignore"):
        outputs: Array32 = value @ layers[number].weights + layers[number].biases
        if number == len(layers) - 1:
            return outputs
        below = np.float32(LAMBDA * ALPHA) * np.expm1(np.minimum(outputs, 0))
        return np.where(outputs > 0, np.float32(LAMBDA) * outputs, below)
