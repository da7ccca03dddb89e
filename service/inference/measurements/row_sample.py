"""The latest rows that a model has computed, kept while another version may have to judge them."""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.health.row_owner import RowOwner

#: Rows that are kept: enough for a verdict, and some MiB at most.
_MOST_ROWS = 1024

Rows = NDArray[np.float32]


class RowSample:
    """Feature rows by request. Batches are added one at a time, and may be read by another thread."""

    def __init__(self) -> None:
        self._requests: deque[Rows] = deque()
        self._rows = 0
        #: Whether rows are kept at all.
        self.wanted = False

    def add(self, rows: Rows, parts: Sequence[RowOwner]) -> None:
        """Keep the rows of a batch (n, F), of which ``parts`` says whose they are.

        Those of synthetic requests are left out.
        """
        first = 0
        for part in parts:
            if not part.synthetic:
                self._requests.append(rows[first : first + part.rows].copy())
                self._rows += part.rows
            first += part.rows
        while self._requests and self._rows - len(self._requests[0]) >= _MOST_ROWS:
            self._rows -= len(self._requests.popleft())

    def requests(self) -> list[Rows]:
        """Return the rows that are kept, one array (n, F) per request, oldest first."""
        return list(self._requests)

    def forget(self) -> None:
        """Keep rows no longer, and drop those that are kept."""
        self.wanted = False
        self._requests.clear()
        self._rows = 0
