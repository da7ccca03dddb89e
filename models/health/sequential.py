"""A sequential detector of small lasting departures, with a declared rate of false alarms.

For each column of evidence, each direction and each of three rates, a wealth is multiplied for every
request by exp(rate * (x - delta) - cumulant), where x is the mean over the request's rows, capped, and
the cumulant is the log of what exp(rate * x) is on average over reference rows. While the column's mean
is within ``DELTA`` of the reference a wealth does not grow on average; it is reset to 1 whenever it
falls below, which makes it an e-detector (Shin, Ramdas, Rinaldo 2023): the mean of all wealths exceeds
A no sooner than after A requests on average, whatever their number, and however rows depend on each
other within a request, since the exponential is convex. One budget is shared by all models.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: A departure no larger than this, in standard deviations of the reference rows, is none.
DELTA = 0.5

#: Requests between two false alarms, on average and at least, over all members, layers and models.
REQUESTS_PER_FALSE_ALARM = 1_000_000

#: Evidence of one request counts as at most this many standard deviations: one row must not alarm.
CAP = 3.0

#: Suited to departures of about delta + rate.
RATES = np.array([0.2, 0.5, 1.0])

_SIGNS = np.array([1.0, -1.0])


def capped(evidence: Array) -> Array:
    """Requests' mean evidence as the detector takes it."""
    return np.clip(evidence, -CAP, CAP)


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
