"""When traffic moved and when that was over, and the health that a verdict comes with."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from models.health.effect_size import Effects, Shift
from models.health.windows.blocks import Blocks
from models.health.windows.onset import Scan
from models.health.windows.pure import PurePart
from service.health.clients.at_fault import Client
from service.health.verdict import HealthVerdict
from service.health.windows import Window


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch of traffic that moved: when it began, and ended; by what; ``ended`` is None if it lasts.

    Both are estimates, to the block of requests that holds them.
    """

    began: datetime
    ended: datetime | None
    rows: int
    requests: int
    shift: Shift


@dataclass(frozen=True, slots=True)
class Found:
    """What the latest traffic shows: its scan, and the change in it.

    ``change`` is the one that lasts, or else the latest that is over; None where there is none.
    ``ended`` is when it was over by the monotonic clock, None for one that lasts. ``seconds`` is how
    long ago that began which holds now, ``pure`` the part of that which has nothing from before it, and
    ``stretch`` from when to when, by that clock, this part's requests came.
    """

    scan: Scan
    change: Change | None
    seconds: float
    ended: float | None
    pure: PurePart
    stretch: tuple[float, float]

    @classmethod
    def of(cls, scan: Scan, pure: PurePart, blocks: Blocks, now: float) -> Self:
        """Give a scan of blocks its times; ``now`` is one of the blocks' clock."""
        times = blocks.times[pure.begin : scan.now.end]
        stretch = float(times[0, 0]), float(times[:, 1].max())
        seconds = now - float(blocks.times[scan.now.begin, 0])
        known = scan.remembered
        if known.began is None:
            return cls(scan, None, seconds, None, pure, stretch)
        over = _moment(known.ended, now) if known.over else None
        shift = Shift(known.effect, known.margin)
        change = Change(_moment(known.began, now), over, known.rows, known.requests, shift)
        return cls(scan, change, seconds, known.ended if known.over else None, pure, stretch)


def _moment(at: float, now: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=max(now - at, 0.0))


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict, and the windows and effects by name that it was reached by.

    ``change`` is when traffic last moved, None where it has not; ``now`` are the effects of the latest
    traffic by which it was judged, None with too little of it. ``clients`` are the API keys' parts in
    that traffic, none without keys.
    """

    judgement: HealthVerdict
    windows: dict[str, Window]
    effects: dict[str, Effects]
    change: Change | None = None
    now: Effects | None = None
    clients: tuple[Client, ...] = ()

    def effects_of(self, window: str) -> Effects | None:
        """The effects of a change while it lasts, otherwise of a window; None without taps.

        Those of a change have departures, and no ``by_layer``.
        """
        if self.change is not None and self.change.ended is None and self.now is not None:
            return self.now
        return self.effects.get(window)
