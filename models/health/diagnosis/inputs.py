"""What happened to the inputs, recognised by how the features' means and spreads changed.

A column that got another's values has the mean and spread that the other's would have in its place; one
in other units is an affine map of itself; one that is constant has no spread. What fits none of these
is another population.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from models.health.inputs import Inputs

Array = NDArray[np.float64]

Kind = Literal["constant", "swapped", "shuffled", "shifted", "rescaled", "population"]

#: Means and spreads of fewer rows than this do not tell what happened.
KIND_ROWS = 96

#: More features than this are not tried against each other.
_MOST_FEATURES = 64
#: Standard scores at which a feature's scale is known, and those that stand for its distribution.
_GRID = np.concatenate([[-10.0, -8.0, -6.0, -5.0], np.linspace(-4.0, 4.0, 33), [5.0, 6.0, 8.0, 10.0]])
#: Scores at which a shift is tried.
_STEPS = np.linspace(-10.0, 10.0, 401)
#: A raw value beyond all others.
_FAR = 1e15
#: Factors of units that are tried.
_FACTORS = np.exp(np.linspace(np.log(1e-3), np.log(1e3), 139))
#: A factor nearer to 1 than this, in logarithms, is no other unit.
_NO_FACTOR = 0.1
#: A column whose mean score is so near to the least or largest lies outside the range altogether.
_AT_THE_END = 0.1
_NODES = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
_WEIGHTS = np.exp(-np.square(_NODES) / 2) / np.exp(-np.square(_NODES) / 2).sum()
#: Costs, in standard deviations: of a column that has changed, and of an explanation that fits.
_CHANGED, _FITS = 0.4, 0.35
#: An explanation by several columns leaves at most this share of the change.
_LEFT = 0.35
#: A spread below this, of a feature that had one, is none.
_NO_SPREAD = 0.03


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened to the inputs, to which features, by number.

    ``pairs`` are (feature, the one whose values it seems to have); ``factor`` is that of a rescaling.
    """

    kind: Kind
    features: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...] = ()
    factor: float | None = None


@dataclass(frozen=True, slots=True)
class FeatureScales:
    """How raw values of F features become standard scores, where there are not too many of them.

    ``raw`` (G, F) are the values at the scores of the grid, ``ends`` (2, F) the least and the largest
    score that any value has, and ``zero`` (F,) the scores of 0. ``mean`` and ``spread`` (F, F) are what
    the scores of feature i would be if its column held the values of feature j.
    """

    raw: Array
    ends: Array
    zero: Array
    mean: Array
    spread: Array

    @classmethod
    def of(
        cls, inputs: Inputs, squash: Callable[[NDArray[np.float32]], NDArray[np.floating]]
    ) -> Self | None:
        """Find them by trying values; ``squash`` turns raw rows (n, F) into what the first layer sees.

        Returns None where there are too many features.
        """
        features = len(inputs.centre)
        if features > _MOST_FEATURES:
            return None

        def scores(raw: Array) -> Array:
            squashed = np.asarray(squash(raw.astype(np.float32)), np.float64)
            return np.nan_to_num((squashed - inputs.centre) / inputs.spread)

        goal = np.tile(_GRID[:, None], (1, features))
        low, high = np.full(goal.shape, -1.0), np.full(goal.shape, 1.0)
        for _ in range(20):
            low = np.where(scores(low) > goal, 4 * low, low)
            high = np.where(scores(high) < goal, 4 * high, high)
        for _ in range(40):
            middle = (low + high) / 2
            below = scores(middle) < goal
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        raw = (low + high) / 2
        nodes = np.stack([np.interp(_NODES, _GRID, column) for column in raw.T])  # (F, nodes)
        rows = np.repeat(nodes.ravel()[:, None], features, axis=1)
        tried = scores(rows).reshape(features, len(_NODES), features)
        mean = np.einsum("jki,k->ij", tried, _WEIGHTS)
        square = np.einsum("jki,k->ij", np.square(tried), _WEIGHTS)
        low, zero, high = scores(np.array([[-_FAR], [0.0], [_FAR]]) * np.ones(features))
        return cls(
            raw, np.stack([low, high]), zero, mean, np.sqrt(np.maximum(square - np.square(mean), 0.0))
        )

    def moments(self, feature: int, values: Array) -> tuple[Array, Array]:
        """Return means and spreads of the scores of raw values (..., nodes)."""
        found = np.interp(values, self.raw[:, feature], _GRID)
        mean = found @ _WEIGHTS
        return mean, np.sqrt(np.maximum(np.square(found) @ _WEIGHTS - np.square(mean), 0.0))


