"""Processes that featurize, for requests that are large.

They start when first needed and end after a while without work. Each is an executor of its own with
one piece at a time: one that dies takes that piece with it and no other. The piece is tried once
more in a new process, since it may have been killed for something else than what it read.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import lru_cache
from json import dumps, loads
from time import perf_counter

from models.features import Features, Featurizer, create
from service.errors import DeadlineMissed, FeaturizingFailed
from service.inference import processes

#: Processes without work end after so many seconds.
_IDLE_SECONDS = 60.0
#: Below the event loop's priority, which has little to do but should do it at once.
_NICE = 5
#: A piece is given up when so many processes ended over it.
_ATTEMPTS = 2

Records = Sequence[object]
Timed = tuple[Features, float]


class _Lane:
    """One process, and another when that has died."""

    def __init__(self) -> None:
        self._executor = self._new()

    def submit(self, featurizer: Featurizer, records: Records) -> Future[Timed]:
        """Have records read; may take the milliseconds that a new process needs to be begun."""
        work = featurizer.identifier, dumps(featurizer.parameters), records
        try:
            return self._executor.submit(_featurize, *work)
        except BrokenProcessPool:  # it died, at work or at rest
            self.close()
            self._executor = self._new()
            return self._executor.submit(_featurize, *work)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _new() -> ProcessPoolExecutor:
        return processes.pool(1, os.nice, _NICE)


class FeaturizerPool:
    """All methods belong to the event loop's thread."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._lanes: list[_Lane] = []
        self._free: asyncio.Queue[_Lane] = asyncio.Queue()
        self._starting: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._busy = 0

    @property
    def ready(self) -> bool:
        """Whether the processes have started."""
        return bool(self._lanes)

    def start(self, featurizer: Featurizer) -> None:
        """See to it that the processes will be there soon."""
        if not self._lanes and self._starting is None:
            self._starting = asyncio.create_task(self._start(featurizer))

    async def featurize(
        self, featurizer: Featurizer, records: Records, deadline: float | None = None
    ) -> Timed:
        """Read records in the next free process; also returns how long it took there.

        Raises ``FeaturizingFailed`` where processes end over them, and ``DeadlineMissed``.
        """
        loop = asyncio.get_running_loop()
        self._busy += 1
        try:
            for _ in range(_ATTEMPTS):
                lane = await self._free.get()
                try:
                    if deadline is not None and perf_counter() > deadline:
                        raise DeadlineMissed("the deadline passed before all records were read")
                    job = await asyncio.to_thread(lane.submit, featurizer, records)
                except BaseException:
                    self._free.put_nowait(lane)
                    raise
                # Whoever waits may be gone by then: the lane is free when its work is done.
                job.add_done_callback(lambda _, lane=lane: _on(loop, self._free, lane))  # type: ignore[misc]
                with suppress(BrokenProcessPool):
                    return await asyncio.wrap_future(job)
        finally:
            self._busy -= 1
            self._rest_later(loop)
        raise FeaturizingFailed(
            "a process that read these records ended without a word, and so did the next; smaller"
            " requests will show which of them it is"
        )

    def close(self) -> None:
        """End the processes."""
        if self._resting is not None:
            self._resting.cancel()
        for lane in self._lanes:
            lane.close()
        self._lanes, self._free = [], asyncio.Queue()

    async def _start(self, featurizer: Featurizer) -> None:
        lanes = [_Lane() for _ in range(self.workers)]
        try:
            # They have RDKit and the featurizer when they are called ready, which takes a second.
            jobs = [await asyncio.to_thread(lane.submit, featurizer, []) for lane in lanes]
            await asyncio.gather(*map(asyncio.wrap_future, jobs))
        except (OSError, BrokenProcessPool, asyncio.CancelledError):  # no room: the thread goes on alone
            for lane in lanes:
                lane.close()
            return
        finally:
            self._starting = None
        self._lanes = lanes
        for lane in lanes:
            self._free.put_nowait(lane)
        self._rest_later(asyncio.get_running_loop())

    def _rest_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._resting = loop.call_later(_IDLE_SECONDS, self._rest)

    def _rest(self) -> None:
        if not self._busy:
            self.close()


def _on(loop: asyncio.AbstractEventLoop, free: asyncio.Queue[_Lane], lane: _Lane) -> None:
    """Free a lane, from the executor's thread; the loop may have ended since."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(free.put_nowait, lane)


@lru_cache(maxsize=4)
def _featurizer(identifier: str, parameters: str) -> Featurizer:
    return create(identifier, loads(parameters))


def _featurize(identifier: str, parameters: str, records: Records) -> Timed:
    """What a process does."""
    featurizer = _featurizer(identifier, parameters)
    started = perf_counter()
    return featurizer.featurize(records), perf_counter() - started
