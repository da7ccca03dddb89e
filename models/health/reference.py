"""What healthy looks like: statistics of rows that the network had not learned from.

A row's *taps* are, per ensemble member and hidden layer, the mean, the population variance and the
saturated share of that layer's units; its *inputs* are the features as the first layer sees them.
The reference is fitted at training time (``models.health.fitting``) on out-of-fold rows. What is read by
people is in the manifest; the arrays by which live rows are judged are in ``reference.npz``.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

#: Variances are compared by their logarithm, since they are positive and skewed; the offset keeps
#: a layer that has died (variance 0) at a finite, very distant value.
VARIANCE_OFFSET = 1e-6

#: Inputs further out than this, in standard deviations, no longer bend the expected statistics.
CROSS_LIMIT = 4.0

#: A feature's spread counts as at least this part of the wider features' (their 90th percentile): a
#: fragment that one molecule in a thousand has must not shout when it is two.
FEATURE_FLOOR = 0.5
#: The same of the spread of its squared standard score, which is about this for a wide feature.
SQUARE_FLOOR = 0.7
#: A narrow feature's squares tell nothing that its mean does not, and stray: they count for nothing.
_UNWATCHED = 1e6

#: A saturated share's own spread counts as at least this much, about a unit of two hundred: where hardly
#: any row of the reference saturates a layer, one proper row that does must not be a thousand of them.
SHARE_FLOOR = 0.005

#: Scores are shifted by this much, so that none that matters is negative.
SCORE_SHIFT = 100.0

#: A reference's arrays have no more bytes: what a file says of itself must not fill memory.
_MOST_BYTES = 1 << 28

Array = NDArray[np.float64]


class MemberReference(BaseModel):
    """One ensemble member's share of the reference, as the manifest records it.

    ``mean``, ``variance`` and ``saturated`` have one entry per layer and describe all units of all
    rows pooled; ``centre`` is of shape (3 * layers,), over the comparable statistics (mean,
    log-variance, saturated share; layer by layer). ``covariance`` and ``scores``, the sorted squared
    Mahalanobis distances of the rows, are of bundles from before there was a ``reference.npz``.
    """

    model_config = ConfigDict(extra="forbid")

    mean: list[float]
    variance: list[float]
    saturated: list[float]
    centre: list[float]
    covariance: list[list[float]] = []
    scores: list[float] = []


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the inputs are like: by feature, along their leading directions, and beside those.

    ``projection`` (F, k) gives standard scores along the k leading directions of features less
    ``centre`` (F,). ``spread`` is each feature's, ``square`` and ``square_spread`` those of its squared
    standard score; both spreads have a floor, so that a feature that hardly ever differs from its
    usual value does not shout when it does. ``weights`` (k,) are the directions' variances;
    ``energy`` and ``scale`` are mean and spread of the log of what lies beside the directions, and of
    the log-distance along them. The products of the first ``crosses`` scores help to predict layers.
    """

    centre: NDArray[np.float32]
    spread: Array
    square: Array
    square_spread: Array
    projection: NDArray[np.float32]
    weights: Array
    energy: Array
    scale: Array
    crosses: int

    def floored(self) -> "Inputs":
        """The same, in units that have their floors."""
        floor = FEATURE_FLOOR * float(np.quantile(self.spread, 0.9))
        spread = np.maximum(self.spread, max(floor, 1e-9))
        ratio = np.square(self.spread / spread)
        square_spread = np.maximum(self.square_spread * ratio, SQUARE_FLOOR)
        square_spread[self.spread < spread] = _UNWATCHED
        return replace(self, spread=spread, square=self.square * ratio, square_spread=square_spread)

    @property
    def directions(self) -> int:
        """How many leading directions there are, k."""
        return int(self.projection.shape[1])


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference of a whole ensemble of M members with L layers, ready to judge live rows.

    ``centre`` and ``spread`` are of shape (M, 3L). ``whitening`` (M, 3L, 3L) turns centred statistics
    into *departures*: each in standard deviations, layer after layer, given the layers before it and,
    by ``coefficients`` (terms, M * 3L), given the inputs. ``scale`` (2, M) is mean and spread of the
    log-distance of the departures; ``scores`` are each member's, sorted. ``cumulants`` (columns, signs,
    rates) bounds what capped departures do by chance, and is None where that is not known.
    """

    members: tuple[MemberReference, ...]
    centre: Array
    spread: Array
    whitening: Array
    coefficients: Array
    scale: Array
    scores: tuple[NDArray[np.float32], ...]
    inputs: Inputs | None
    cumulants: Array | None

    @classmethod
    def of(cls, members: Sequence[MemberReference]) -> Self:
        """Return the reference of a bundle without ``reference.npz``: layers alone, no inputs.

        Raises ``numpy.linalg.LinAlgError`` for a covariance that is none.
        """
        covariance = np.array([member.covariance for member in members])
        logs = [np.log1p(np.array(member.scores)) for member in members]
        scale = np.array([[log.mean() for log in logs], [log.std() + 1e-6 for log in logs]])
        size = covariance.shape[0] * covariance.shape[1]
        return cls(
            members=tuple(members),
            centre=np.array([member.centre for member in members]),
            spread=np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)),
            whitening=np.stack([whitening_of(square) for square in covariance]),
            coefficients=np.zeros((1, size)),
            scale=scale,
            scores=tuple(
                np.sort(shifted((log - mean) / spread)).astype(np.float32)
                for log, mean, spread in zip(logs, *scale, strict=True)
            ),
            inputs=None,
            cumulants=None,
        )

    @property
    def layers(self) -> int:
        """Number of hidden layers of every member, L."""
        return int(self.centre.shape[1]) // 3

    def to_bytes(self) -> bytes:
        """Serialise the arrays as an npz without pickled objects."""
        arrays: dict[str, NDArray[np.generic]] = {
            name: getattr(self, name).astype(np.float32)
            for name in ("centre", "spread", "whitening", "coefficients", "scale")
        }
        arrays["scores"] = np.concatenate(self.scores)
        arrays["counts"] = np.array([len(own) for own in self.scores])
        if self.cumulants is not None:
            arrays["cumulants"] = self.cumulants
        if self.inputs is not None:
            for field in fields(Inputs):
                arrays[f"inputs_{field.name}"] = np.asarray(getattr(self.inputs, field.name))
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, members: Sequence[MemberReference], features: int) -> Self:
        """Read the arrays again; raises ``ValueError`` where they do not fit members and features."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                    raise ValueError(f"its arrays have more than {_MOST_BYTES} bytes")
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                held = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"it is not an npz of plain arrays: {error}") from error
        count, size = len(members), 3 * len(members[0].mean) if members else 0
        inputs = _inputs(held, features)
        terms = 1 if inputs is None else terms_of(inputs.directions, inputs.crosses)
        shapes = {
            "centre": (count, size),
            "spread": (count, size),
            "whitening": (count, size, size),
            "coefficients": (terms, count * size),
            "scale": (2, count),
            "counts": (count,),
        }
        _check(held, shapes)
        counts = held["counts"].astype(np.int64)
        scores = held.get("scores", np.zeros(0)).astype(np.float32)
        if (counts < 1).any() or scores.shape != (counts.sum(),) or not (scores >= 0).all():
            raise ValueError("its scores are not each member's, none of them negative")
        plain = {name: held[name].astype(np.float64) for name in shapes if name != "counts"}
        if not (plain["spread"] > 0).all() or not (plain["scale"][1] > 0).all():
            raise ValueError("a spread is not positive")
        cumulants = held.get("cumulants")
        # Of bundles from before this floor; scores and cumulants are on the safe side of it.
        factors = share_factors(plain["whitening"])
        plain["whitening"] = plain["whitening"] * factors[:, None, :]
        plain["coefficients"] = plain["coefficients"] * factors.ravel()
        return cls(
            members=tuple(members),
            scores=tuple(np.split(scores, np.cumsum(counts)[:-1])),
            inputs=inputs,
            cumulants=None if cumulants is None else cumulants.astype(np.float64),
            **plain,
        )