def recognise(
    inputs: Inputs, means: Array, scales: FeatureScales | None, offset: Array | None = None
) -> Happened:
    """Say what happened to the inputs.

    ``means`` (2, F) are means of the features' standard scores and of their squares; ``offset`` (2, F)
    are those of a live baseline, which then is what is usual.
    """
    usual = np.stack([np.zeros_like(inputs.square), inputs.square]) if offset is None else offset
    mean, spread = _moments(means)
    usual_mean, usual_spread = _moments(usual)
    own = _cost(mean, spread, usual_mean, usual_spread)
    changed = np.flatnonzero(own > _CHANGED)
    constant = changed[(spread[changed] < _NO_SPREAD) & (usual_spread[changed] > 0.5)]
    if scales is not None:
        inside = np.abs(mean - scales.ends).min(axis=0) > _AT_THE_END
        # A field that is missing is often 0, even where no value is so small.
        constant = constant[(inside | (np.abs(mean - scales.zero) < _NO_SPREAD))[constant]]
    if len(constant) and len(constant) == len(changed) <= max(len(mean) // 2, 1):
        return Happened("constant", tuple(constant.tolist()))
    most = np.argsort(own)[::-1][:3]
    population = Happened("population", tuple(most.tolist()))
    if scales is None or not len(changed):
        return population
    return (
        _swapped(scales, mean, spread, own, changed)
        or _affine(scales, mean, spread, own, changed)
        or population
    )


def _swapped(
    scales: FeatureScales, mean: Array, spread: Array, own: Array, changed: NDArray[np.intp]
) -> Happened | None:
    """Whether the columns that changed have each other's values."""
    if len(changed) < 2:
        return None
    # Here and not above: scipy costs 28 MB, and most services never meet swapped columns.
    from scipy.optimize import linear_sum_assignment

    cost = _cost(
        mean[changed, None], spread[changed, None],
        scales.mean[np.ix_(changed, changed)], scales.spread[np.ix_(changed, changed)],
    )  # fmt: skip
    np.fill_diagonal(cost, own[changed])
    lines, columns = linear_sum_assignment(cost)
    if cost[lines, columns].sum() > _LEFT * own[changed].sum():
        return None
    pairs = [(int(changed[i]), int(changed[j])) for i, j in zip(lines, columns, strict=True) if i != j]
    if not pairs:
        return None
    kind: Kind = "swapped" if all((other, one) in pairs for one, other in pairs) else "shuffled"
    return Happened(kind, tuple(one for one, _ in pairs), tuple(pairs))


def _affine(
    scales: FeatureScales, mean: Array, spread: Array, own: Array, changed: NDArray[np.intp]
) -> Happened | None:
    """Whether columns are shifted or in other units: a few, or all of them far away."""
    few = len(changed) <= max(len(mean) // 4, 1)
    if not few and own[changed].mean() < 2.0:
        return None
    found = [_fit(scales, feature, mean[feature], spread[feature]) for feature in changed.tolist()]
    if not few:  # what has no spread left among many may be in other units as well
        found = [
            float("inf") if fit is None and spread[at] < _NO_SPREAD else fit
            for at, fit in zip(changed, found, strict=True)
        ]
    if found.count(None) > len(found) // 4:
        return None
    kinds = [fit for fit in found if fit is not None]
    rescaled = [factor for factor in kinds if factor != 1.0]
    kind: Kind = "rescaled" if 2 * len(rescaled) >= len(kinds) else "shifted"
    factor = float(np.median(rescaled)) if kind == "rescaled" else None
    factor = factor if factor is not None and np.isfinite(factor) else None
    return Happened(kind, tuple(changed.tolist()), factor=factor)


def _fit(scales: FeatureScales, feature: int, mean: float, spread: float) -> float | None:
    """The factor by which a column is rescaled, 1 for one that is shifted; None where neither fits."""
    if (np.abs(mean - scales.ends[:, feature]) < _AT_THE_END).any():
        return float("inf")  # so far out that only other units would explain it
    raw = scales.raw[:, feature]
    nodes = np.interp(_NODES, _GRID, raw)
    steps = np.subtract.outer(np.interp(_STEPS, _GRID, raw), nodes[len(nodes) // 2])
    steps = np.concatenate([steps, -steps])
    factors = _FACTORS[np.abs(np.log(_FACTORS)) > _NO_FACTOR]
    rescaled = _cost(mean, spread, *scales.moments(feature, factors[:, None] * nodes))
    shifted = _cost(mean, spread, *scales.moments(feature, steps[:, None] + nodes))
    if min(rescaled.min(), shifted.min()) > _FITS + 0.1 * abs(mean):
        return None
    return 1.0 if shifted.min() <= rescaled.min() else float(factors[rescaled.argmin()])


def _moments(means: Array) -> tuple[Array, Array]:
    return means[0], np.sqrt(np.maximum(means[1] - np.square(means[0]), 0.0))


def _cost(mean: Array | float, spread: Array | float, at: Array | float, width: Array | float) -> Array:
    """How far a distribution is from another: in the mean, and in the log of the spread."""
    result: Array = np.abs(np.subtract(mean, at)) + np.abs(np.log((spread + 0.05) / (width + 0.05)))
    return result
