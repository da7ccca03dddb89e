"""Gathers rows of many requests into batches, without making anybody wait for a timer.

Whatever has arrived when the model becomes free is the next batch: requests that one turn of the
event loop has parsed share a run, a lone request runs at once. A request larger than a batch is
split, and takes turns with the requests behind it; its pieces are put together in order.

A run that is short happens on the event loop; longer ones go to the model's single thread. Every
submission is answered by a call of its own, exactly once unless it is withdrawn, so a cancelled
client, a failing batch and a missed deadline each concern those rows alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from math import inf
from time import perf_counter
from typing import Protocol

import numpy as np

from service.errors import DeadlineMissed, InferenceFailed, Overloaded, ServiceError
from service.health.row_owner import Requester, RowOwner
from service.inference.latency import LatencyEstimator
from service.inference.queue import Answer, Batch, Done, Outputs, QueuedRequest, Rows

#: Computes a batch; the parts say whose rows they are, in their order.
Compute = Callable[[Rows, Sequence[RowOwner]], Outputs]


class Observer(Protocol):
    """Who counts the batches."""

    def computed(self, rows: int, seconds: float) -> None:
        """A batch of so many rows took so long."""

    def queued(self, seconds: float) -> None:
        """A submission's first row waited so long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``batch_rows`` per run; ``queue_rows`` may wait; runs up to ``inline_seconds`` don't hop.

    A hop to the thread and back costs tens of microseconds, and while it runs the loop can read other
    requests, which a run of milliseconds makes worth it.
    """

    batch_rows: int = 256
    queue_rows: int = 32_768
    inline_seconds: float = 0.004


#: One entry's part in a batch: its next rows.
_Share = tuple[QueuedRequest, Rows]


class Batcher:
    """Batches for one model. All methods belong to the event loop's thread."""

    def __init__(
        self,
        compute: Compute,
        lane: Executor | None,
        observer: Observer,
        limits: Limits,
        latency: LatencyEstimator,
    ) -> None:
        """``lane`` runs what is too long for the loop; ``pace`` knows how long runs take.

        Without a lane everything runs on the loop.
        """
        self._compute = compute
        self._lane = lane
        self._observer = observer
        self._limits = limits
        self._latency = latency
        self._entries: deque[QueuedRequest] = deque()
        self._waiting = 0
        self._scheduled = False
        self._hopping = False

    @property
    def waiting(self) -> int:
        """Rows that wait for a run."""
        return self._waiting

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._entries and not self._hopping

    async def run(
        self,
        rows: Rows,
        *,
        deadline: float | None = None,
        admitted: bool = False,
        request: Requester | None = None,
    ) -> Answer:
        """Return the outputs for rows of shape ``(n, F)``, n >= 1, in their order.

        ``deadline`` is a time of ``perf_counter``; ``request`` is the request whose rows they are.
        ``admitted`` rows belong to a request that was let in before, and are not turned away.
        Raises ``Overloaded``, ``DeadlineMissed`` or ``InferenceFailed``.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def done(result: Answer | ServiceError) -> None:
            if future.done():
                return
            if isinstance(result, Answer):
                future.set_result(result)
            else:
                future.set_exception(result)

        entry = self.submit(rows, done, deadline=deadline, admitted=admitted, request=request)
        try:
            return await future
        except asyncio.CancelledError:
            self.withdraw(entry)  # at once: the client is gone, and its room is free for others
            raise

    def submit(
        self,
        rows: Rows,
        done: Done,
        *,
        deadline: float | None = None,
        admitted: bool = False,
        request: Requester | None = None,
    ) -> QueuedRequest:
        """Do as ``run`` does, without waiting: ``done``, which must not raise, is told the end.

        Raises ``Overloaded`` at once.
        """
        count = len(rows)
        if self._waiting and not admitted:
            wait = (
                self._latency.expect(self._limits.batch_rows) * self._waiting / self._limits.batch_rows
            )
            # A request larger than the queue may have it to itself.
            if self._waiting + count > self._limits.queue_rows:
                text = f"{self._waiting} rows are waiting, {self._limits.queue_rows} may"
                raise Overloaded(text, wait)
            if deadline is not None and perf_counter() + wait > deadline:
                raise Overloaded("the rows that are waiting will take longer than the request may", wait)
        entry = QueuedRequest(rows, done, inf if deadline is None else deadline, request)
        self._entries.append(entry)
        self._waiting += count
        if not self._scheduled and not self._hopping:
            self._schedule(asyncio.get_running_loop())
        return entry

    def withdraw(self, entry: QueuedRequest) -> None:
        """Forget a submission that nobody waits for any more."""
        entry.withdraw()
        self._forget(entry)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled and not self._hopping:
            self._scheduled = True
            loop.call_soon(self._pull)

    def _pull(self) -> None:
        """Take what is waiting and run it, here or in the lane."""
        self._scheduled = False
        shares = self._take()
        if not shares:
            return
        started = perf_counter()
        loop = asyncio.get_running_loop()
        try:
            for entry, _ in shares:
                if not entry.started:
                    entry.started = started
                    self._observer.queued(started - entry.arrived)
            rows = shares[0][1] if len(shares) == 1 else np.concatenate([part for _, part in shares])
            parts = [RowOwner(entry.request, len(part)) for entry, part in shares]
            if self._lane is None or self._latency.expect(len(rows)) <= self._limits.inline_seconds:
                self._settle(shares, self._measured(rows, parts), perf_counter() - started)
            else:
                job = loop.run_in_executor(self._lane, self._measured, rows, parts)
                self._hopping = True
                job.add_done_callback(partial(self._landed, shares, started))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be left waiting
            self._fail(shares, error)
        if self._entries:
            self._schedule(loop)  # not a loop here: other work has its turn in between

    def _landed(self, shares: list[_Share], started: float, job: asyncio.Future[Outputs]) -> None:
        """Take a run back from the lane."""
        self._hopping = False
        try:
            self._settle(shares, job.result(), perf_counter() - started)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
            self._fail(shares, error)
        if self._entries and not self._scheduled:
            self._pull()

    def _take(self) -> list[_Share]:
        """Share out the next batch: first come, first served, large requests taking turns."""
        shares: list[_Share] = []
        room = self._limits.batch_rows
        now = perf_counter()
        for _ in range(len(self._entries)):
            entry = self._entries.popleft()
            left = len(entry.rows) - entry.taken
            if entry.over or now > entry.deadline:
                self._waiting -= left
                waited = f"the deadline passed after {now - entry.arrived:.3f} s of waiting"
                entry.end(DeadlineMissed(waited))
                continue
            count = min(left, room)
            whole = count == len(entry.rows)
            shares.append((entry, entry.rows if whole else entry.rows[entry.taken :][:count]))
            entry.taken += count
            self._waiting -= count
            room -= count
            if count < left:
                self._entries.append(entry)
            if not room:
                break
        return shares

    def _measured(self, rows: Rows, parts: Sequence[RowOwner]) -> Outputs:
        """Compute, and learn how long it took."""
        started = perf_counter()
        outputs = self._compute(rows, parts)
        self._latency.learn(len(rows), perf_counter() - started)
        return outputs

    def _settle(self, shares: list[_Share], outputs: Outputs, seconds: float) -> None:
        """Hand every entry its rows; answer those that are complete."""
        batch = Batch(outputs)
        rows = sum(len(part) for _, part in shares)
        self._observer.computed(rows, seconds)
        start = 0
        for entry, part in shares:
            stop = start + len(part)
            entry.pieces.append((batch, start, stop))
            start = stop
            entry.compute += seconds
            if entry.taken == len(entry.rows):
                waited = entry.started - entry.arrived
                entry.end(Answer(entry.pieces, waited, entry.compute))

    def _fail(self, shares: list[_Share], error: BaseException) -> None:
        """Answer every entry of a failed batch, and forget what of them still waits."""
        for entry, _ in shares:
            self._forget(entry)
            failure = InferenceFailed("the network could not be computed")
            failure.__cause__ = error
            entry.end(failure)

    def _forget(self, entry: QueuedRequest) -> None:
        """Drop what of an entry still waits."""
        if entry.taken < len(entry.rows) and entry in self._entries:
            self._entries.remove(entry)
            self._waiting -= len(entry.rows) - entry.taken