def comparable(taps: NDArray[np.floating], out: Array | None = None) -> Array:
    """Turn taps of shape (..., 3) into mean, log-variance and saturated share, same shape.

    ``out`` is where to write them, so that a stream of batches needs no memory for each.
    """
    statistics = np.empty(taps.shape) if out is None else out
    statistics[...] = taps
    # In memory without gaps: the same steps in every third place take over half as long again.
    logarithm = np.maximum(taps[..., 1], 0.0, dtype=np.float64)
    logarithm += VARIANCE_OFFSET
    statistics[..., 1] = np.log(logarithm, out=logarithm)
    return statistics


def terms_of(directions: int, crosses: int) -> int:
    """How many terms predict a layer: one, each direction, products and sizes of the first ones."""
    return 1 + directions + crosses * (crosses + 1) // 2 + crosses


def shifted(scores: Array) -> Array:
    """Standardised scores as ``Ranks`` takes them: never negative, what is no number at the top."""
    moved: Array = np.maximum(scores + SCORE_SHIFT, 0.0)
    return np.where(np.isnan(moved), np.inf, moved)


def share_factors(whitening: Array) -> Array:
    """What departures (..., 3L) are multiplied by so that shares' spreads have their floor.

    The diagonal of ``whitening`` (..., 3L, 3L) is one over each statistic's own spread.
    """
    own = np.abs(np.diagonal(whitening, axis1=-2, axis2=-1))
    factors = np.ones_like(own)
    factors[..., 2::3] = 1.0 / np.maximum(SHARE_FLOOR * own[..., 2::3], 1.0)
    return factors


def whitening_of(covariance: Array) -> Array:
    """Return upper triangular W with W Wᵀ = covariance⁻¹: column j sees the statistics up to j."""
    inverse: Array = np.linalg.inv(np.linalg.cholesky(covariance)).T
    return inverse


def _inputs(held: dict[str, NDArray[np.generic]], features: int) -> Inputs | None:
    if "inputs_projection" not in held:
        return None
    projection, crosses = held["inputs_projection"], int(held.get("inputs_crosses", np.array(-1)))
    directions = projection.shape[1] if projection.ndim == 2 else -1
    if not 0 <= crosses <= directions:
        raise ValueError("its inputs' directions are malformed")
    by_feature = ("centre", "spread", "square", "square_spread")
    shapes: dict[str, tuple[int, ...]] = {f"inputs_{name}": (features,) for name in by_feature}
    shapes |= {"inputs_projection": (features, directions), "inputs_weights": (directions,)}
    _check(held, shapes | {"inputs_energy": (2,), "inputs_scale": (2,)})
    single = ("centre", "projection")
    made: dict[str, Any] = {
        field.name: held[f"inputs_{field.name}"].astype(
            np.float32 if field.name in single else np.float64
        )
        for field in fields(Inputs)
        if field.name != "crosses"
    }
    if not ((made["spread"] > 0).all() and (made["square_spread"] > 0).all()):
        raise ValueError("a spread of its inputs is not positive")
    # Floors that have grown since a bundle was made hold for it too.
    return Inputs(crosses=crosses, **made).floored()


def _check(held: dict[str, NDArray[np.generic]], shapes: dict[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        array = held.get(name)
        if array is None or array.shape != shape or array.dtype.kind not in "fi":
            raise ValueError(f"{name} is not an array of shape {shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds what is no number")
