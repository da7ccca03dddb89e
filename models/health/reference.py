"""The reference: layer statistics of rows that the network did not learn from.

A row's *taps* are, per ensemble member and hidden layer, the mean, the population variance and the
saturated share of that layer's units; its *inputs* are the features as the first layer sees them.
``models.health.fitting`` fits the reference at training time, on out-of-fold rows. The manifest holds
what people read of it; ``reference.npz`` holds the arrays by which live rows are judged.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.health.inputs import Inputs, arrays_of, check_shapes, inputs_of
from models.health.rows.bounds import RowBounds
from models.npz import check_unpacked

#: Variances are compared by their logarithm, since they are positive and skewed; the offset keeps
#: a layer that has died (variance 0) at a finite, very distant value.
VARIANCE_OFFSET = 1e-6

#: Inputs further out than this, in standard deviations, no longer bend the expected statistics.
CROSS_LIMIT = 4.0

#: The least spread of a saturated share, about one unit of two hundred: where hardly any reference row
#: saturates a layer, one proper row that does must not look like a thousand of them.
SHARE_FLOOR = 0.005

#: Standardised scores are shifted by this much, so that none that matters is negative.
SCORE_SHIFT = 100.0

#: The most bytes of a reference's arrays: per statistic of a member and statistic or term that tells of
#: it, per feature, and beside them. What a file claims of itself must not fill the memory.
_BYTES_PER_VALUE, _TERMS, _DIRECTIONS, _SPARE_BYTES = 8, 1024, 64, 16 << 20

Array = NDArray[np.float64]


class MemberReference(BaseModel):
    """One ensemble member's part of the reference, as the manifest records it.

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
class Reference:
    """The reference of an ensemble of M members with L layers, by which live rows are judged.

    ``centre`` and ``spread`` are of shape (M, 3L). ``whitening`` (M, 3L, 3L) turns centred statistics
    into *departures*: each in standard deviations, layer after layer, given the layers before it and,
    by ``coefficients`` (terms, M * 3L), given the inputs. ``scale`` (2, M) is mean and standard
    deviation of the log-distance of the departures; ``scores`` are each member's, sorted. ``cumulants``
    (columns, signs, rates) bounds what capped departures do by chance; None where that is not known.
    ``averaged`` are p-values of rows of the data, averaged over the members, sorted, among which those
    of new rows are ranked; None in older bundles and for one member. ``rows`` bounds what one row's
    numbers may be; None in older bundles.
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
    averaged: NDArray[np.float32] | None = None
    rows: RowBounds | None = None

    @classmethod
    def of(cls, members: Sequence[MemberReference]) -> Self:
        """Return the reference of a bundle without ``reference.npz``: layers alone, no inputs.

        Raises ``numpy.linalg.LinAlgError`` if a covariance is not positive definite.
        """
        covariance = np.array([member.covariance for member in members])
        logs = [np.log1p(np.array(member.scores)) for member in members]
        scale = np.array([[log.mean() for log in logs], [log.std() + 1e-6 for log in logs]])
        return cls(
            members=tuple(members),
            centre=np.array([member.centre for member in members]),
            spread=np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)),
            whitening=np.stack([whitening_of(square) for square in covariance]),
            coefficients=np.zeros((1, covariance.shape[0] * covariance.shape[1])),
            scale=scale,
            scores=tuple(
                ranked((log - mean) / spread) for log, mean, spread in zip(logs, *scale, strict=True)
            ),
            inputs=None,
            cumulants=None,
        )

    @property
    def layers(self) -> int:
        """The number of hidden layers of every member, L."""
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
        if self.averaged is not None:
            arrays["averaged"] = self.averaged
        if self.inputs is not None:
            arrays |= arrays_of(self.inputs)
        if self.rows is not None:
            arrays |= self.rows.arrays()
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, members: Sequence[MemberReference], features: int) -> Self:
        """Read what ``to_bytes`` wrote.

        Raises ``ValueError`` if it is no npz of plain arrays, or not of these members and features.
        """
        count, size = len(members), 3 * len(members[0].mean) if members else 0
        values = count * size * (size + _TERMS) + _DIRECTIONS * features
        arrays = _unpacked(content, _BYTES_PER_VALUE * values + _SPARE_BYTES)
        inputs = inputs_of(arrays, features)
        shapes = {
            "centre": (count, size),
            "spread": (count, size),
            "whitening": (count, size, size),
            "coefficients": (1 if inputs is None else inputs.terms, count * size),
            "scale": (2, count),
        }
        check_shapes(arrays, shapes | {"counts": (count,)})
        counts = arrays["counts"].astype(np.int64)
        scores = arrays.get("scores", np.zeros(0)).astype(np.float32)
        if (counts < 1).any() or scores.shape != (counts.sum(),) or not (scores >= 0).all():
            raise ValueError("its scores are not each member's, none of them negative")
        plain = {name: arrays[name].astype(np.float64) for name in shapes}
        if not (plain["spread"] > 0).all() or not (plain["scale"][1] > 0).all():
            raise ValueError("a spread is not positive")
        cumulants, averaged = arrays.get("cumulants"), arrays.get("averaged")
        shares = None if averaged is None else averaged.astype(np.float32)
        if shares is not None:
            in_order = shares.ndim == 1 and len(shares) > 0 and bool((np.diff(shares) >= 0).all())
            if not in_order or not 0 < shares[0] <= shares[-1] <= 1:
                raise ValueError("its averaged p-values are no sorted shares")
        # For bundles from before this floor; it errs on the safe side of their scores and cumulants.
        factors = share_factors(plain["whitening"])
        plain["whitening"] = plain["whitening"] * factors[:, None, :]
        plain["coefficients"] = plain["coefficients"] * factors.ravel()
        return cls(
            members=tuple(members),
            scores=tuple(np.split(scores, np.cumsum(counts)[:-1])),
            inputs=inputs,
            cumulants=None if cumulants is None else cumulants.astype(np.float64),
            averaged=shares,
            rows=RowBounds.of(arrays, count, size // 3),
            **plain,
        )


def ranked(scores: Array) -> NDArray[np.float32]:
    """Return standardised scores as ``Ranks`` takes them: shifted, none of them negative, sorted."""
    return np.sort(np.maximum(scores + SCORE_SHIFT, 0.0)).astype(np.float32)


def share_factors(whitening: Array) -> Array:
    """Return the factors of departures (..., 3L) that give every share's spread its floor.

    The diagonal of ``whitening`` (..., 3L, 3L) is one over each statistic's own spread.
    """
    own = np.abs(np.diagonal(whitening, axis1=-2, axis2=-1))
    factors = np.ones_like(own)
    factors[..., 2::3] = 1.0 / np.maximum(SHARE_FLOOR * own[..., 2::3], 1.0)
    return factors


def whitening_of(covariance: Array) -> Array:
    """Return upper triangular W with W Wᵀ = covariance⁻¹: column j sees the statistics up to j.

    Raises ``numpy.linalg.LinAlgError`` if the covariance is not positive definite.
    """
    inverse: Array = np.linalg.inv(np.linalg.cholesky(covariance)).T
    return inverse


def _unpacked(content: bytes, most: int) -> dict[str, NDArray[np.generic]]:
    try:
        check_unpacked(content, most)
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"it is not an npz of plain arrays: {error}") from error
