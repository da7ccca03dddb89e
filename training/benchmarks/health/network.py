"""A published ensemble's networks in numpy, so that their weights can be altered at will."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle
from models.networks.outputs import INPUT, SQUASHED
from models.networks.selu import SATURATED_BELOW
from models.networks.weights import MemberLayers, read_weights
from training.benchmarks.internals.perturbation import layer_output
from training.networks.export import reopened

Array32 = NDArray[np.float32]
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """What a monitor may see of rows: squashed inputs, taps and logits ``(n, T)`` of some members."""

    squashed: Array32
    taps: Array32
    logit: Array32


@dataclass(frozen=True, slots=True)
class Network:
    """The members' layers, the output's last, and the fold that each member never saw."""

    members: tuple[MemberLayers, ...]
    folds: tuple[int, ...]

    @classmethod
    def of(cls, bundle: Bundle) -> "Network":
        """Read a bundle's networks."""
        folds = tuple(member.fold for member in bundle.manifest.members)
        return cls(tuple(read_weights(bundle.model)), folds)

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return len(self.members[0]) - 1

    def without(self, fold: int) -> list[int]:
        """The members that never saw a fold."""
        return [number for number, held_out in enumerate(self.folds) if held_out == fold]

    def altered(self, number: int, change: Callable[[Array32], Array32]) -> "Network":
        """The same with one layer's weights ``(in, out)`` changed in every member."""

        def altered(layers: MemberLayers) -> MemberLayers:
            layer = replace(layers[number], weights=change(layers[number].weights).astype(np.float32))
            return (*layers[:number], layer, *layers[number + 1 :])

        return replace(self, members=tuple(altered(layers) for layers in self.members))

    def run(self, squashed: Array32, members: Sequence[int]) -> Seen:
        """Compute taps ``(n, members, layers, 3)`` and the members' mean logits ``(n, T)``."""
        parts = [
            [self._run(squashed[at : at + _CHUNK], member) for at in range(0, len(squashed), _CHUNK)]
            for member in members
        ]
        taps = np.stack([np.concatenate([taps for taps, _ in part]) for part in parts], axis=1)
        logits = [np.concatenate([logit for _, logit in part]) for part in parts]
        return Seen(squashed, taps, np.mean(logits, axis=0, dtype=np.float32))

    def _run(self, value: Array32, member: int) -> tuple[Array32, Array32]:
        taps = np.empty((len(value), self.hidden, 3), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for number in range(self.hidden):
                value = layer_output(self.members[member], number, value)
                mean = value.mean(axis=1)
                variance = np.square(value).mean(axis=1) - np.square(mean)
                share = (value <= SATURATED_BELOW).mean(axis=1)
                taps[:, number] = np.stack([mean, variance, share], axis=-1)
            return taps, layer_output(self.members[member], self.hidden, value)


def squash(bundle: Bundle, raw: Array32) -> Array32:
    """A bundle's squashed features of raw rows ``(n, F)``."""
    session = reopened(bundle.model, (SQUASHED,))
    parts = [
        session.run([SQUASHED], {INPUT: raw[at : at + _CHUNK]})[0] for at in range(0, len(raw), _CHUNK)
    ]
    return np.concatenate(parts)
