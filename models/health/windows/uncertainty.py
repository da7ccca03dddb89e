"""How far the means of windows may stray by chance, where rows of a request, or rows at all, are alike.

The unit of evidence is the request: rows of one request may be alike. A column's variance is split
into that within requests and the rest, which is between them, as in an analysis of variance; a request
of n rows then tells as much as n / (1 + (n - 1) * share between) of them. The variance counts as at
least the reference's, so that one request of alike rows, which has none within, is one piece of
evidence, not one without error. Rows that come again are no new evidence either.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.health.evidence import CELLS

Array = NDArray[np.float64]

#: Standard errors that an effect must exceed before it counts: with at most some hundreds of
#: statistics compared at once, 4.5 keeps chance alone below one alarm in a thousand windows.
MARGIN = 4.5

#: With fewer rows beyond one per request, the variance within requests is not known and counts as 0.
_FEWEST_WITHIN = 8

#: Where suffixes of traffic are looked at again and again, columns with less evidence than so many
#: pieces say nothing: chance alone could be behind whatever they show.
FEWEST_PIECES = 16

#: Fewer distinct rows than this are no population, whose mean could have shifted.
FEWEST_DISTINCT = 16

#: Earlier requests tell how unlike each other requests are from so many on, of two rows on average.
_FEWEST_BEFORE = 4
#: Fewer requests than this are one client's, however rare such clients are.
_FEWEST_ALIKE = 4
#: The share of the variance that is between requests where that cannot be told.
_UNKNOWN_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Evidence:
    """Sums of S windows over the E columns of evidence.

    ``counts`` (S, 3) are rows, requests and Σ of squared rows per request; ``total``, ``squared`` and
    ``within`` (S, E) and ``cells`` (S, CELLS) are as ``Sums`` has them.
    """

    counts: Array
    total: Array
    squared: Array
    within: Array
    cells: Array

    @property
    def rows(self) -> Array:
        """The number of rows (S, 1), at least 1."""
        return np.maximum(self.counts[:, :1], 1.0)

    @property
    def spread(self) -> Array:
        """The columns' variances (S, E) about their own means."""
        mean = self.total / self.rows
        return np.maximum(self.squared / self.rows - np.square(mean), 0.0)


@dataclass(frozen=True, slots=True)
class Errors:
    """Squared standard errors of windows' means (S, E).

    ``widened`` are those by which chance is judged; ``unit`` is the variance of a row, and ``counted``
    says which columns have evidence enough to be judged at all. ``careful`` (S, 1) says which windows
    are suffixes of traffic that went on before them.
    """

    plain: Array
    widened: Array
    unit: Array
    counted: NDArray[np.bool_]
    careful: NDArray[np.bool_]


def errors_of(windows: Evidence, before: Evidence | None = None, *, opening: bool = True) -> Errors:
    """Return the errors of windows.

    ``before`` are sums of what came before each of them, where they are suffixes of traffic that are
    looked at again and again. Requests that were unlike each other before are then expected to be so
    now, even if the few that a suffix has happen to be alike: a client that sends rows of one kind is no
    change of the traffic. And chance is judged by how many pieces of evidence there are. Where nothing
    came before a suffix, it is a window like others if that is because traffic has just begun
    (``opening``).
    """
    rows, squares = windows.rows, windows.counts[:, 2:]
    unit = np.maximum(windows.spread, 1.0)
    within = _within(windows, unit)
    between, first = unit - within, np.ones((len(rows), 1), bool)
    if before is not None:
        freedom = before.counts[:, :1] - before.counts[:, 1:2]
        first = (before.counts[:, :1] < 1) & opening
        known = (before.counts[:, 1:2] >= _FEWEST_BEFORE) & (2 * freedom >= before.counts[:, :1])
        spread = before.spread
        usual = np.where(known, spread - _within(before, spread), _UNKNOWN_SHARE * unit)
        between = np.where(first, between, np.maximum(between, usual))
        told, seen, by_kinds = _by_history(windows, before, between, usual)
        told = told & known & ~first
        seen = np.minimum(seen, unit)
        between, within = np.where(told, seen, between), np.where(told, unit - seen, within)
    shares = squares * between / np.square(rows), within / rows
    again = coincidence(windows)[:, None]
    same = unit * (again + (1 - again) / rows)
    plain = np.maximum(shares[0] + shares[1], same)
    few = distinct(windows)[:, None] < FEWEST_DISTINCT
    widened, counted = plain * np.where(few, widening(unit / same), 1.0), np.ones(plain.shape, bool)
    if before is not None:
        by_requests = shares[0] * widening(np.square(rows) / squares)
        by_requests = np.where(told, by_kinds, by_requests) + shares[1] * widening(rows)
        careful = np.maximum(by_requests, same * widening(unit / same))
        widened = np.where(first, widened, careful)
        counted = ~few & (first | (unit / plain >= FEWEST_PIECES))
    return Errors(plain, widened, unit, counted, ~first)


