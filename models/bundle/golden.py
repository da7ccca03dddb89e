"""Golden rows: constructed inputs whose features, activations and outputs a bundle must reproduce.

They are run in every session of every worker. A session that reproduces them runs the model that was
published, on this machine and with this execution provider. The check is exact up to rounding and
involves no statistics.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.manifest import GOLDEN_FILE, LARGEST_BATCH
from models.errors import BundleRefused, NotReproduced, Place
from models.networks.outputs import (
    DOUBLES,
    INNER_OUTPUTS,
    INTERVAL,
    MEMBER_LOGIT,
    OUTPUTS,
    QUANTITY_OUTPUTS,
    SQUASHED,
    TAPS,
    VALUE,
)
from models.npz import check_unpacked

Array32 = NDArray[np.float32]
Array64 = NDArray[np.float64]

#: What a golden file may unpack to: many times what the committed models' do.
_MOST_UNPACKED_BYTES = 16 << 20

#: The arrays of a golden file, in the order in which they are published.
_ARRAYS = ("features", *OUTPUTS, *INNER_OUTPUTS, *DOUBLES)
#: What graphs answer: of targets, or of quantities.
_ANSWERS = [set(outputs) - {TAPS} for outputs in (OUTPUTS, QUANTITY_OUTPUTS)]
#: What clients see.
_SEEN = (*OUTPUTS, *QUANTITY_OUTPUTS)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The largest differences that count as reproduced.

    ``features``: relative to the size of a feature, at least 1. ``squashed``: absolute; these values are
    of order 1. ``taps``: for means and variances, relative to a layer's standard deviation and variance.
    ``share``: absolute, for the saturated share. ``logits``: relative to the size of a logit, at least
    1, and of a quantity to their range over the golden rows. ``probability``: absolute.
    """

    features: float
    squashed: float
    taps: float
    share: float
    logits: float
    probability: float


#: float32 on any CPU, where only the order of summation and the exponential function differ: ten times
#: the differences seen between the builds and formulations compared in docs/explanation/served-graph.md.
FLOAT32 = Tolerance(features=1e-5, squashed=2e-5, taps=1e-4, share=0.02, logits=2e-4, probability=5e-5)
#: float32 on a CUDA device. Its power function differs from the CPU's by a few units in the last place,
#: which Yeo-Johnson (I.-K. Yeo, R. A. Johnson, Biometrika 87 (2000) 954) magnifies: 2.1e-5 was seen in a
#: squashed feature on an H200. All later values agree as closely as between CPUs.
CUDA_FLOAT32 = replace(FLOAT32, squashed=1e-4)
#: TF32 rounds factors to 10 bits of mantissa, a relative error of 5e-4 in each product.
TF32 = Tolerance(features=1e-5, squashed=1e-4, taps=2e-2, share=0.03, logits=2e-2, probability=5e-3)
#: The same session compared with its own first outputs, which it repeats to the last bits.
SAME_SESSION = Tolerance(
    features=1e-7, squashed=1e-6, taps=2e-6, share=1e-6, logits=2e-6, probability=1e-6
)


