"""Made-up traffic of real held-out rows: its requests, its rhythm, and the monitor's view of it."""

from collections.abc import Iterator
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.health.evidence import own_sums
from models.health.windows.blocks import BlockLog
from models.health.windows.onset import Remembered, Scan, Traffic, scan
from models.health.windows.pieces import RowCells, block_width, evidence_of_blocks, pieces_of
from models.health.windows.pure import PurePart, pure_part
from training.benchmarks.health.monitors import Monitors
from training.benchmarks.health.network import Seen

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]

#: How requests choose their rows: at random, each client's from one neighbourhood, with classes whose
#: shares follow the hour of a day, or at random with pauses between.
ORDERS = ("random", "clustered", "rhythm", "pauses")
#: Rows of a request, and requests a second by rows of a request.
SIZES = (1, 16, 64, 256)
PER_SECOND = {1: 64.0, 16: 16.0, 64: 8.0, 256: 2.0}
#: A day of the rhythm and the longest pause, in seconds; how often a pause comes, in requests.
_DAY, _LONGEST_PAUSE, _PAUSE_EVERY = 86_400.0, 7200.0, 200
#: By how much the rhythm's share of the rarer half differs from its mean.
_SWING = 0.3
#: The distribution of a client's share of the rarer tenth: its mean is a tenth.
_MIX = 0.5, 4.5


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as the monitor keeps them: statistics (n, W), standard scores (n, F), and cells (n,)."""

    statistics: Array32
    scores: Array32
    cells: NDArray[np.intp]

    @classmethod
    def of(cls, monitors: Monitors, seen: Seen) -> Self:
        """What a monitor sees of rows that a network has computed."""
        (statistics, scores), inputs = monitors.own(seen), monitors.reference.inputs
        assert inputs is not None
        cells = RowCells(len(inputs.centre), monitors.layout)
        return cls(statistics, scores, cells.of(statistics.T, seen.squashed - inputs.centre))


@dataclass(frozen=True, slots=True)
class Requests:
    """Some requests: their rows' numbers, one after the other, and how many each has; when each came."""

    rows: NDArray[np.intp]
    sizes: NDArray[np.intp]
    times: Array


def clean_requests(
    rows: Rows, order: str, size: int, per_second: float, rng: np.random.Generator, at_once: int
) -> Iterator[Requests]:
    """Endless traffic of held-out rows, so many requests at a time; time begins at 0."""
    number, now, since = len(rows.statistics), 0.0, 0
    # Neighbours along the leading direction of the statistics are alike.
    ordered = np.argsort(rows.scores @ _leading(rows.scores), kind="stable")
    while True:
        gaps = rng.exponential(1 / per_second, at_once)
        if order == "pauses":
            since += at_once
            if since >= _PAUSE_EVERY:
                since, gaps[0] = 0, np.exp(rng.uniform(0.0, np.log(_LONGEST_PAUSE)))
        times = now + np.cumsum(gaps)
        now = float(times[-1])
        if order == "clustered":
            # One request in two is of neighbours, the other a mix of two classes of its client's own.
            width = max(2 * size, 20)
            starts = rng.integers(0, number - width, at_once)
            alike = starts[:, None] + rng.integers(0, width, (at_once, size))
            upper = rng.random((at_once, size)) < rng.beta(*_MIX, at_once)[:, None]
            cut = int(0.9 * number)
            low, high = rng.integers(0, cut, upper.shape), rng.integers(cut, number, upper.shape)
            mixed = np.where(upper, high, low)
            chosen = ordered[np.where(rng.random((at_once, 1)) < 0.5, alike, mixed)]
        elif order == "rhythm":
            # The upper fifth of the order comes more often by day than by night.
            share = 0.2 * (1 + _SWING * np.sin(2 * np.pi * now / _DAY))
            upper = rng.random((at_once, size)) < share
            cut = int(0.8 * number)
            low, high = rng.integers(0, cut, upper.shape), rng.integers(cut, number, upper.shape)
            chosen = ordered[np.where(upper, high, low)]
        else:
            chosen = rng.integers(0, number, (at_once, size))
        yield Requests(chosen.ravel(), np.full(at_once, size), times)


class Watcher:
    """The monitor's blocks over a stream, and what a look at them shows."""

    def __init__(self, monitors: Monitors) -> None:
        """Watch with a half's monitors."""
        self._reference, self._layout = monitors.reference, monitors.layout
        inputs = monitors.reference.inputs
        assert inputs is not None
        self._remembered: Remembered | None = None
        self._log = BlockLog(block_width(self._layout, len(inputs.centre)))

    def copied(self) -> "Watcher":
        """One that goes on from here by itself."""
        other = copy(self)
        other._log = deepcopy(self._log)
        return other

    def take(self, rows: Rows, requests: Requests) -> None:
        """Take in requests that came after all others."""
        statistics = rows.statistics[requests.rows].T
        own = own_sums(statistics, requests.sizes, self._layout)
        scores, cells = rows.scores[requests.rows], rows.cells[requests.rows]
        scales = np.ones((2, scores.shape[1]))
        pieces, _ = pieces_of(
            own.plain, own.squared, requests.sizes, requests.times, cells, scores, scales
        )
        self._log.add(pieces)

    def look(self) -> tuple[Scan | None, Array]:
        """Return what the traffic shows, and the times of its blocks."""
        found, times, _ = self.look_closely()
        return found, times

    def look_closely(self) -> tuple[Scan | None, Array, PurePart | None]:
        """Return what the traffic shows, the times of its blocks, and the part that names a change."""
        blocks = self._log.blocks()
        evidence, features = evidence_of_blocks(blocks.counts, blocks.values, self._layout)
        traffic = Traffic(self._reference, self._layout, blocks.times, evidence, features)
        found = scan(traffic, self._remembered)
        self._remembered = None if found is None else found.remembered
        pure = None if found is None else pure_part(traffic, found.now)
        return found, blocks.times, pure


def _leading(scores: Array32) -> Array32:
    _, _, directions = np.linalg.svd(scores[:2000] - scores[:2000].mean(axis=0), full_matrices=False)
    leading: Array32 = directions[0]
    return leading
