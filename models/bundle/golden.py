"""Golden rows: constructed inputs whose every inner value a bundle must reproduce.

They are run in every session of every worker. A model that answers them is the model that was
published, on this machine, with this provider; no statistics are involved.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.manifest import GOLDEN_FILE
from models.errors import BundleRefused, NotReproduced, Place
from models.networks.outputs import INNER_OUTPUTS, MEMBER_LOGIT, OUTPUTS, SQUASHED, TAPS

Array32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a reproduction may stray.

    ``features`` is relative to each feature's size (with 1 as the smallest size); ``squashed`` is
    absolute, as its values are of order 1; ``taps`` is relative to each layer's spread over the golden
    rows, ``share`` the difference of a saturated share; ``logits`` is relative to a logit's size (with
    1 as the smallest), ``probability`` absolute.
    """

    features: float
    squashed: float
    taps: float
    share: float
    logits: float
    probability: float


#: float32 on any processor: the order of summation and the exponential function are all that differ.
#: Ten times what was seen between the builds and formulations compared in training/TAPS.md.
FLOAT32 = Tolerance(features=1e-5, squashed=2e-5, taps=1e-4, share=0.02, logits=2e-4, probability=5e-5)
#: float32 on a CUDA device, whose power function differs from the processor's by some units in the last
#: place, and Yeo-Johnson magnifies that: 2.1e-5 was seen in a squashed feature (an H200), and all behind
#: it as close as between processors.
CUDA_FLOAT32 = replace(FLOAT32, squashed=1e-4)
#: TF32 rounds factors to 10 bits of mantissa: 5e-4 relative in each product.
TF32 = Tolerance(features=1e-5, squashed=1e-4, taps=2e-2, share=0.03, logits=2e-2, probability=5e-3)
#: The same session again: what it said when it was made, to the last bits.
SAME_SESSION = Tolerance(
    features=1e-7, squashed=1e-6, taps=2e-6, share=1e-6, logits=2e-6, probability=1e-6
)


