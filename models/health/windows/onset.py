"""Since when traffic has moved: every suffix of it is judged, from the latest requests back.

A fault begins in the midst of good traffic. A window that holds both is no evidence of either: its mean
lies between, and its requests are unlike each other. So traffic is summed up from each of some thirty
points on to now, and each of these suffixes is judged as a window that holds nothing else.

False alarms have an account of their own. That many suffixes are looked at after every request is paid
for by what ``uncertainty`` asks of few pieces of evidence, and by the cut-off of half a standard
deviation beyond the margin. ``benchmark health`` counts what is left.
"""

from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import DEGRADED_AT, UNHEALTHY_AT, Effects
from models.health.layout import Layout
from models.health.reference import Reference
from models.health.windows.shifts import Moved, moved, moved_less
from models.health.windows.uncertainty import Evidence

Array = NDArray[np.float64]

#: Fewer rows than this give no verdict.
FEWEST_ROWS = 64

#: Two estimates of a change's begin are of the same one if they differ by no more of the time since.
_SAME_BEGIN = 0.35


@dataclass(frozen=True, slots=True)
class Traffic:
    """Sums of B blocks of traffic, the oldest first, and the centre that they are judged by.

    ``times`` (B, 2) are when the first and the last request of each came. ``features`` (B, 2, F) sum the
    features' standard scores, and their squares, over each block's rows; None where there are none.
    ``offset`` (E,) and ``feature_offset`` (2, F) are a baseline's means.
    """

    reference: Reference
    layout: Layout
    times: Array
    blocks: Evidence
    features: Array | None
    offset: Array | None = None
    feature_offset: Array | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What earlier looks have found, by the times of requests.

    Traffic had moved from ``began`` to ``ended``, as of the last look at it, by ``effect`` standard
    deviations and a ``margin`` that chance may have added, over so many rows and requests; ``over`` says
    that this is past. Traffic up to ``since`` is judged no more: it was over before.
    """

    began: float | None = None
    ended: float = -inf
    over: bool = False
    since: float = -inf
    rows: int = 0
    requests: int = 0
    effect: float = 0.0
    margin: float = 0.0


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
    ``steady`` says that it is surely where it was. ``remembered`` has the change that lasts, or else the
    latest that is over.
    """

    now: Stretch
    steady: bool
    remembered: Remembered

    @property
    def has_moved(self) -> bool:
        """Whether traffic has moved now."""
        return self.now.effects.largest >= DEGRADED_AT


def scan(traffic: Traffic, remembered: Remembered | None = None) -> Scan | None:
    """Judge the suffixes of traffic; None with too few rows for a verdict.

    ``remembered`` is what the look before this one returned. What had moved then has moved until
    traffic shows that it is over, even where the suffixes mix it with what came after it.
    """
    known, end = remembered or Remembered(), len(traffic.blocks.counts)
    while True:
        begin = int(np.searchsorted(traffic.times[:, 0], known.since, "right"))
        suffixes = _Stretches.until(traffic, begin, end, opening=known.since == -inf)
        if suffixes is None and known.since > -inf:  # what came after it is gone, as with its worker
            known = Remembered()
            continue
        if suffixes is None:
            return None
        every = suffixes.moved(traffic, scanning=True)
        sure = every.sure.max(axis=1)
        worst = int(sure.argmax())
        if sure[worst] >= DEGRADED_AT:
            over = _over(suffixes.moved(traffic, scanning=False), every, worst)
            over = over[over > worst]
            if not len(over):
                level = UNHEALTHY_AT if sure[worst] >= UNHEALTHY_AT else DEGRADED_AT
                now = suffixes.stretch(every, suffixes.since(every, sure >= level))
                return Scan(now, False, _noted(traffic, known, now))
            known = _noted(traffic, Remembered(), _ended(traffic, suffixes, every, over))
            known = replace(known, over=True, since=known.ended)
            continue
        if known.began is not None and not known.over:
            held = _between(traffic, known)
            if held is not None:
                after = _Stretches.until(traffic, held[0].end, end)
                if after is None or not len(_over(after.moved(traffic, scanning=False), held[1], 0)):
                    return Scan(held[0], False, known)
            # It is over, or too far back to be told from what came after it.
            later = traffic.blocks.counts[traffic.times[:, 0] > known.ended, 0]
            enough = later.sum() >= FEWEST_ROWS
            known = replace(known, over=True, since=known.ended if enough else known.since)
            continue
        steady = bool((every.effect + every.margin)[0].max() < DEGRADED_AT)
        return Scan(suffixes.stretch(every, 0), steady, known)


def _noted(traffic: Traffic, known: Remembered, moved: Stretch) -> Remembered:
    """What to remember of a change that lasts: the begin that was found when it was young.

    The older a change, the longer the blocks that it began in.
    """
    began = float(traffic.times[moved.begin, 0])
    last = float(traffic.times[moved.begin : moved.end, 1].max())
    if known.began is not None and not known.over:
        lasted = last - known.began
        if abs(began - known.began) <= _SAME_BEGIN * lasted:
            began = known.began
    effects, shift = moved.effects, moved.effects.shift
    return Remembered(
        began, last, False, known.since, effects.rows, effects.requests, shift.effect, shift.margin
    )


def _between(traffic: Traffic, known: Remembered) -> tuple[Stretch, Moved] | None:
    """The stretch that is remembered and how far it had moved, if it still shows that."""
    began = -inf if known.began is None else known.began
    begin = int(np.searchsorted(traffic.times[:, 1], began, "left"))
    end = int(np.searchsorted(traffic.times[:, 0], known.ended, "right"))
    stretches = _Stretches.until(traffic, begin, end, fewest=1) if begin < end else None
    if stretches is None:
        return None
    own = stretches.moved(traffic, scanning=False)
    stretch = stretches.stretch(own, 0)
    return (stretch, own) if stretch.effects.largest >= DEGRADED_AT else None


def _over(alone: Moved, moved: Moved, number: int) -> NDArray[np.intp]:
    """The numbers of stretches that show that a change is over, the longest first."""
    return np.flatnonzero(moved_less(alone, moved, number))


def _ended(traffic: Traffic, suffixes: "_Stretches", every: Moved, over: NDArray[np.intp]) -> Stretch:
    """The stretch that had moved before ``over``: from where it tells most to where it does."""
    first = int(suffixes.begins[suffixes.since(every, np.arange(len(suffixes.begins)) < over[0])])
    found: list[tuple[float, Stretch]] = []
    for end in suffixes.begins[over].tolist():
        stretches = _Stretches.until(traffic, first, end, fewest=1)
        assert stretches is not None  # a block has at least a row
        own = stretches.moved(traffic, scanning=False)
        found.append((float(stretches.weights(own)[0]), stretches.stretch(own, 0)))
    return max(found, key=lambda one: one[0])[1]


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Stretches from each of ``begins`` to ``end``, with what came before each since ``first``."""

    begins: NDArray[np.intp]
    end: int
    sums: Evidence
    before: Evidence
    features: Array | None
    opening: bool

    @classmethod
    def until(
        cls,
        traffic: Traffic,
        first: int,
        end: int,
        fewest: int = FEWEST_ROWS,
        *,
        opening: bool = True,
    ) -> "_Stretches | None":
        """All stretches since ``first`` that have rows enough, the longest first; None for none.

        ``opening`` says that traffic began with ``first``.
        """
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
        return cls(full + first, end, sums, before, features, opening)

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
            opening=self.opening,
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
