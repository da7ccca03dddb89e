"""Rows that are remembered by a key, for blocks of keys at once."""

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray


class KeyedRows:
    """Rows of one width by unsigned 64-bit keys; safe to use from several threads.

    It keeps up to ``most`` rows and then learns no more.
    """

    def __init__(self, width: int, kind: type[np.generic], most: int) -> None:
        self._at: dict[int, int] = {}
        self._rows: NDArray[Any] = np.zeros((256, width), kind)
        self._most, self._lock = most, Lock()

    def places(
        self, keys: NDArray[np.uint64], learn: Callable[[NDArray[np.intp]], Iterable[Any]]
    ) -> NDArray[np.intp]:
        """The place of each key's row, shape ``(n,)``; -1 where it is not known and is not kept.

        ``learn`` is given positions in ``keys``, one for each key that is not known, and returns the
        rows of these.
        """
        distinct, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        found = [self._at.get(key, -1) for key in distinct.tolist()]
        if min(found, default=0) < 0:
            new = [at for at, place in enumerate(found) if place < 0]
            for at, row in zip(new, learn(first[new]), strict=True):
                found[at] = self._keep(int(distinct[at]), row)
        return np.array(found, np.intp)[inverse]

    @property
    def rows(self) -> NDArray[Any]:
        """All rows; those of places that were handed out do not change."""
        return self._rows

    def _keep(self, key: int, row: Any) -> int:
        with self._lock:
            place = self._at.get(key)
            if place is None:
                place = len(self._at)
                if place >= self._most:
                    return -1
                if place >= len(self._rows):
                    self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
                self._rows[place] = row
                self._at[key] = place  # last: another thread may read it at once
            return place
