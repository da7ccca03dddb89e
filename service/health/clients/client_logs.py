"""The latest traffic of each API key, in blocks as all traffic has them, for the keys that send most.

It costs one more sum for each key, of some hundred rows at a time, and nothing where there are no keys.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.health.layout import Layout
from models.health.windows.blocks import KEPT_SECONDS, BlockLog, Blocks, joined
from models.health.windows.pieces import block_width, pieces_of

#: Keys of which traffic is kept apart; what came with others is kept together.
MOST_KEYS = 16
#: The name of what came with other keys, or with none; no key can have it.
OTHERS = ""

#: More features than this are not kept by key: directions and layers have to do.
_MOST_FEATURES = 64

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class KeyedRows:
    """Rows of requests, in their order, as they are summed up.

    ``keys`` are the requests' names of keys, ``sizes`` their numbers of rows, ``came`` their times by
    the monotonic clock, and ``plain`` and ``squared`` (E, requests) their sums. Of the n rows,
    ``cells`` (n,) are what ``RowCells`` says, ``departed`` (n,) whether they are outliers, and
    ``centred`` (n, F) the centred features.
    """

    keys: Sequence[str]
    plain: NDArray[np.floating]
    squared: NDArray[np.floating]
    sizes: NDArray[np.integer]
    came: Array
    cells: NDArray[np.integer]
    departed: NDArray[np.bool_]
    centred: NDArray[np.floating] | None

    def ordered(self, of: NDArray[np.integer]) -> "KeyedRows":
        """The same requests, with those of one number together; ``of`` has the requests' numbers."""
        requests = np.argsort(of, kind="stable")
        rows = requests
        if len(self.cells) > len(of):
            rows = np.argsort(of.repeat(self.sizes), kind="stable")
        return KeyedRows(
            [self.keys[number] for number in requests.tolist()],
            self.plain[:, requests],
            self.squared[:, requests],
            self.sizes[requests],
            self.came[requests],
            self.cells[rows],
            self.departed[rows],
            None if self.centred is None else self.centred[rows],
        )

    def part(self, first: int, last: int) -> "KeyedRows":
        """The requests from ``first`` to before ``last``."""
        begin, end = int(self.sizes[:first].sum()), int(self.sizes[:last].sum())
        return KeyedRows(
            self.keys[first:last],
            self.plain[:, first:last],
            self.squared[:, first:last],
            self.sizes[first:last],
            self.came[first:last],
            self.cells[begin:end],
            self.departed[begin:end],
            None if self.centred is None else self.centred[begin:end],
        )


class ClientLogs:
    """The blocks of one worker's traffic by key. One thread at a time may use it.

    A request whose rows come in several batches counts here as several.
    """

    def __init__(self, layout: Layout, scales: Array | None) -> None:
        """``scales`` (2, F) are the features' spreads and squared spreads, None without features."""
        few = scales is not None and scales.shape[1] <= _MOST_FEATURES
        self._scales = scales if few else None
        features = 0 if self._scales is None else self._scales.shape[1]
        self._width = block_width(layout, features) + 1  # and the number of outliers
        self._logs: dict[str, BlockLog] = {}

    def add(self, rows: KeyedRows) -> None:
        """Take in rows that came after all others."""
        sent = Counter[str]()
        for key, size in zip(rows.keys, rows.sizes.tolist(), strict=True):
            sent[key] += size
        self._choose(sent, float(rows.came[-1]))
        names = [key if key in self._logs else OTHERS for key in rows.keys]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        of = np.array([numbers[name] for name in names])
        if len(numbers) > 1:
            rows = rows.ordered(of)
        ends = np.cumsum(np.bincount(of)).tolist()
        for name, first, last in zip(numbers, [0, *ends], ends, strict=False):
            self._log(name).add(self._blocks(rows.part(first, last)))

    def blocks(self) -> dict[str, Blocks]:
        """Return a copy of the blocks of each key, and of the others."""
        return {name: log.blocks() for name, log in self._logs.items()}

    def _blocks(self, rows: KeyedRows) -> Blocks:
        centred = rows.centred if self._scales is not None else None
        pieces, piece = pieces_of(
            rows.plain, rows.squared, rows.sizes, rows.came, rows.cells, centred, self._scales
        )
        departed = np.bincount(piece.repeat(rows.sizes), rows.departed, len(pieces))
        values = np.concatenate([pieces.values, departed[:, None].astype(np.float32)], axis=1)
        return Blocks(pieces.times, pieces.counts, values)

    def _log(self, name: str) -> BlockLog:
        return self._logs.setdefault(name, BlockLog(self._width))

    def _choose(self, sent: Counter[str], now: float) -> None:
        """Make room for keys that send more than those that are kept, and have sent nothing for long."""
        kept = {name: log for name, log in self._logs.items() if name != OTHERS}
        for key, rows in sent.most_common():
            if key in self._logs or key == OTHERS:
                continue
            if len(self._logs) - (OTHERS in self._logs) >= MOST_KEYS:
                if not kept:
                    return
                # Those that are silent go first, then those that send least.
                last = {name: log.latest >= now - KEPT_SECONDS for name, log in kept.items()}
                least = min(kept, key=lambda name: (last[name], kept[name].rows))
                if last[least] and kept[least].rows >= rows:
                    return  # nor do those that come after this one send more
                del kept[least]
                self._give_up(least)
            self._log(key)

    def _give_up(self, key: str) -> None:
        """Keep a key's traffic together with the others' from now on."""
        both = joined([self._log(OTHERS).blocks(), self._logs.pop(key).blocks()])
        self._logs[OTHERS] = BlockLog(self._width)
        self._logs[OTHERS].add(both, join=False)


def joined_by_key(parts: Sequence[dict[str, Blocks]]) -> dict[str, Blocks]:
    """Put several workers' blocks of each key in one order."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: joined([part[name] for part in parts if name in part]) for name in names}
