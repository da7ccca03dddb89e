"""Golden rows: constructed inputs whose every inner value a bundle must reproduce.

They are run in every session of every worker. A model that answers them is the model that was
published, on this machine, with this provider; no statistics are involved.
"""

import io
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import BundleRefused
from models.manifest import GOLDEN_FILE

Array32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a reproduction may stray.

    ``features`` is relative to each feature's size (with 1 as the smallest size); ``taps`` is
    relative to each layer's spread over the golden rows; ``outputs`` is absolute on probabilities.
    """

    features: float = 1e-5
    taps: float = 2e-3
    outputs: float = 1e-4


#: float32 on any processor: the order of summation is all that differs.
FLOAT32 = Tolerance()


@dataclass(frozen=True, slots=True)
class Golden:
    """Raw records, all of which the featurizer accepts, and what became of them.

    ``features`` (n, F), ``probability`` and ``logit`` (n, T), ``taps`` (n, members, layers, 3).
    """

    records: tuple[object, ...]
    features: Array32
    probability: Array32
    logit: Array32
    taps: Array32

    def to_bytes(self) -> bytes:
        """Serialise as an npz without pickled objects; records travel as JSON text."""
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            records=np.array([json.dumps(record) for record in self.records]),
            features=self.features,
            probability=self.probability,
            logit=self.logit,
            taps=self.taps,
        )
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Golden":
        """Read what ``to_bytes`` wrote; raises ``BundleRefused`` for anything else."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                records = tuple(json.loads(str(text)) for text in archive["records"])
                arrays = {
                    name: np.asarray(archive[name], dtype=np.float32)
                    for name in ("features", "probability", "logit", "taps")
                }
        except Exception as error:  # numpy and zipfile raise many kinds for a hostile archive
            raise BundleRefused(f"{GOLDEN_FILE} cannot be read: {error}") from error
        if not records or any(len(array) != len(records) for array in arrays.values()):
            raise BundleRefused(f"{GOLDEN_FILE}: its arrays and records differ in length")
        return cls(records, **arrays)

    def check_features(self, features: Array32, names: tuple[str, ...], tolerance: Tolerance) -> None:
        """Raise ``BundleRefused`` naming the first feature that this build computes differently."""
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
            raise BundleRefused(
                f"golden row {row}: feature {names[column]} is {features[row, column]:.7g},"
                f" published as {self.features[row, column]:.7g};"
                " the featurizer or its library differs from the one the model was trained with"
            )

    def check_outputs(self, outputs: dict[str, Array32], tolerance: Tolerance) -> None:
        """Raise ``BundleRefused`` naming the first member and layer, or output, that differs."""
        taps = outputs["taps"]
        if taps.shape != self.taps.shape or outputs["probability"].shape != self.probability.shape:
            raise BundleRefused(
                f"golden rows: taps of shape {self.taps.shape} expected, the graph gave {taps.shape}"
            )
        # Each layer's own scale: its units' standard deviation for the mean, and the square of
        # that for the variance; a share is its own scale.
        variance = self.taps[..., 1].mean(axis=0)
        scale = np.stack([np.sqrt(variance), variance, np.ones_like(variance)], axis=-1)
        scale = np.maximum(scale, 1e-3)
        error = np.abs(taps - self.taps).max(axis=0) / scale
        # A unit that sits on the saturation threshold may fall to either side of it, so the share
        # may move by a few units' worth; mean and variance may not.
        error[..., 2] /= 10
        worst_statistic = error.max(axis=-1).T  # (layers, members): the shallowest layer is named first
        off = np.argwhere(np.isnan(worst_statistic) | (worst_statistic > tolerance.taps))
        if len(off):
            layer, member = (int(index) for index in off[0])
            raise BundleRefused(
                f"golden rows: member {member}, layer {layer + 1} does not reproduce its published"
                f" statistics (off by {error[member, layer].max():.2g} of the layer's scale,"
                f" {tolerance.taps:.2g} allowed)"
            )
        worst = float(np.abs(outputs["probability"] - self.probability).max())
        if not worst <= tolerance.outputs:
            raise BundleRefused(
                f"golden rows: a probability is off by {worst:.2g}, {tolerance.outputs:.2g} allowed"
            )
