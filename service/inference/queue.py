"""What is handed to a batcher and what comes back: rows, whose they are, what runs made of them."""

from collections.abc import Callable, Mapping
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from service.errors import ServiceError
from service.health.row_owner import Requester

Rows = NDArray[np.float32]
Outputs = Mapping[str, NDArray[np.floating]]


class Batch:
    """What a run has computed. ``memo`` is for whoever derives something of all of its rows at once."""

    __slots__ = ("memo", "outputs")

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs
        self.memo: object = None


class Answer:
    """One submission's rows, and where their time went.

    ``pieces`` are the batches that have them, each with the first row and the one after the last.
    """

    __slots__ = ("compute_seconds", "pieces", "queue_seconds")

    def __init__(
        self, pieces: list[tuple[Batch, int, int]], queue_seconds: float, compute_seconds: float
    ) -> None:
        self.pieces = pieces
        self.queue_seconds = queue_seconds
        self.compute_seconds = compute_seconds

    @property
    def outputs(self) -> Outputs:
        """The outputs of the submission's rows, in their order."""
        if len(self.pieces) == 1:
            batch, start, stop = self.pieces[0]
            return {name: array[start:stop] for name, array in batch.outputs.items()}
        return {
            name: np.concatenate([batch.outputs[name][start:stop] for batch, start, stop in self.pieces])
            for name in self.pieces[0][0].outputs
        }


#: Takes a submission's answer, or what became of it instead.
Done = Callable[[Answer | ServiceError], None]


def _nobody(_: Answer | ServiceError) -> None:
    """Stand for those who no longer wait."""


class QueuedRequest:
    """One submission: its rows, how far they are, and who waits for them."""

    __slots__ = (
        "arrived", "compute", "deadline", "done", "over", "pieces", "request", "rows", "started",
        "taken",
    )  # fmt: skip

    def __init__(self, rows: Rows, done: Done, deadline: float, request: Requester | None) -> None:
        self.rows, self.done, self.deadline, self.request = rows, done, deadline, request
        self.arrived = perf_counter()
        self.started = 0.0
        self.compute = 0.0
        self.taken = 0
        self.pieces: list[tuple[Batch, int, int]] = []
        #: Answered or withdrawn.
        self.over = False

    def end(self, result: Answer | ServiceError) -> None:
        """Answer, unless that was done or nobody waits."""
        if not self.over:
            done = self.done
            self.withdraw()
            done(result)

    def withdraw(self) -> None:
        """Answer nobody, and let go of who would have been.

        Whoever waits mostly holds the submission, and the two would keep a batch's outputs until the
        collector came by.
        """
        self.over = True
        self.done = _nobody
