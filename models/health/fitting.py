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
from models.health.inputs import Inputs, terms_of
from models.health.reference import (
    VARIANCE_OFFSET,
    Array,
    MemberReference,
    Reference,
    ranked,
    share_factors,
    whitening_of,
)
from models.health.rows.fitting import fit_row_bounds
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


def fit_reference(
    members: Sequence[MemberRows],
    squashed: NDArray[np.float32] | None,
    logits: NDArray[np.floating] | None = None,
) -> Reference:
    """Fit the reference; ``squashed`` (N, F) are all rows' features as the first layer sees them.

    Without them there is no reference for inputs. ``logits`` (N, M, T) are all rows' by all members,
    without which single rows have no bounds. Raises ``ValueError`` for fewer than two rows.
    """
    fewest = min(len(member.taps) for member in members)
    if fewest < 2:
        raise ValueError(f"fit_reference: a reference needs at least 2 rows of a member, not {fewest}")
    inputs = terms = of_inputs = None
    if squashed is not None:
        inputs, terms, of_inputs = _fit_inputs(squashed, fewest)
    fits = [_fit_member(member, None if terms is None else terms[member.rows]) for member in members]
    floor = np.tile([SPREAD_FLOOR] * 3, len(fits[0].record.mean))
    evidence = [fit.departures for fit in fits] + [fit.distances[:, None] for fit in fits]
    scores = [fit.distances for fit in fits]
    if inputs is not None and of_inputs is not None:
        evidence.append(of_inputs)
        own = of_inputs[:, -2:].max(axis=1) if inputs.has_beside else of_inputs[:, -1]
        scores = [np.maximum(fit.distances, own[m.rows]) for m, fit in zip(members, fits, strict=True)]
    return Reference(
        members=tuple(fit.record for fit in fits),
        centre=np.stack([fit.centre for fit in fits]),
        spread=np.stack([np.maximum(fit.spread, floor) for fit in fits]),
        whitening=np.stack([fit.whitening for fit in fits]),
        coefficients=np.concatenate([fit.coefficients for fit in fits], axis=1),
        scale=np.array([fit.scale for fit in fits]).T,
        scores=tuple(map(ranked, scores)),
        inputs=inputs,
        cumulants=np.concatenate([cumulants_of(columns) for columns in evidence]),
        rows=None
        if logits is None
        else fit_row_bounds([own.taps for own in members], [own.rows for own in members], logits),
    )


def comparable(taps: NDArray[np.floating]) -> Array:
    """Return taps of shape (..., 3) as mean, log-variance and saturated share, of the same shape."""
    statistics = taps.astype(np.float64)
    statistics[..., 1] = np.log(np.maximum(statistics[..., 1], 0.0) + VARIANCE_OFFSET)
    return statistics


def summary(taps: NDArray[np.floating]) -> MemberReference:
    """Return what people read of one member's taps (n, L, 3): moments of all units of all rows."""
    raw = taps.astype(np.float64)
    mean = raw.mean(axis=0)
    return MemberReference(
        mean=_rounded(mean[:, 0]),
        # Law of total variance: the spread within rows plus the spread of their means.
        variance=_rounded(mean[:, 1] + raw[..., 0].var(axis=0)),
        saturated=_rounded(mean[:, 2]),
        centre=_rounded(comparable(taps).mean(axis=0).ravel(), 9),
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """One member's arrays, and the evidence of its n rows from outside the fit.

    ``departures`` are of shape (n, 3L), ``distances`` (n,).
    """

    record: MemberReference
    centre: Array
    spread: Array
    whitening: Array
    coefficients: Array
    scale: tuple[float, float]
    departures: Array
    distances: Array


def _fit_member(member: MemberRows, terms: Array | None) -> _Fit:
    statistics = comparable(member.taps).reshape(len(member.taps), -1)
    centre = statistics.mean(axis=0)
    if terms is None:
        terms = np.ones((len(statistics), 1))
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
    return _Fit(
        record=summary(member.taps),
        centre=centre,
        spread=statistics.std(axis=0),
        whitening=whitening / unit,
        coefficients=coefficients / unit,
        scale=scale,
        departures=outside,
        distances=(logs - scale[0]) / scale[1],
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


def _fit_inputs(squashed: NDArray[np.float32], rows: int) -> tuple[Inputs, Array, Array]:
    """Fit the inputs' reference; ``rows`` of a member bound how many terms there are.

    Returns it with the rows' terms (N, terms) and columns of evidence (N, k + 2).
    """
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
    inputs = Inputs(
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
    known, columns = _judged(inputs, squashed)
    mean, unit = columns[:, -2:].mean(axis=0), columns[:, -2:].std(axis=0) + 1e-6
    columns[:, -2:] = (columns[:, -2:] - mean) / unit
    energy, scale = np.stack([mean, unit], axis=1)
    return replace(inputs, energy=energy, scale=scale), known, columns


def _judged(inputs: Inputs, squashed: NDArray[np.float32]) -> tuple[Array, Array]:
    """The rows' terms and columns of evidence, as a detector of these inputs alone makes them."""
    member = MemberReference(mean=[0.0], variance=[0.0], saturated=[0.0], centre=[0.0] * 3)
    detector = Detector(
        Reference(
            members=(member,),
            centre=np.zeros((1, 3)),
            spread=np.ones((1, 3)),
            whitening=np.eye(3)[None],
            coefficients=np.zeros((inputs.terms, 3)),
            scale=np.ones((2, 1)),
            scores=(np.zeros(1, np.float32),),
            inputs=inputs,
            cumulants=None,
        )
    )
    taps = np.zeros((len(squashed), 1, 1, 3), np.float32)
    _, judged = detector.judge(taps, squashed)
    terms = np.ones((len(squashed), inputs.terms))
    terms[:, 1:] = detector.known(taps, squashed)[:, 1 - inputs.terms :]
    columns = detector.statistics([judged])[detector.layout.directions.start :]
    return terms, columns.T.astype(np.float64)


def _rounded(values: Array, digits: int = 6) -> list[float]:
    """Return values at so many significant digits: the manifest is read by people too."""
    return [float(f"{value:.{digits}g}") for value in values]
