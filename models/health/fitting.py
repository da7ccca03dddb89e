"""Fit the reference to rows that each member never learned from.

Everything that a row's score rests on is fitted five times without a fifth of the member's rows, which
is then scored, so that scores and bounds are those of rows outside the fit; the arrays that serve are
fitted to all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector
from models.health.moments import Moments
from models.health.reference import (
    VARIANCE_OFFSET,
    Array,
    Inputs,
    MemberReference,
    Reference,
    comparable,
    share_factors,
    shifted,
    terms_of,
    whitening_of,
)
from models.health.sequential import cumulants_of

#: Floor under the spread of a layer statistic: one that hardly varies among the reference rows must
#: not turn float32 rounding into an alarm.
SPREAD_FLOOR = 1e-3

#: Weight of the diagonal in the covariance of a member's departures: keeps it well conditioned where
#: neighbouring layers are almost collinear.
SHRINKAGE = 0.05

#: Leading directions of the inputs, and how many of them have their products taken, at most. Taken
#: from the first trial as they were; other numbers have not been tried.
DIRECTIONS, CROSSES = 32, 8

#: Reference rows for each term that predicts the layers.
ROWS_PER_TERM = 10

_PARTS = 5
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class MemberRows:
    """One member's taps (n, L, 3) of rows that it never learned, and those rows' numbers."""

    taps: NDArray[np.floating]
    rows: NDArray[np.intp]


def fit_reference(members: Sequence[MemberRows], squashed: NDArray[np.float32] | None) -> Reference:
    """Fit the reference; ``squashed`` (N, F) are all rows' features as the first layer sees them.

    Without them there is no reference for inputs. Raises ``ValueError`` for fewer than two rows.
    """
    fewest = min(len(member.taps) for member in members)
    if fewest < 2:
        raise ValueError(f"fit_reference: a reference needs at least 2 rows of a member, not {fewest}")
    inputs = None if squashed is None else _fit_inputs(squashed, fewest)
    fitted = [_fit_member(member, squashed, inputs) for member in members]
    columns = [fit.columns for fit in fitted]
    if inputs is not None and squashed is not None:
        inputs = _scaled(inputs, squashed)
        columns.append(_input_columns(inputs, squashed))
    floor = np.concatenate([[SPREAD_FLOOR] * 3] * fitted[0].record_layers)
    made = Reference(
        members=tuple(fit.record for fit in fitted),
        centre=np.stack([fit.centre for fit in fitted]),
        spread=np.stack([np.maximum(fit.spread, floor) for fit in fitted]),
        whitening=np.stack([fit.whitening for fit in fitted]),
        coefficients=np.concatenate([fit.coefficients for fit in fitted], axis=1),
        scale=np.array([[fit.scale[0] for fit in fitted], [fit.scale[1] for fit in fitted]]),
        scores=tuple(np.zeros(1, np.float32) for _ in fitted),
        inputs=inputs,
        cumulants=None,
    )
    scores = []
    for member, fit in zip(members, fitted, strict=True):
        score = fit.columns[:, -1]
        if inputs is not None and squashed is not None:
            detector, own = _judged_inputs(inputs, squashed[member.rows])
            score = np.maximum(score, detector.input_score(own))
        scores.append(np.sort(shifted(score)).astype(np.float32))
    return replace(made, scores=tuple(scores), cumulants=_cumulants(columns, inputs is not None))


def summary(taps: NDArray[np.floating]) -> MemberReference:
    """What people read of one member's taps (n, L, 3): moments of all units of all rows pooled."""
    raw = Moments.of(taps)
    centre = comparable(taps).mean(axis=0).ravel()
    return MemberReference(
        mean=_rounded(raw.mean[:, 0]),
        # Law of total variance: the spread within rows plus the spread of their means.
        variance=_rounded(raw.mean[:, 1] + raw.variance[:, 0]),
        saturated=_rounded(raw.mean[:, 2]),
        centre=_rounded(centre, 9),
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """One member's arrays, and the columns (n, 3L + 1) of its rows' evidence from outside the fit."""

    record: MemberReference
    centre: Array
    spread: Array
    whitening: Array
    coefficients: Array
    scale: tuple[float, float]
    columns: Array

    @property
    def record_layers(self) -> int:
        return len(self.record.mean)


def _fit_member(member: MemberRows, squashed: NDArray[np.float32] | None, inputs: Inputs | None) -> _Fit:
    statistics = comparable(member.taps).reshape(len(member.taps), -1)
    centre, terms = statistics.mean(axis=0), np.ones((len(statistics), 1))
    if inputs is not None and squashed is not None:
        terms = _terms(inputs, squashed[member.rows])
    parts = np.random.default_rng(0).permutation(len(statistics)) % min(_PARTS, len(statistics))
    outside = np.empty_like(statistics)
    for part in np.unique(parts):
        left = parts == part
        rest = ~left if (~left).sum() > 1 else np.ones_like(left)
        whitening, coefficients = _regress(statistics[rest] - centre, terms[rest])
        outside[left] = (statistics[left] - centre) @ whitening - terms[left] @ coefficients
    whitening, coefficients = _regress(statistics - centre, terms)
    # A departure's unit is that of rows outside the fit.
    unit = np.maximum(outside.std(axis=0), 1e-3)
    unit /= share_factors(whitening / unit)
    outside /= unit
    logs = np.log1p(np.square(outside).sum(axis=1))
    scale = float(logs.mean()), float(logs.std()) + 1e-6
    columns = np.concatenate([outside, ((logs - scale[0]) / scale[1])[:, None]], axis=1)
    return _Fit(
        summary(member.taps),
        centre,
        statistics.std(axis=0),
        whitening / unit,
        coefficients / unit,
        scale,
        columns,
    )


def _regress(centred: Array, terms: Array) -> tuple[Array, Array]:
    """Return the whitening of what the terms leave over, and the terms' whitened coefficients."""
    rows, size = centred.shape
    penalty = np.full(terms.shape[1], _RIDGE * rows)
    penalty[0] = 0.0
    coefficients = np.linalg.solve(terms.T @ terms + np.diag(penalty), terms.T @ centred)
    left = centred - terms @ coefficients
    covariance = left.T @ left / max(rows - terms.shape[1], 1)
    spread = np.maximum(np.diag(covariance), (1e-2 * SPREAD_FLOOR) ** 2)
    # With few rows the off-diagonal is mostly chance.
    shrinkage = max(SHRINKAGE, size / (size + rows))
    covariance = (1 - shrinkage) * covariance
    np.fill_diagonal(covariance, spread)
    whitening = whitening_of(covariance)
    return whitening, coefficients @ whitening


def _fit_inputs(squashed: NDArray[np.float32], rows: int) -> Inputs:
    """Fit centre, spreads and directions; ``rows`` of a member bound how many terms there are."""
    features = squashed.shape[1]
    centre = squashed.mean(axis=0, dtype=np.float64)
    centred = squashed - centre
    spread = centred.std(axis=0)
    spread = np.maximum(spread, 1e-3 * float(spread.max()) + 1e-9)
    square = np.square(centred / spread)
    covariance = centred.T @ centred / len(centred)
    values, vectors = np.linalg.eigh(covariance)
    sound = int((values > 1e-7 * max(values[-1], 1e-30)).sum())
    terms = max(rows // ROWS_PER_TERM, 1)
    directions = min(DIRECTIONS, features, sound, max(terms - 1, 1))
    crosses = min(CROSSES, directions)
    while crosses and terms_of(directions, crosses) > terms:
        crosses -= 1
    weights = values[::-1][:directions].copy()
    return Inputs(
        centre=centre.astype(np.float32),
        spread=spread,
        square=square.mean(axis=0),
        square_spread=square.std(axis=0),
        projection=(vectors[:, ::-1][:, :directions] / np.sqrt(weights)).astype(np.float32),
        weights=weights,
        energy=np.array([0.0, 1.0]),
        scale=np.array([0.0, 1.0]),
        crosses=crosses,
    ).floored()


def _scaled(inputs: Inputs, squashed: NDArray[np.float32]) -> Inputs:
    """Bring both single columns into standard deviations of the rows."""
    raw = _input_columns(inputs, squashed)[:, -2:]
    mean, spread = raw.mean(axis=0), raw.std(axis=0) + 1e-6
    return replace(inputs, energy=np.array([mean[0], spread[0]]), scale=np.array([mean[1], spread[1]]))


def _input_columns(inputs: Inputs, squashed: NDArray[np.float32]) -> Array:
    """The inputs' columns (n, k + 2), as the detector makes them."""
    detector, out = _judged_inputs(inputs, squashed)
    return out[:, detector.layout.directions.start :]


def _judged_inputs(inputs: Inputs, squashed: NDArray[np.float32]) -> tuple[Detector, Array]:
    """A detector of inputs alone, and its statistics of the rows."""
    detector = _blank(inputs)
    out = np.zeros((len(squashed), detector.layout.width))
    detector.judge_inputs(squashed - inputs.centre, out)
    return detector, out


def _terms(inputs: Inputs, squashed: NDArray[np.float32]) -> Array:
    detector = _blank(inputs)
    scores = ((squashed - inputs.centre) @ inputs.projection).astype(np.float64)
    return detector.terms(scores)


def _blank(inputs: Inputs) -> Detector:
    """A detector of inputs alone."""
    one, zero = np.ones((1, 3)), np.zeros(1, np.float32)
    member = MemberReference(mean=[0.0], variance=[VARIANCE_OFFSET], saturated=[0.0], centre=[0.0] * 3)
    terms = terms_of(inputs.directions, inputs.crosses)
    reference = Reference(
        members=(member,),
        centre=0 * one,
        spread=one,
        whitening=np.eye(3)[None],
        coefficients=np.zeros((terms, 3)),
        scale=np.ones((2, 1)),
        scores=(zero,),
        inputs=inputs,
        cumulants=None,
    )
    return Detector.of(reference)


def _cumulants(columns: list[Array], inputs: bool) -> Array:
    """Bounds by column in the layout's order: departures, distances, inputs."""
    members = columns[:-1] if inputs else columns
    ordered = [cumulants_of(one[:, :-1]) for one in members]
    ordered += [cumulants_of(one[:, -1:]) for one in members]
    if inputs:
        ordered.append(cumulants_of(columns[-1]))
    return np.concatenate(ordered)


def _rounded(values: Array, digits: int = 6) -> list[float]:
    """Return values at so many significant digits: the manifest is read by people too."""
    return [float(f"{value:.{digits}g}") for value in values]