def _by_history(
    windows: Evidence, before: Evidence, between: Array, usual: Array
) -> tuple[NDArray[np.bool_], Array, Array]:
    """Where many earlier requests tell more than ``between``; the variance that they tell; its errors.

    Rows that spread less than the reference's may be those of one client, whose requests are alike. If
    many requests came before, they tell how rare such clients are: of N that differ from each other by
    a variance of ``usual``, no more than usual / d² (and chance: m / N) are of a kind that lies d off.
    It fills m requests with odds (usual / d² + m / N)^m, so that odds of exp(-MARGIN²) are a d² of
    usual / (exp(-MARGIN² / m) - m / N), if that is positive.
    """
    pieces = np.square(windows.rows) / windows.counts[:, 2:]
    requests = np.square(before.rows) / np.maximum(before.counts[:, 2:], 1.0)
    left = np.exp(-(MARGIN**2) / pieces) - pieces / requests
    seen = np.maximum(usual, windows.spread - _within(windows, windows.spread))
    errors = seen / np.maximum(left, 1e-12) / MARGIN**2
    told = (pieces >= _FEWEST_ALIKE) & (left > 0) & (errors < between / pieces * widening(pieces))
    return told, seen, errors


def distinct(windows: Evidence) -> Array:
    """Return as how many distinct rows (S,) each window's count, all equally often."""
    again, rows = coincidence(windows), windows.rows[:, 0]
    result: Array = 1 / (again + (1 - again) / rows)
    return result


def coincidence(windows: Evidence) -> Array:
    """Return the probability (S,) that two rows of a window are the same row.

    Rows that differ share one of the cells by chance, which is taken off.
    """
    rows = windows.rows[:, 0]
    pairs = np.maximum(rows * (rows - 1), 1.0)
    same = (np.square(windows.cells).sum(axis=1) - rows) / pairs
    by_chance = 1 / CELLS
    # Three standard deviations of what as many distinct rows would show.
    slack = 3 * np.sqrt(2 * by_chance / pairs)
    again: Array = np.clip((same - by_chance - slack) / (1 - by_chance), 0.0, 1.0)
    return again


def widening(pieces: Array) -> Array:
    """Return the factor of squared errors that keeps the margin's odds for so many pieces of evidence.

    A sum of few pieces is not normal. The worst that they do is to be all of one rare kind: a kind of
    probability p and deviation sqrt((1 - p) / p) fills m pieces with odds p^m, so that odds of
    exp(-MARGIN²) are a mean of sqrt(exp(MARGIN² / m) - 1), which for many pieces is MARGIN / sqrt(m).
    """
    exponent = np.clip(MARGIN**2 / np.maximum(pieces, 1.0), 1e-9, None)
    factor: Array = np.expm1(exponent) / exponent
    return factor


def _within(windows: Evidence, most: Array) -> Array:
    """The variance within requests (S, E), no more than ``most``."""
    freedom = windows.counts[:, :1] - windows.counts[:, 1:2]
    known = np.minimum(windows.within / np.maximum(freedom, 1.0), most)
    result: Array = np.where(freedom >= _FEWEST_WITHIN, known, 0.0)
    return result
