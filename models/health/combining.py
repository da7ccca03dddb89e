"""Fit what averaged p-values are ranked among, so that those of new rows are uniform.

A member's rank of a row that it never learned is uniform. The average of several members' ranks is not:
it gathers about a half, so that small averages are rarer than they say. What they are worth is seen on
rows of the data, asked as a new row is asked: of all members, by a reference that was fitted without
them. That most members learned such a row moves its activations too little to be seen.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import Reference

#: Rows that are asked, at most; of more, some. Their reference need not leave them out: one row of so
#: many hardly moves it.
MOST_ROWS = 20_000

_PARTS = 5


def asked_rows(rows: int) -> NDArray[np.intp]:
    """The numbers of the rows of the data, ``rows`` in all, whose averaged p-values are taken."""
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_ROWS])


def combined(
    reference: Reference,
    members: Sequence[MemberRows],
    squashed: NDArray[np.float32],
    taps: NDArray[np.floating],
) -> Reference:
    """Return the reference with the averaged p-values of rows of the data; of one member as it is.

    ``members`` and ``squashed`` ``(N, F)`` are those that it was fitted to; ``taps`` ``(k, M, L, 3)``
    are all members', of the rows that ``asked_rows(N)`` names.
    """
    if len(members) == 1:
        return reference
    if len(taps) < len(squashed):
        averaged = _averaged(reference, taps, squashed[asked_rows(len(squashed))])
    else:
        averaged = np.empty(len(taps))
        parts = np.random.default_rng(0).permutation(len(taps)) % _PARTS
        for part in range(_PARTS):
            kept = parts != part
            places = np.cumsum(kept) - 1
            rest = [
                MemberRows(member.taps[kept[member.rows]], places[member.rows[kept[member.rows]]])
                for member in members
            ]
            own = fit_reference(rest, squashed[kept])
            averaged[~kept] = _averaged(own, taps[~kept], squashed[~kept])
    return replace(reference, averaged=np.sort(averaged).astype(np.float32))


def _averaged(
    reference: Reference, taps: NDArray[np.floating], squashed: NDArray[np.float32]
) -> NDArray[np.float64]:
    return Detector(replace(reference, averaged=None)).judge(taps, squashed)[0]