@dataclass(frozen=True, slots=True)
class Golden:
    """Raw records, all accepted by the featurizer, and what was published for them.

    Shapes: ``features`` ``(n, F)``; ``probability`` and ``logit`` ``(n, T)``, or of quantities
    ``value`` ``(n, T)`` and ``interval`` ``(n, T, 2)``; ``taps`` ``(n, members, layers, 3)`` if the
    graph has them; ``squashed`` ``(n, F)`` and ``member_logit`` ``(n, members, O)``, which older bundles
    lack.
    """

    records: tuple[object, ...]
    features: Array32
    probability: Array32 | None = None
    logit: Array32 | None = None
    taps: Array32 | None = None
    squashed: Array32 | None = None
    member_logit: Array32 | None = None
    value: Array64 | None = None
    interval: Array64 | None = None

    def to_bytes(self) -> bytes:
        """Serialise as an npz file without pickled objects; records are JSON texts."""
        stream = io.BytesIO()
        records = np.array([json.dumps(record) for record in self.records])
        arrays: dict[str, Any] = {"records": records, **self.arrays()}
        np.savez_compressed(stream, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Golden":
        """Read what ``to_bytes`` returned; raises ``BundleRefused`` for any other content."""
        try:
            check_unpacked(content, _MOST_UNPACKED_BYTES)
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                records = tuple(json.loads(str(text)) for text in archive["records"])
                arrays: dict[str, Any] = {
                    name: np.asarray(archive[name], np.float64 if name in DOUBLES else np.float32)
                    for name in _ARRAYS
                    if name == "features" or name in archive.files
                }
        except Exception as error:  # numpy and zipfile raise many types for a hostile archive
            raise BundleRefused(f"{GOLDEN_FILE} cannot be read: {error}") from error
        if len(records) > LARGEST_BATCH:
            raise BundleRefused(f"{GOLDEN_FILE} has {len(records)} rows, {LARGEST_BATCH} are allowed")
        if arrays.keys() & set.union(*_ANSWERS) not in _ANSWERS:
            raise BundleRefused(f"{GOLDEN_FILE} has neither probabilities and logits, nor values")
        if not records or any(len(array) != len(records) for array in arrays.values()):
            raise BundleRefused(f"{GOLDEN_FILE}: its arrays and records differ in length")
        return cls(records, **arrays)

    @property
    def is_regression(self) -> bool:
        """Whether the outputs are values of quantities."""
        return self.value is not None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The features and the published outputs, by name."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return {name: array for name, array in arrays.items() if array is not None}

    def check_features(self, features: Array32, names: tuple[str, ...], tolerance: Tolerance) -> None:
        """Compare ``features``, shape ``(n, F)``, with those published; ``names`` are the features'.

        Raises ``NotReproduced`` with the first feature that differs, and ``BundleRefused`` if the shape
        differs.
        """
        if features.shape != self.features.shape:
            raise BundleRefused(
                f"golden rows: {len(self.features)} records of {self.features.shape[1]} features"
                f" expected, the featurizer made {features.shape[0]} of {features.shape[1]}"
            )
        differs = np.abs(features - self.features) > tolerance.features * _size(self.features)
        differs |= np.isnan(features) != np.isnan(self.features)
        if differs.any():
            row, column = np.argwhere(differs)[0]
            raise NotReproduced(
                f"golden row {row}: feature {names[column]} is {features[row, column]:.7g},"
                f" published as {self.features[row, column]:.7g};"
                " the featurizer or its library differs from the one the model was trained with",
                Place("featurizer"),
            )

    def check_outputs(
        self, outputs: Mapping[str, NDArray[Any]], names: tuple[str, ...], tolerance: Tolerance
    ) -> None:
        """Compare the graph's ``outputs``, by name, with those published, in the order of computation.

        That is the squashed features (``names`` are the features'), all layers, the shallowest first,
        each member's output layer, and the calibration. Raises ``NotReproduced`` with the first part of
        the model that differs, and ``BundleRefused`` if a shape differs.
        """
        for name, array in self.arrays().items():
            if name in _SEEN and name in outputs and outputs[name].shape != array.shape:
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
        for name, published, scale, allowed in self._answers(tolerance):
            worst = float((np.abs(outputs[name] - published) / scale).max())
            if not worst <= allowed:
                text = f"golden rows: a {name} is off by {worst:.2g}, {allowed:.2g} allowed"
                if self.taps is None or TAPS not in outputs:
                    raise NotReproduced(f"{text}; there are no taps to tell where", Place("network"))
                raise NotReproduced(
                    f"{text}, by all that was looked at before: what follows the networks differs",
                    Place("calibration"),
                )

    def _answers(
        self, tolerance: Tolerance
    ) -> Iterator[tuple[str, NDArray[Any], NDArray[Any] | float, float]]:
        """What is answered in the order of computation, its scale, and the difference allowed."""
        if self.logit is not None:
            yield "logit", self.logit, _size(self.logit), tolerance.logits
        if self.probability is not None:
            yield "probability", self.probability, 1.0, tolerance.probability
        for name, published in ((VALUE, self.value), (INTERVAL, self.interval)):
            if published is not None:
                yield name, published, _range(published), tolerance.logits


def _range(values: Array64) -> float:
    """The range of values, at least what single precision tells apart of their size."""
    least = float(np.finfo(np.float32).eps * np.abs(values).max()) or float(np.finfo(np.float32).tiny)
    return max(float(np.ptp(values)), least)


def _size(values: Array32) -> Array32:
    """What differences are relative to: absolute values, at least 1."""
    return np.maximum(np.abs(values), np.float32(1.0))


def _check_squashed(
    published: Array32, squashed: Array32, names: tuple[str, ...], tolerance: Tolerance
) -> None:
    # A comparison with NaN is false, so that NaN always differs, here and below.
    differs = ~(np.abs(squashed - published) <= tolerance.squashed)
    if differs.any():
        row, column = np.argwhere(differs)[0]
        raise NotReproduced(
            f"golden row {row}: feature {names[column]} is scaled to {squashed[row, column]:.7g},"
            f" published as {published[row, column]:.7g}",
            Place("squash"),
        )


def _check_layers(published: Array32, taps: Array32, tolerance: Tolerance) -> None:
    # Means are compared on the scale of the layer's standard deviation, variances on that of its
    # variance, shares as they are.
    variance = published[..., 1].mean(axis=0)
    scale = np.stack([np.sqrt(variance), variance, np.ones_like(variance)], axis=-1)
    error = np.abs(taps - published).max(axis=0) / np.maximum(scale, 1e-3)
    # A unit at the saturation threshold may be counted or not: the share has its own tolerance.
    allowed = (tolerance.taps, tolerance.taps, tolerance.share)
    # Transposed to (layers, members): the shallowest layer is named first.
    differs = ~(error <= allowed).all(axis=-1).T
    if differs.any():
        layer, member = np.argwhere(differs)[0].tolist()
        raise NotReproduced(
            f"golden rows: member {member}, layer {layer + 1} does not reproduce its published"
            f" statistics (off by {error[member, layer, :2].max():.2g} of the layer's scale,"
            f" {tolerance.taps:.2g} allowed)",
            Place("layer", member, layer + 1),
        )


def _check_members(published: Array32, logits: Array32, tolerance: Tolerance) -> None:
    worst = (np.abs(logits - published) / _size(published)).max(axis=(0, 2))
    differs = ~(worst <= tolerance.logits)
    if differs.any():
        member = int(np.argmax(differs))
        raise NotReproduced(
            f"golden rows: the output layer of member {member}, or trees beside it, does not reproduce"
            f" its published logits (off by {worst[member]:.2g}, {tolerance.logits:.2g} allowed)",
            Place("output", member),
        )
