"""What healthy looks like: layer statistics of rows that the network had not learned from.

A row's *taps* are, per ensemble member and hidden layer, the mean, the population variance and the
saturated share of that layer's units. The reference is fitted at training time on out-of-fold rows
and answers two questions of live traffic: how unusual is this row (a conformal p-value), and how
far has a window of rows moved (an effect size per member and layer).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.moments import Moments

#: Variances are compared by their logarithm, since they are positive and skewed; the offset keeps
#: a layer that has died (variance 0) at a finite, very distant value.
VARIANCE_OFFSET = 1e-6

#: Floors under a statistic's spread, in the order mean, log-variance, saturated share: a statistic
#: that hardly varies among the reference rows must not turn float32 rounding into an alarm.
SPREAD_FLOOR = np.array([1e-3, 1e-3, 1e-3])

#: Weight of the diagonal in the covariance of a member's statistics: keeps it well conditioned
#: where neighbouring layers are almost collinear.
SHRINKAGE = 0.05

#: Standard errors that an effect must exceed before it counts: with at most some hundreds of
#: statistics compared at once, 4.5 keeps chance alone below one alarm in a thousand windows.
EFFECT_MARGIN = 4.5

#: Effects, in standard deviations of the reference rows, from which traffic counts as moved.
DEGRADED_AT = 0.5
UNHEALTHY_AT = 1.0

#: More distances than this are looked up in their order: sorting them costs less than the processor
#: loses by guessing each step of each search wrong.
_FEW = 256

#: Distances beyond this are infinite, as some would be as float32.
_MOST = 1e38

#: Fewer rows than this in a window give no verdict.
WARM_UP_ROWS = 64


class MemberReference(BaseModel):
    """One ensemble member's share of the reference, as the manifest records it.

    ``mean``, ``variance`` and ``saturated`` have one entry per layer and describe all units of all
    rows pooled; ``centre`` and ``covariance`` are of shape (3 * layers,) and square, over the
    comparable statistics (mean, log-variance, saturated share; layer by layer); ``scores`` are the
    sorted squared Mahalanobis distances of the rows.
    """

    model_config = ConfigDict(extra="forbid")

    mean: list[float]
    variance: list[float]
    saturated: list[float]
    centre: list[float]
    covariance: list[list[float]]
    scores: list[float]


def comparable(
    taps: NDArray[np.floating], out: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
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


def fit_member(taps: NDArray[np.floating]) -> MemberReference:
    """Fit one member's reference to the taps, shape (rows, layers, 3), of rows it never learned."""
    rows, layers, _ = taps.shape
    if rows < 2:
        raise ValueError(f"fit_member: a reference needs at least 2 rows, not {rows}")
    raw = Moments.of(taps)
    flat = comparable(taps).reshape(rows, layers * 3)
    covariance = np.cov(flat, rowvar=False)
    spread = np.maximum(np.sqrt(np.diag(covariance)), np.tile(SPREAD_FLOOR, layers))
    covariance = (1 - SHRINKAGE) * covariance
    np.fill_diagonal(covariance, spread**2)
    centre = flat.mean(axis=0)
    scores = np.sort(_distances((flat - centre)[:, None], _whitening(covariance)[None])[:, 0])
    return MemberReference(
        mean=_rounded(raw.mean[:, 0]),
        # Law of total variance: the spread within rows plus the spread of their means.
        variance=_rounded(raw.mean[:, 1] + raw.variance[:, 0]),
        saturated=_rounded(raw.mean[:, 2]),
        centre=_rounded(centre, 9),
        covariance=[_rounded(row, 9) for row in covariance],
        scores=_rounded(scores),
    )


