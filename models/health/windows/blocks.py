"""The latest traffic in blocks of whole requests: the newest are short, older ones ever longer.

Windows of fixed lengths mix what came before a change with what came after it. From blocks the latest
traffic can be summed up from any of some thirty points on (exponential histograms, as in Datar et al.
2002). Blocks are kept by what came after them, not by the time that has passed, so that a pause in
traffic changes nothing.
"""

from collections.abc import Sequence
from math import inf

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.health.evidence import COUNTS

Array = NDArray[np.float64]

#: Rows up to which requests are joined to one block.
BLOCK_ROWS = 32
#: The newest blocks, which stay as they are.
_NEWEST = 8
#: Two neighbours become one where together they have no more than this share of the rows after them.
_SHARE = 0.5
#: Blocks that lie further back than this, in seconds of traffic, are dropped unless fewer rows are left.
KEPT_SECONDS, _KEPT_ROWS = 600.0, 1024
#: Requests that came further apart than this are not joined before they have to be.
_APART_SECONDS = 60.0


class Blocks(msgspec.Struct, frozen=True):
    """Blocks in the order in which they began.

    ``times`` (B, 2) are when the first and the last request of each came, by the monotonic clock;
    ``counts`` (B, 3) and ``values`` (B, width) are sums as windows have them.
    """

    times: NDArray[np.float64]
    counts: NDArray[np.float64]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        """The number of blocks."""
        return len(self.times)


def no_blocks(width: int) -> Blocks:
    """Return no blocks of values of this width."""
    return Blocks(np.zeros((0, 2)), np.zeros((0, COUNTS)), np.zeros((0, width), np.float32))


def joined(parts: Sequence[Blocks]) -> Blocks:
    """Put blocks of several workers in one order, in as few as one worker would have."""
    if len(parts) == 1:
        return parts[0]
    times = np.concatenate([part.times for part in parts])
    order = np.argsort(times[:, 0], kind="stable")
    counts = np.concatenate([part.counts for part in parts])[order]
    values = np.concatenate([part.values for part in parts])[order]
    log = BlockLog(values.shape[1])
    log.add(Blocks(times[order], counts, values), join=False)
    return log.blocks()


class BlockLog:
    """The blocks of one worker. One thread at a time may use it."""

    def __init__(self, width: int) -> None:
        """``width`` is the length of the values."""
        self._width = width
        self._times: list[NDArray[np.float64]] = []
        self._counts: list[NDArray[np.float64]] = []
        self._values: list[NDArray[np.float32]] = []

    def add(self, pieces: Blocks, *, join: bool = True) -> None:
        """Take in pieces that came after all others; small ones join the newest block."""
        for times, counts, values in zip(pieces.times, pieces.counts, pieces.values, strict=True):
            small = join and bool(self._counts)
            small = small and max(self._counts[-1][0], counts[0]) < BLOCK_ROWS
            small = small and times[0] - self._times[-1][1] <= _APART_SECONDS
            self._times.append(times.copy())
            self._counts.append(counts.copy())
            self._values.append(values.copy())
            if small:
                self._merge(len(self._times) - 2)
        self._shorten()

    @property
    def rows(self) -> float:
        """The number of rows that are kept."""
        return sum(float(counts[0]) for counts in self._counts)

    @property
    def latest(self) -> float:
        """When the latest request came; minus infinity without blocks."""
        return float(self._times[-1][1]) if self._times else -inf

    def blocks(self) -> Blocks:
        """Return a copy of the blocks."""
        if not self._times:
            return no_blocks(self._width)
        return Blocks(np.array(self._times), np.array(self._counts), np.array(self._values))

    def _shorten(self) -> None:
        """Merge neighbours that lie far back, and drop what lies too far back."""
        after = sum(float(counts[0]) for counts in self._counts[-_NEWEST:])
        at = len(self._times) - _NEWEST - 1
        while at > 0:
            both = float(self._counts[at - 1][0] + self._counts[at][0])
            if both <= _SHARE * after:
                self._merge(at - 1)
            else:
                after += float(self._counts[at][0])
            at -= 1
        rows = self.rows
        while (
            len(self._times) > 1
            and rows - self._counts[0][0] >= _KEPT_ROWS
            and self._times[0][1] < self._times[-1][1] - KEPT_SECONDS
        ):
            rows -= float(self._counts[0][0])
            del self._times[0], self._counts[0], self._values[0]

    def _merge(self, at: int) -> None:
        """Make one block of two neighbours."""
        first, second = self._times[at], self._times.pop(at + 1)
        self._times[at] = np.array([first[0], max(first[1], second[1])])
        self._counts[at] += self._counts.pop(at + 1)
        self._values[at] += self._values.pop(at + 1)
