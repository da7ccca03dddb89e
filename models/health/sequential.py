"""A sequential detector of small lasting departures, with a declared rate of false alarms.

For each column of evidence, each direction and each of three rates, a wealth is multiplied for every
request by exp(rate * (x - delta) - cumulant), where x is the mean of the request's rows, each capped,
and the cumulant is the log of what exp(rate * row) is on average over reference rows. While rows are
shifted by at most ``DELTA`` a wealth does not grow on average; it is reset to 1 whenever it falls below,
which makes it an e-detector (Shin, Ramdas, Rinaldo 2023): the mean of all wealths exceeds A no sooner
than after A requests on average, whatever their number.

Rows may depend on each other within a request. The exponential is convex, so that exp(rate * x) is at
most the mean of exp(rate * row) over the request's rows, whose expectation is that of one row. Rows are
capped before the mean for this reason: the exponential of a capped mean is not convex. A shift s from 0
to delta is no news, since capped(row + s) is at most capped(row) + s. Requests must not depend on each
other beyond that; how often clusters, rhythms and pauses alarm is measured (``benchmark health``).

One budget is shared by all models.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: A departure no larger than this, in standard deviations of the reference rows, is none.
DELTA = 0.5

#: Requests between two false alarms, on average and at least, over all members, layers and models.
REQUESTS_PER_FALSE_ALARM = 1_000_000

#: A row's evidence counts as at most this many standard deviations: one row must not alarm.
CAP = 3.0

#: Suited to departures of about delta + rate.
RATES = np.array([0.2, 0.5, 1.0])

_SIGNS = np.array([1.0, -1.0])

#: Standard errors by which estimated moments may be off.
_SURE = 4.5


def capped(evidence: NDArray[Any]) -> NDArray[Any]:
    """Rows' evidence, about its centre, as the detector takes it."""
    within: NDArray[Any] = np.clip(evidence, -CAP, CAP)
    return within


def cumulants_of(rows: Array) -> Array:
    """Cumulants (columns, signs, rates) of reference rows (n, columns).

    Two standard errors are added, since n rows tell the average only so well.
    """
    values = capped(rows)
    result = np.empty((rows.shape[1], len(_SIGNS), len(RATES)))
    for s, sign in enumerate(_SIGNS):
        for r, rate in enumerate(RATES):
            growth = np.exp(sign * rate * values)
            error = growth.std(axis=0) / np.sqrt(len(growth))
            result[:, s, r] = np.log(growth.mean(axis=0) + 2 * error)
    return np.maximum(result, 0.0)


def cumulants_by_moments(variance: Array, requests: int) -> Array:
    """Return bounds of cumulants (columns, signs, rates) where only rows' moments are known.

    ``variance`` (columns,) is that of rows about their centre, estimated, like the centre, from so many
    ``requests``. A capped row y has |E y| <= variance / (4 * CAP) beside the centre's own error, as
    (t - CAP) <= t² / (4 * CAP); and exp(u) = 1 + u + u² * f(u) with f rising, so that E exp(rate * y)
    is at most 1 + rate * |E y| + E y² * (exp(rate * CAP) - 1 - rate * CAP) / CAP² (Bennett 1962). Where
    the variance is large, the chord of the exponential over [-CAP, CAP] is the better bound.
    """
    count = max(requests, 1)
    error = _SURE * np.sqrt(variance / count)
    # The variance is itself an estimate; of many requests it is off by a small part.
    square = np.minimum(variance * (1 + _SURE * np.sqrt(2 / count)) + np.square(error), CAP**2)
    mean = np.minimum(error + variance / (4 * CAP), CAP)
    heights = RATES * CAP
    bennett = RATES * mean[:, None] + square[:, None] * (np.expm1(heights) - heights) / CAP**2
    chord = np.cosh(heights) - 1 + np.sinh(heights) * mean[:, None] / CAP
    both_signs: Array = np.log1p(np.minimum(bennett, chord))[:, None, :]
    return np.repeat(both_signs, len(_SIGNS), axis=1)


@dataclass(slots=True)
class Sequential:
    """The running detector of one version of one model; ``models`` share the budget.

    ``log_wealth`` is of shape (columns, signs, rates).
    """

    cumulants: Array
    models: int = 1
    requests: int = 0
    log_wealth: Array = field(init=False)

    def __post_init__(self) -> None:
        """Begin with a wealth of 1 everywhere."""
        self.log_wealth = np.zeros_like(self.cumulants)

    @property
    def threshold(self) -> float:
        """The log of the mean wealth from which on it alarms."""
        return float(np.log(REQUESTS_PER_FALSE_ALARM * self.models))

    @property
    def level(self) -> float:
        """The log of the mean wealth."""
        highest = float(self.log_wealth.max())
        return highest + float(np.log(np.mean(np.exp(self.log_wealth - highest))))

    @property
    def loudest(self) -> int:
        """The number of the column with the largest wealth."""
        return int(self.log_wealth.max(axis=(1, 2)).argmax())

    def add(self, requests: int, total: Array) -> int | None:
        """Take in requests whose capped evidence sums to ``total`` (columns,).

        Returns the loudest column if that makes an alarm, after which it begins anew.
        """
        if requests < 1:
            return None
        self.requests += requests
        gain = _SIGNS[:, None] * RATES * total[:, None, None]
        gain -= requests * (DELTA * RATES + self.cumulants)
        # Reset first, then multiply: losses of requests long ago do not delay an alarm.
        self.log_wealth = np.maximum(self.log_wealth, 0.0) + gain
        if self.level < self.threshold:
            return None
        column = self.loudest
        self.log_wealth = np.zeros_like(self.cumulants)
        return column