@dataclass(frozen=True, slots=True)
class Effects:
    """How far a window's rows have moved, in standard deviations of the reference rows.

    ``by_layer`` has shape (members, layers): the largest of the three statistics' shifts. ``margin``
    is what chance alone may contribute at this number of rows.
    """

    by_layer: NDArray[np.float64]
    margin: float

    @property
    def largest(self) -> float:
        """The largest shift of any layer, less what chance may contribute; never negative."""
        return max(0.0, float(self.by_layer.max()) - self.margin)

    @property
    def first_departing(self) -> tuple[int, int] | None:
        """(member, layer), both from 0, of the shallowest layer that has moved, or None."""
        moved = np.argwhere((self.by_layer - self.margin).T >= DEGRADED_AT)
        return (int(moved[0][1]), int(moved[0][0])) if len(moved) else None


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Every member's sorted scores in one sorted array, so that one search ranks a whole batch.

    A key is the member's number above the bits of the score as float32, which order as the numbers
    do, since none is negative. Keys are whole numbers, so that each score makes two edges, itself and
    the next number, between which all distances have the same ranks: the tails are looked up.
    """

    edges: NDArray[np.int64]
    tails: NDArray[np.float64]  # after so many edges, twice a member's part in both averaged tails
    member_bits: NDArray[np.int64]
    both: NDArray[np.float64]  # adds the members' tails up, by a product with it

    @classmethod
    def of(cls, scores: Sequence[NDArray[np.float64]]) -> Self:
        """Prepare each member's sorted scores."""
        members = len(scores)
        member_bits = np.arange(members, dtype=np.int64) << 32
        edges: list[NDArray[np.int64]] = []
        tails: list[NDArray[np.float64]] = [np.zeros((1, 2))]
        for own, bits in zip(map(_bits, scores), member_bits, strict=True):
            changes = np.unique(np.concatenate([[0], own, own + 1]))
            above = len(own) + 1 - own.searchsorted(changes, "left")
            below = own.searchsorted(changes, "right") + 1
            edges.append(changes + bits)
            tails.append(np.array([above, below]).T * (2.0 / ((len(own) + 1) * members)))
        return cls(
            edges=np.concatenate(edges),
            tails=np.ascontiguousarray(np.concatenate(tails)),
            member_bits=member_bits,
            both=np.tile(np.eye(2), (members, 1)),
        )

    def p_values(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Two-sided p-values (rows,) of distances (rows, members), averaged over the members."""
        wanted = _bits(distances) + self.member_bits
        if wanted.size <= _FEW:
            places = self.edges.searchsorted(wanted, "right")
        else:
            flat = wanted.ravel()
            order = flat.argsort()
            found = np.empty_like(flat)
            found[order] = self.edges.searchsorted(flat[order], "right")
            places = found.reshape(wanted.shape)
        tails = self.tails.take(places, axis=0).reshape(-1, len(self.both)) @ self.both
        smaller = np.minimum(tails[:, 0], tails[:, 1])
        p_values: NDArray[np.float64] = np.minimum(smaller, 1.0, out=smaller)
        return p_values


def _bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bits, as float32, of numbers that are not negative and at most ``_MOST`` or infinite."""
    return values.astype(np.float32).view(np.int32).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference of a whole ensemble, ready to score live taps."""

    members: tuple[MemberReference, ...]
    centre: NDArray[np.float64]  # (members, 3 * layers)
    spread: NDArray[np.float64]  # (members, 3 * layers)
    whitening: NDArray[np.float64]  # (members, 3 * layers, 3 * layers)
    ranks: _Ranks

    @classmethod
    def of(cls, members: Sequence[MemberReference]) -> Self:
        """Prepare the manifest's records for scoring."""
        covariance = np.array([member.covariance for member in members])
        return cls(
            members=tuple(members),
            centre=np.array([member.centre for member in members]),
            spread=np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)),
            whitening=np.stack([_whitening(square) for square in covariance]),
            ranks=_Ranks.of([np.array(member.scores) for member in members]),
        )

    @property
    def layers(self) -> int:
        """Number of hidden layers of every member."""
        return int(self.centre.shape[1]) // 3

    def p_values(self, taps: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return one conformal p-value per row for taps of shape (rows, members, layers, 3).

        Each member ranks the row's distance among those of its own held-out rows, and the ranks
        are averaged (cross-conformal prediction, Vovk 2015). Too quiet is as strange as too loud,
        so the smaller tail counts twice. Ties are settled against the row; the floor is that of
        the members' ranks, 2 / (n + 1). A row whose taps are not finite gets the floor.
        """
        return self.p_values_of(comparable(taps))

    def p_values_of(self, statistics: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same for taps that ``comparable`` has seen to."""
        flat = statistics.reshape(len(statistics), len(self.members), -1)
        return self.p_values_centred(flat - self.centre)

    def p_values_centred(self, centred: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same for comparable taps, (rows, members, 3 * layers), less the centre."""
        distances = _distances(centred, self.whitening)
        if not distances.sum() <= _MOST:
            # One member that is ill must not hide among those that are well.
            distances[~(distances <= _MOST).all(axis=1)] = np.inf
        return self.ranks.p_values(distances)

    def effects(self, window: Moments) -> Effects:
        """Return how far a window has moved; ``window`` holds moments of ``comparable`` taps."""
        shift = np.abs(window.mean.reshape(self.centre.shape) - self.centre) / self.spread
        by_layer = shift.reshape(len(self.members), self.layers, 3).max(axis=2)
        return Effects(by_layer, EFFECT_MARGIN / np.sqrt(max(window.count, 1)))


def _whitening(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return W with W Wᵀ = covariance⁻¹, so that |z W|² is the squared Mahalanobis distance."""
    inverse: NDArray[np.float64] = np.linalg.inv(np.linalg.cholesky(covariance)).T
    return inverse


def _distances(centred: NDArray[np.float64], whitening: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Mahalanobis distances (rows, members) of statistics (rows, members, 3 * layers)."""
    white = np.matmul(centred.transpose(1, 0, 2), whitening)
    distances: NDArray[np.float64] = np.einsum("mrk,mrk->rm", white, white)
    return distances


def _rounded(values: NDArray[np.float64], digits: int = 6) -> list[float]:
    """Return values at so many significant digits: the manifest is read by people too."""
    return [float(f"{value:.{digits}g}") for value in values]
