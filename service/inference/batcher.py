"""Gathers rows of many requests into batches, without a timer.

Whatever has arrived when the model is free becomes the next batch. Requests that one iteration of the
event loop has parsed share a run; a single request runs at once. A request larger than a batch is
split: it alternates with the requests behind it, and its outputs are joined in order.

A short run takes place on the event loop, a longer one in the model's single thread. Each request has
a callback of its own, which is called exactly once unless the request is withdrawn. So a cancelled
client, a failing batch and a missed deadline affect their own rows only.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from math import inf
from time import perf_counter

import numpy as np

from models.bundle.manifest import LARGEST_BATCH
from service.errors import DeadlineMissed, InferenceFailed, Overloaded, ServiceError
from service.health.row_owner import Requester, RowOwner
from service.inference.measurements.latency import LatencyEstimator
from service.inference.queue import Answer, Batch, Done, Outputs, QueuedRequest, Rows
from service.observability.counters import Traffic

#: Computes a batch; the row owners say which request each row belongs to, in order.
Compute = Callable[[Rows, Sequence[RowOwner]], Outputs]


@dataclass(frozen=True, slots=True)
class Limits:
    """At most ``batch_rows`` rows per run and ``queue_rows`` rows in the queue.

    Runs that are expected to take up to ``inline_seconds`` take place on the event loop. The way to
    the thread and back costs tens of microseconds. During a run there the event loop can read other
    requests, which is worth it for a run of milliseconds.
    """

    batch_rows: int = LARGEST_BATCH
    queue_rows: int = 32_768
    inline_seconds: float = 0.004


#: A queued request's rows in a batch.
_Share = tuple[QueuedRequest, Rows]


class Batcher:
    """The queue and the batches of one model. All methods must be called on the event loop."""

    def __init__(
        self,
        compute: Compute,
        thread: Executor | None,
        traffic: Traffic,
        limits: Limits,
        latency: LatencyEstimator,
    ) -> None:
        """``thread`` runs what is too long for the event loop; without it everything runs there.

        ``latency`` estimates how long a run takes, and learns from every run.
        """
        self._compute = compute
        self._thread = thread
        self._traffic = traffic
        self._limits = limits
        self._latency = latency
        self._entries: deque[QueuedRequest] = deque()
        self._waiting = 0
        self._scheduled = False
        self._in_thread = False

    @property
    def waiting(self) -> int:
        """How many rows wait for a run."""
        return self._waiting

    @property
    def idle(self) -> bool:
        """Whether no row waits and no run is in the thread."""
        return not self._entries and not self._in_thread

    async def run(
        self,
        rows: Rows,
        *,
        deadline: float | None = None,
        admitted: bool = False,
        request: Requester | None = None,
    ) -> Answer:
        """Return the outputs for rows of shape ``(n, F)``, n >= 1, in their order.

        ``deadline`` is a time of ``perf_counter``; ``request`` tells whose rows they are. ``admitted``
        rows belong to a request that was admitted before, and are never refused. Raises ``Overloaded``
        if the queue is full or the deadline too near, ``DeadlineMissed`` if it has passed, and
        ``InferenceFailed`` if the network raised.
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
            self.withdraw(entry)  # the client is gone; its room in the queue is free at once
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
        """Queue rows as ``run`` does, without waiting; ``done`` is called with the answer or error.

        Raises ``Overloaded`` at once if the rows are refused.
        """
        count = len(rows)
        if self._waiting and not admitted:
            limits = self._limits
            wait = self._latency.expect(limits.batch_rows) * self._waiting / limits.batch_rows
            # A request larger than the queue may have it to itself.
            if self._waiting + count > limits.queue_rows:
                raise Overloaded(f"{self._waiting} rows are waiting, {limits.queue_rows} may", wait)
            now = perf_counter()
            if deadline is not None and now <= deadline < now + wait:  # one that has passed is told so
                raise Overloaded("the rows that are waiting will take longer than the request may", wait)
        entry = QueuedRequest(rows, done, inf if deadline is None else deadline, request)
        self._entries.append(entry)
        self._waiting += count
        self._schedule()
        return entry

    def withdraw(self, entry: QueuedRequest) -> None:
        """Remove a request that nobody waits for any more."""
        entry.withdraw()
        self._forget(entry)

    def _schedule(self) -> None:
        if not self._scheduled and not self._in_thread:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pull)

    def _pull(self) -> None:
        """Run the next batch, here or in the thread."""
        self._scheduled = False
        shares = self._take()
        if not shares:
            return
        started = perf_counter()
        try:
            for entry, _ in shares:
                if not entry.started:
                    entry.started = started
                    self._traffic.queued(started - entry.arrived)
            rows = shares[0][1] if len(shares) == 1 else np.concatenate([part for _, part in shares])
            parts = [RowOwner(entry.request, len(part)) for entry, part in shares]
            if self._thread is None or self._latency.expect(len(rows)) <= self._limits.inline_seconds:
                self._settle(shares, self._measured(rows, parts), perf_counter() - started)
            else:
                job = asyncio.wrap_future(self._thread.submit(self._measured, rows, parts))
                self._in_thread = True
                job.add_done_callback(partial(self._finished, shares, started))
        except Exception as error:  # noqa: BLE001 - whatever it is, every request must end
            self._fail(shares, error)
        if self._entries:
            self._schedule()  # not in a loop here, so that other callbacks run in between

    def _finished(self, shares: list[_Share], started: float, job: asyncio.Future[Outputs]) -> None:
        """Take the result of a run in the thread."""
        self._in_thread = False
        try:
            self._settle(shares, job.result(), perf_counter() - started)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
            self._fail(shares, error)
        if self._entries and not self._scheduled:
            self._pull()

    def _take(self) -> list[_Share]:
        """Choose the rows of the next batch: first come, first served; large requests take turns."""
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
            all_rows = count == len(entry.rows)
            shares.append((entry, entry.rows if all_rows else entry.rows[entry.taken :][:count]))
            entry.taken += count
            self._waiting -= count
            room -= count
            if count < left:
                self._entries.append(entry)
            if not room:
                break
        return shares

    def _measured(self, rows: Rows, parts: Sequence[RowOwner]) -> Outputs:
        """Compute a batch, and learn how long it took."""
        started = perf_counter()
        outputs = self._compute(rows, parts)
        self._latency.learn(len(rows), perf_counter() - started)
        return outputs

    def _settle(self, shares: list[_Share], outputs: Outputs, seconds: float) -> None:
        """Give every request its rows; answer those that are complete."""
        batch = Batch(outputs)
        rows = sum(len(part) for _, part in shares)
        self._traffic.computed(rows, seconds)
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
        """End every request of a failed batch, and drop their rows that still wait."""
        for entry, _ in shares:
            self._forget(entry)
            failure = InferenceFailed("the network could not be computed")
            failure.__cause__ = error
            entry.end(failure)

    def _forget(self, entry: QueuedRequest) -> None:
        """Drop the rows of a request that still wait."""
        if entry.taken < len(entry.rows) and entry in self._entries:
            self._entries.remove(entry)
            self._waiting -= len(entry.rows) - entry.taken