@dataclass(frozen=True, slots=True)
class Golden:
    """Raw records, all of which the featurizer accepts, and what became of them.

    ``features`` (n, F), ``probability`` and ``logit`` (n, T), of graphs that give them ``taps``
    (n, members, layers, 3), and of newer bundles ``squashed`` (n, F) and ``member_logit``
    (n, members, T).
    """

    records: tuple[object, ...]
    features: Array32
    probability: Array32
    logit: Array32
    taps: Array32 | None = None
    squashed: Array32 | None = None
    member_logit: Array32 | None = None

    def to_bytes(self) -> bytes:
        """Serialise as an npz without pickled objects; records travel as JSON text."""
        stream = io.BytesIO()
        records = np.array([json.dumps(record) for record in self.records])
        arrays: dict[str, Any] = {"records": records, **self.arrays()}
        np.savez_compressed(stream, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Golden":
        """Read what ``to_bytes`` wrote; raises ``BundleRefused`` for anything else."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                records = tuple(json.loads(str(text)) for text in archive["records"])
                arrays = {
                    name: np.asarray(archive[name], dtype=np.float32)
                    for name in ("features", *OUTPUTS, *INNER_OUTPUTS)
                    if name not in (TAPS, *INNER_OUTPUTS) or name in archive.files
                }
        except Exception as error:  # numpy and zipfile raise many kinds for a hostile archive
            raise BundleRefused(f"{GOLDEN_FILE} cannot be read: {error}") from error
        if not records or any(len(array) != len(records) for array in arrays.values()):
            raise BundleRefused(f"{GOLDEN_FILE}: its arrays and records differ in length")
        return cls(records, **arrays)

    def arrays(self) -> dict[str, Array32]:
        """The features and the outputs that are known, by name."""
        named = {name: getattr(self, name) for name in ("features", *OUTPUTS, *INNER_OUTPUTS)}
        return {name: array for name, array in named.items() if array is not None}

    def check_features(self, features: Array32, names: tuple[str, ...], tolerance: Tolerance) -> None:
        """Raise ``NotReproduced`` naming the first feature that this build computes differently."""
        if features.shape != self.features.shape:
            raise BundleRefused(
                f"golden rows: {len(self.features)} records of {self.features.shape[1]} features"
                f" expected, the featurizer made {features.shape[0]} of {features.shape[1]}"
            )
        undefined = np.isnan(self.features)
        size = np.maximum(np.abs(self.features), 1.0)
        off = np.abs(features - self.features) > tolerance.features * size
        off |= np.isnan(features) != undefined
        if off.any():
            row, column = (int(index) for index in np.argwhere(off)[0])
            raise NotReproduced(
                f"golden row {row}: feature {names[column]} is {features[row, column]:.7g},"
                f" published as {self.features[row, column]:.7g};"
                " the featurizer or its library differs from the one the model was trained with",
                Place("featurizer"),
            )

    def check_outputs(
        self, outputs: Mapping[str, Array32], names: tuple[str, ...], tolerance: Tolerance
    ) -> None:
        """Raise ``NotReproduced`` naming the first part of the model that differs.

        From the inputs on: the squashed features (``names`` are the features'), every layer, shallow
        before deep, each member's output layer, the calibration.
        """
        for name, array in self.arrays().items():
            if name in OUTPUTS and name in outputs and outputs[name].shape != array.shape:
                raise BundleRefused(
                    f"golden rows: {name} of shape {array.shape} expected,"
                    f" the graph gave {outputs[name].shape}"
                )
        if self.squashed is not None and SQUASHED in outputs:
            _check_squashed(self.squashed, outputs[SQUASHED], names, tolerance)
        if self.taps is not None and TAPS in outputs:
            _check_layers(self.taps, outputs[TAPS], tolerance)
        if self.member_logit is not None and MEMBER_LOGIT in outputs:
            _check_members(self.member_logit, outputs[MEMBER_LOGIT], tolerance)
        size = np.maximum(np.abs(self.logit), 1.0)
        for name, scale, allowed in (
            ("logit", size, tolerance.logits),
            ("probability", 1.0, tolerance.probability),
        ):
            worst = float((np.abs(outputs[name] - getattr(self, name)) / scale).max())
            if not worst <= allowed:
                text = f"golden rows: a {name} is off by {worst:.2g}, {allowed:.2g} allowed"
                if self.taps is None or TAPS not in outputs:
                    raise NotReproduced(f"{text}; there are no taps to tell where", Place("network"))
                raise NotReproduced(
                    f"{text}, by all that was looked at before: what follows the networks differs",
                    Place("calibration"),
                )


def _check_squashed(
    published: Array32, squashed: Array32, names: tuple[str, ...], tolerance: Tolerance
) -> None:
    off = ~(np.abs(squashed - published) <= tolerance.squashed)
    if off.any():
        row, column = (int(index) for index in np.argwhere(off)[0])
        raise NotReproduced(
            f"golden row {row}: feature {names[column]} is scaled to {squashed[row, column]:.7g},"
            f" published as {published[row, column]:.7g}",
            Place("squash"),
        )


def _check_layers(published: Array32, taps: Array32, tolerance: Tolerance) -> None:
    # Each layer's own scale: its units' standard deviation for the mean, and the square of
    # that for the variance; a share is its own scale.
    variance = published[..., 1].mean(axis=0)
    scale = np.stack([np.sqrt(variance), variance, np.ones_like(variance)], axis=-1)
    error = np.abs(taps - published).max(axis=0) / np.maximum(scale, 1e-3)
    # A unit that sits on the saturation threshold may fall to either side of it.
    allowed = (tolerance.taps, tolerance.taps, tolerance.share)
    # (layers, members): the shallowest layer is named first. NaN is no reproduction.
    off = np.argwhere(~(error <= allowed).all(axis=-1).T)
    if len(off):
        layer, member = (int(index) for index in off[0])
        raise NotReproduced(
            f"golden rows: member {member}, layer {layer + 1} does not reproduce its published"
            f" statistics (off by {error[member, layer, :2].max():.2g} of the layer's scale,"
            f" {tolerance.taps:.2g} allowed)",
            Place("layer", member, layer + 1),
        )


def _check_members(published: Array32, logits: Array32, tolerance: Tolerance) -> None:
    size = np.maximum(np.abs(published), 1.0)
    worst = (np.abs(logits - published) / size).max(axis=(0, 2))
    off = np.flatnonzero(~(worst <= tolerance.logits))
    if len(off):
        member = int(off[0])
        raise NotReproduced(
            f"golden rows: the output layer of member {member} does not reproduce its published"
            f" logits (off by {worst[member]:.2g}, {tolerance.logits:.2g} allowed)",
            Place("output", member),
        )
