"""What a batcher takes and returns: queued requests, batches and answers."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from service.errors import ServiceError
from service.health.row_owner import Requester

Rows = NDArray[np.float32]
Outputs = Mapping[str, NDArray[np.floating]]


def joined(parts: Sequence[Outputs]) -> Outputs:
    """Return the outputs of several runs one after the other: those that all of them have."""
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


class Batch:
    """The outputs of one run of the network.

    ``memo`` may hold what is derived from all rows of the batch at once, for the requests that share it.
    """

    __slots__ = ("memo", "outputs")

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs
        self.memo: object = None


class Answer:
    """The outputs of one request's rows, and its seconds in the queue and in the network.

    ``pieces`` are the batches that have the rows, each with its first row and the one after its last.
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
        """The outputs of the request's rows by name, in their order; the first axis is the row."""
        if len(self.pieces) == 1:
            batch, start, stop = self.pieces[0]
            return {name: array[start:stop] for name, array in batch.outputs.items()}
        return joined(
            [
                {name: array[start:stop] for name, array in batch.outputs.items()}
                for batch, start, stop in self.pieces
            ]
        )


#: Called once with a request's answer or its error. It must not raise.
Done = Callable[[Answer | ServiceError], None]


def _ignore(_: Answer | ServiceError) -> None:
    """Replace the callback of a request that has ended."""


class QueuedRequest:
    """Rows that wait for a run, and the state of their request.

    ``taken`` rows have been put into batches so far. ``arrived``, ``started`` and ``deadline`` are times
    of ``perf_counter``; ``compute`` is in seconds.
    """

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
        """Pass on the answer or the error, unless the request has ended already."""
        if not self.over:
            done = self.done
            self.withdraw()
            done(result)

    def withdraw(self) -> None:
        """End the request without an answer.

        The callback is dropped: it mostly refers to this object, and the reference cycle would keep
        the outputs of a batch until the garbage collector runs.
        """
        self.over = True
        self.done = _ignore
