"""Conformal p-values: the rank of a row's score among scores of rows that no member learned from."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

#: More scores than this are looked up in their order: sorting them costs less than the processor
#: loses by mispredicting the steps of every search.
_FEW = 256


@dataclass(frozen=True, slots=True)
class Ranks:
    """Every member's sorted scores in one sorted array, so that one search ranks a whole batch.

    A key is the member's number above the bits of the score as float32, which order as the numbers
    do, since none is negative. Keys are whole numbers, so that each score makes two edges, itself and
    the next number, between which all scores have the same ranks: the tails are looked up.
    """

    edges: NDArray[np.int64]
    tails: NDArray[np.float64]  # after so many edges, twice a member's part in both averaged tails
    member_bits: NDArray[np.int64]  # (members, 1)
    #: The edges of a single member, and the p-values after them; None for several members.
    alone: tuple[NDArray[np.int32], NDArray[np.float64]] | None
    #: Averages of rows of the data, sorted, and the p-values of averages before, between and after them.
    averaged: tuple[NDArray[np.float32], NDArray[np.float64]] | None
    #: For a single row: each member's edges as scores, how many edges come before them, and averages.
    members: list[tuple[Sequence[float], int]]
    averages: Sequence[float] | None

    @classmethod
    def of(
        cls, scores: Sequence[NDArray[np.floating]], averaged: NDArray[np.float32] | None = None
    ) -> Self:
        """Prepare each member's sorted scores, none of them negative, and sorted averages of rows."""
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
        alone = None
        if members == 1:
            alone = edges[0].astype(np.int32), np.minimum(np.concatenate(tails).min(axis=1), 1.0)
        known = None
        if averaged is not None and members > 1:
            # A row's own average counts, so that n of them give p-values from 1 / (n + 1) on.
            known = averaged, np.arange(1, len(averaged) + 2) / (len(averaged) + 1)
        starts = np.cumsum([0, *map(len, edges)])
        single = [
            (_plain((own - bits).astype(np.int32).view(np.float32)), int(start))
            for own, bits, start in zip(edges, member_bits, starts, strict=False)
        ]
        return cls(
            members=single,
            averages=None if known is None else _plain(known[0]),
            alone=alone,
            averaged=known,
            edges=np.concatenate(edges),
            tails=np.ascontiguousarray(np.concatenate(tails)),
            member_bits=member_bits[:, None],
        )

    def p_value(self, scores: Sequence[float]) -> float:
        """The p-value of one row's scores by member, which are numbers: what ``p_values`` gives."""
        above = below = 0.0
        tail = self.tails.item
        for (edges, start), score in zip(self.members, scores, strict=True):
            place = start + bisect_right(edges, score)
            above, below = above + tail(place, 0), below + tail(place, 1)
        average = min(above, below, 1.0)
        if self.averages is None or self.averaged is None:
            return average
        place = bisect_right(self.averages, float(np.float32(average)))
        return float(self.averaged[1].item(place))

    def p_values(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Two-sided p-values (rows,) of scores (members, rows).

        Cross-conformal prediction (Vovk 2015): a score may be too small as well as too large, so the
        smaller tail counts twice, and the members' tails are averaged. One member's are p-values, with
        the floor 2 / (n + 1). Averages of several are too seldom small: they are ranked among those of
        rows of the data, where these are known, with the floor 1 / (n + 1). Ties make p-values larger.
        """
        bits = _bits(scores)
        if self.alone is not None:
            own, tails = self.alone
            single: NDArray[np.float64] = tails.take(own.searchsorted(bits[0], "right"))
            return single
        keys = bits + self.member_bits
        if keys.size <= _FEW:
            places = self.edges.searchsorted(keys, "right")
        else:
            flat = keys.ravel()
            order = flat.argsort()
            unsorted = np.empty_like(flat)
            unsorted[order] = self.edges.searchsorted(flat[order], "right")
            places = unsorted.reshape(keys.shape)
        both = np.add.reduce(self.tails.take(places, axis=0), axis=0)
        smaller = np.minimum(both[:, 0], both[:, 1])
        average: NDArray[np.float64] = np.minimum(smaller, 1.0, out=smaller)
        if self.averaged is None:
            return average
        known, p_values = self.averaged
        ranked: NDArray[np.float64] = p_values.take(
            known.searchsorted(average.astype(np.float32), "right")
        )
        return ranked


def _plain(values: NDArray[np.float32]) -> Sequence[float]:
    """The same numbers, to be looked at one by one."""
    return array("f", values.tobytes())


def _bits(values: NDArray[np.floating]) -> NDArray[np.int32]:
    """Bits, as float32, of numbers that are not negative, infinity among them."""
    return np.asarray(values, np.float32).view(np.int32)
