"""Who gets a copy of what a version computes."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.health.row_owner import RowOwner

#: Takes a batch (n, F) with its owners, its outputs, and the seconds of processor that it took. It is
#: called where the batch is computed, and must return at once.
Take = Callable[
    [NDArray[np.float32], Sequence[RowOwner], Mapping[str, NDArray[np.floating]], float], None
]


class Copies:
    """Where copies of a version's batches go; ``take`` is None outside of a trial."""

    __slots__ = ("take",)

    def __init__(self) -> None:
        self.take: Take | None = None
