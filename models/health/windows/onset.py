"""Since when traffic has moved: every suffix of it is judged, from the latest requests back.

A fault begins in the midst of good traffic. A window that holds both is no evidence of either: its mean
lies between, and its requests are unlike each other. So traffic is summed up from each of some thirty
points on to now, and each of these suffixes is judged as a window that holds nothing else.

False alarms have an account of their own. That many suffixes are looked at after every request is paid
for by what ``uncertainty`` asks of few pieces of evidence, and by the cut-off of half a standard
deviation beyond the margin. ``benchmark health`` counts what is left.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import DEGRADED_AT, UNHEALTHY_AT, Effects
from models.health.layout import Layout
from models.health.reference import Reference
from models.health.windows.shifts import Moved, moved
from models.health.windows.uncertainty import Evidence

Array = NDArray[np.float64]

#: Fewer rows than this give no verdict.
FEWEST_ROWS = 64


@dataclass(frozen=True, slots=True)
class Traffic:
    """Sums of B blocks of traffic, the oldest first, and the centre that they are judged by.

    ``features`` (B, 2, F) sum the features' standard scores, and their squares, over each block's rows;
    None where there are none. ``offset`` (E,) and ``feature_offset`` (2, F) are a baseline's means.
    """

    reference: Reference
    layout: Layout
    blocks: Evidence
    features: Array | None
    offset: Array | None = None
    feature_offset: Array | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some of the traffic, by the numbers of its blocks: ``end`` is the first that is not in it."""

    begin: int
    end: int
    effects: Effects


@dataclass(frozen=True, slots=True)
class Scan:
    """What the suffixes of traffic show.

    ``now`` tells how traffic is now: since it moved or, where it has not, since the last change.
    ``past`` had moved, and is over. ``steady`` says that traffic now is surely where it was.
    """

    now: Stretch
    past: Stretch | None
    steady: bool

    @property
    def has_moved(self) -> bool:
        """Whether traffic has moved now."""
        return self.now.effects.largest >= DEGRADED_AT


def scan(traffic: Traffic) -> Scan | None:
    """Judge the suffixes of traffic; None with too few rows for a verdict."""
    begin, past = 0, None  # suffixes that reach back beyond ``begin`` hold a change
    while True:
        suffixes = _Stretches.until(traffic, begin, len(traffic.blocks.counts))
        if suffixes is None:
            return None
        every = suffixes.moved(traffic, scanning=True)
        sure = every.sure.max(axis=1)
        worst = int(sure.argmax())
        if sure[worst] < DEGRADED_AT:
            now, steady = (
                suffixes.stretch(every, 0),
                bool((every.effect + every.margin)[0].max() < DEGRADED_AT),
            )
            return Scan(now, past, steady)
        over = _over(suffixes.moved(traffic, scanning=False), every, worst)
        if over is None:
            level = UNHEALTHY_AT if sure[worst] >= UNHEALTHY_AT else DEGRADED_AT
            return Scan(
                suffixes.stretch(every, suffixes.since(every, sure >= level)), past, steady=False
            )
        past = _ended(traffic, suffixes, every, over) or past
        begin = int(suffixes.begins[over[0]])


def _over(alone: Moved, every: Moved, worst: int) -> NDArray[np.intp] | None:
    """The suffixes that show that a change is over, the longest first; None if none does.

    By themselves they have not moved, and in each respect that had, they surely moved less.
    """
    had = every.sure[worst] >= DEGRADED_AT
    less = (alone.effect + alone.margin < every.sure[worst])[:, had].all(axis=1)
    fine = less & (alone.sure.max(axis=1) < DEGRADED_AT) & (np.arange(len(less)) > worst)
    found = np.flatnonzero(fine)
    return found if len(found) else None


def _ended(
    traffic: Traffic, suffixes: "_Stretches", every: Moved, over: NDArray[np.intp]
) -> Stretch | None:
    """The stretch that had moved before ``over``: from where it tells most to where it does."""
    first = int(suffixes.begins[suffixes.since(every, np.arange(len(suffixes.begins)) < over[0])])
    best = None
    for end in suffixes.begins[over].tolist():
        stretches = _Stretches.until(traffic, first, end, fewest=1)
        if stretches is None:
            continue
        own = stretches.moved(traffic, scanning=False)
        weight = float(stretches.weights(own)[0])
        if best is None or weight > best[0]:
            best = weight, stretches.stretch(own, 0)
    return None if best is None else best[1]


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Stretches from each of ``begins`` to ``end``, with what came before each since ``first``."""

    begins: NDArray[np.intp]
    end: int
    sums: Evidence
    before: Evidence
    features: Array | None

    @classmethod
    def until(
        cls, traffic: Traffic, first: int, end: int, fewest: int = FEWEST_ROWS
    ) -> "_Stretches | None":
        """All stretches since ``first`` that have rows enough, the longest first; None for none."""
        blocks = traffic.blocks
        parts = [blocks.counts, blocks.total, blocks.squared, blocks.within, blocks.cells]
        totals = [np.cumsum(part[first:end][::-1], axis=0)[::-1] for part in parts]
        full = np.flatnonzero(totals[0][:, 0] >= fewest)
        if not len(full):
            return None
        features = None
        if traffic.features is not None:
            features = np.cumsum(traffic.features[first:end][::-1], axis=0)[::-1][full]
            features = features / np.maximum(totals[0][full, 0], 1.0)[:, None, None]
        sums = Evidence(*(total[full] for total in totals))
        before = Evidence(*(total[:1] - total[full] for total in totals))
        return cls(full + first, end, sums, before, features)

    def moved(self, traffic: Traffic, *, scanning: bool) -> Moved:
        """How far each has moved; ``scanning`` asks of it what is asked of one of many suffixes."""
        return moved(
            traffic.reference,
            traffic.layout,
            self.sums,
            self.features,
            traffic.offset,
            traffic.feature_offset,
            self.before if scanning else None,
        )

    def weights(self, every: Moved) -> Array:
        """How much each tells of a change: the more of its rows it has, and the fewer others."""
        weights: Array = np.square(every.effect).max(axis=1) * self.sums.counts[:, 0]
        return weights

    def since(self, every: Moved, among: NDArray[np.bool_]) -> int:
        """The number of the stretch that tells most, ``among`` some."""
        return int(np.where(among, self.weights(every), -1.0).argmax())

    def stretch(self, every: Moved, number: int) -> Stretch:
        """One of them."""
        return Stretch(int(self.begins[number]), self.end, every.effects(number))
