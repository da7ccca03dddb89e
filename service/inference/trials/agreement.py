"""How far two versions agree on the same rows, in sums that add up over workers.

Nobody has the labels of live traffic, so that the two are not told apart by how right they are. What can
be told is whether they answer alike: a network that learned nothing, or another task, does not. The
figure is Lin's concordance of their logits (Lin 1989, "A concordance correlation coefficient to
evaluate reproducibility", Biometrics 45): 1 where they are equal, and less where one is spread, shifted
or ordered otherwise. Its interval is one-sided at 95 %, as those of the promotion gate, by a jackknife
over groups of requests: rows of one request are alike.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

#: Requests are dealt out to so many groups in turn.
GROUPS = 64
#: Logits beyond this are certain either way: a difference there is none.
_MOST_LOGIT = 12.0
#: One-sided 95 %, as in the gate.
_CONFIDENCE = 1.6449
#: Rows and requests from which an agreement is judged.
FEWEST_ROWS, FEWEST_REQUESTS = 128, 8
#: Versions whose concordance is shown to be below this answer otherwise. Two versions of HTRU2, trained
#: anew from other recipes, have .999.
AGREES = 0.5

Array = NDArray[np.float64]


class Agreement(msgspec.Struct):
    """Sums over the rows that both versions have computed, of T targets.

    ``moments`` (GROUPS, T, 6) holds n, Σx, Σy, Σx², Σy² and Σxy of the logits, x the champion's.
    ``gaps`` (T,) sums the absolute differences of probability, ``largest`` (T,) has the largest, and
    ``called`` (T,) counts the rows that only one of them calls. Of quantities the logits are values in
    standard deviations, the probabilities values in their units, and nothing is called. ``seconds`` are
    those of processor that the champion and the challenger took for them.
    """

    moments: Array
    gaps: Array
    largest: Array
    called: Array
    rows: int = 0
    requests: int = 0
    #: Rows that the service had no time to compute twice.
    shed: int = 0
    #: Rows for which the challenger gave no finite number, and runs of it that failed.
    not_finite: int = 0
    failed: int = 0
    seconds: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of_none(cls, targets: int) -> Self:
        """Return the sums over no row."""
        return cls(
            np.zeros((GROUPS, targets, 6)), np.zeros(targets), np.zeros(targets), np.zeros(targets)
        )

    def plus(self, other: "Agreement") -> "Agreement":
        """Return the sums over the rows of both."""
        return Agreement(
            self.moments + other.moments,
            self.gaps + other.gaps,
            np.maximum(self.largest, other.largest),
            self.called + other.called,
            self.rows + other.rows,
            self.requests + other.requests,
            self.shed + other.shed,
            self.not_finite + other.not_finite,
            self.failed + other.failed,
            (self.seconds[0] + other.seconds[0], self.seconds[1] + other.seconds[1]),
        )

    def add(
        self,
        logits: tuple[NDArray[np.floating], NDArray[np.floating]],
        probabilities: tuple[NDArray[np.floating], NDArray[np.floating]],
        calls: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        requests: NDArray[np.intp],
    ) -> None:
        """Take in rows: logits, probabilities and calls (n, T) of both, the champion's first.

        ``requests`` (n,) tells the rows of one request from those of another, counted from 0.
        """
        finite = np.isfinite(logits[1]).all(axis=1) & np.isfinite(probabilities[1]).all(axis=1)
        self.not_finite += int((~finite).sum())
        x, y = (
            np.clip(np.asarray(each, np.float64)[finite], -_MOST_LOGIT, _MOST_LOGIT) for each in logits
        )
        powers = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)
        np.add.at(self.moments, (self.requests + requests[finite]) % GROUPS, powers)
        gaps = np.abs(np.asarray(probabilities[0], np.float64) - probabilities[1])[finite]
        self.gaps = self.gaps + gaps.sum(axis=0)
        self.largest = np.maximum(self.largest, gaps.max(axis=0, initial=0.0))
        self.called = self.called + (calls[0] != calls[1])[finite].sum(axis=0)
        self.rows += len(requests)
        self.requests += int(requests.max(initial=-1)) + 1

    def concordance(self) -> "Concordance | None":
        """Return the mean over the targets, and its interval; None with too few rows."""
        if self.rows < FEWEST_ROWS or self.requests < FEWEST_REQUESTS:
            return None
        used = self.moments[self.moments[:, 0, 0] > 0]
        if len(used) < 2:
            return None
        total = used.sum(axis=0)
        value = float(_concordance(total).mean())
        left_out = _concordance(total - used).mean(axis=1)
        count = len(used)
        error = sqrt((count - 1) / count * float(np.square(left_out - left_out.mean()).sum()))
        return Concordance(
            value, max(value - _CONFIDENCE * error, -1.0), min(value + _CONFIDENCE * error, 1.0)
        )


@dataclass(frozen=True, slots=True)
class Concordance:
    """The mean concordance over the targets; ``low`` and ``high`` each with 95 % confidence."""

    value: float
    low: float
    high: float


def _concordance(moments: Array) -> Array:
    """Return the coefficient (…, T) of moments (…, T, 6); 1 where both are one same number."""
    count = np.maximum(moments[..., 0], 1.0)
    x, y, xx, yy, xy = (moments[..., column] / count for column in range(1, 6))
    spread = (xx - x * x) + (yy - y * y) + np.square(x - y)
    flat = spread < 1e-9
    return np.asarray(np.where(flat, 1.0, 2 * (xy - x * y) / np.where(flat, 1.0, spread)))
