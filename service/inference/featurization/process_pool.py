"""Processes that featurize large requests.

They start when they are first needed and end after a while without work.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from json import dumps, loads
from time import perf_counter

from models.domain.measured import MeasuredCompounds
from models.features import Features, Featurizer, create, within
from service.errors import DeadlineMissed, FeaturizingFailed
from service.inference.processes import ProcessPool

#: Seconds without work after which the processes end.
_IDLE_SECONDS = 60.0
#: A lower priority than the event loop's, which has little work but must do it at once.
_NICE = 5

Records = Sequence[object]
Timed = tuple[Features, float]
#: A featurizer's identifier, its parameters as JSON, and the identity of its domain, if it has one.
Key = tuple[str, str, str | None]

#: The featurizers of a process, the oldest first.
_featurizers: dict[Key, Featurizer] = {}
_MOST_FEATURIZERS = 4


class FeaturizerPool:
    """Featurizes in processes. All methods must be called on the event loop."""

    def __init__(self, workers: int) -> None:
        """``workers`` is the number of processes."""
        self.workers = workers
        self._pool: ProcessPool | None = None
        self._starting: asyncio.Task[None] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._busy = 0

    @property
    def ready(self) -> bool:
        """Whether the processes have started."""
        return self._pool is not None

    def start(self, featurizer: Featurizer) -> None:
        """Start the processes, unless they have started or are about to."""
        if self._pool is None and self._starting is None:
            self._starting = asyncio.create_task(self._start(featurizer))

    async def featurize(
        self, featurizer: Featurizer, records: Records, deadline: float | None = None
    ) -> Timed:
        """Featurize records in the next free process; also return the seconds that it took there.

        The pool must be ``ready``. ``deadline`` is a time of ``perf_counter``. Raises
        ``FeaturizingFailed`` if two processes die during the work, ``DeadlineMissed`` if no process was
        free before the deadline.
        """
        assert self._pool is not None
        self._busy += 1
        try:
            return await _featurized(self._pool, featurizer, records, deadline)
        except BrokenProcessPool:
            raise FeaturizingFailed(
                "a process that read these records ended without a word, and so did the next; smaller"
                " requests will show which of them it is"
            ) from None
        finally:
            self._busy -= 1
            self._end_later()

    def close(self) -> None:
        """End the processes; the work that waits for one is cancelled."""
        if self._starting is not None:
            self._starting.cancel()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    async def _start(self, featurizer: Featurizer) -> None:
        """Start the processes, and have each load RDKit and the featurizer, which takes a second."""
        pool = ProcessPool(self.workers, _NICE)
        work = asyncio.wrap_future
        try:
            await asyncio.gather(
                *(work(_submit(pool, featurizer, [], None, knows=False)) for _ in range(self.workers))
            )
        except (
            OSError,
            BrokenProcessPool,
            asyncio.CancelledError,
        ):  # not enough memory: the thread featurizes alone
            pool.close()
        else:
            self._pool = pool
            self._end_later()
        finally:
            self._starting = None

    def _end_later(self) -> None:
        """End the processes if there is no work for ``_IDLE_SECONDS`` from now."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if not self._busy:
            self.close()


async def _featurized(
    pool: ProcessPool, featurizer: Featurizer, records: Records, deadline: float | None
) -> Timed:
    """Featurize in the next free process, which is sent the domain if it does not know it yet.

    A domain has a megabyte: it is not sent with each piece.
    """
    for knows in (True, False):
        job = _submit(pool, featurizer, records, deadline, knows=knows)
        timed = await asyncio.wrap_future(job)
        if timed is not None:
            return timed
    raise AssertionError("a process that was sent the domain asks for it")


def _submit(
    pool: ProcessPool,
    featurizer: Featurizer,
    records: Records,
    deadline: float | None,
    *,
    knows: bool,
) -> Future[Timed | None]:
    domain = featurizer.domain
    key = (featurizer.identifier, dumps(featurizer.parameters), domain and domain.identity)
    content = None if domain is None or knows else domain.content
    return pool.submit(_featurize, key, content, records, deadline)


def _featurizer(key: Key, content: bytes | None) -> Featurizer | None:
    """Return this process's featurizer of a key; None if its domain is not known and has to be sent."""
    made = _featurizers.get(key)
    if made is None:
        identifier, parameters, domain = key
        if domain is not None and content is None:
            return None
        made = create(identifier, loads(parameters))
        if content is not None:
            made = within(made, MeasuredCompounds.from_bytes(content))
        while len(_featurizers) >= _MOST_FEATURIZERS:
            del _featurizers[next(iter(_featurizers))]
        _featurizers[key] = made
    return made


def _featurize(
    key: Key, content: bytes | None, records: Records, deadline: float | None
) -> Timed | None:
    """Featurize in a process; None if the featurizer's domain is not known here.

    ``perf_counter`` is the same clock in all processes of a machine.
    """
    featurizer = _featurizer(key, content)
    if featurizer is None:
        return None
    started = perf_counter()
    if deadline is not None and started > deadline:
        raise DeadlineMissed("the deadline passed before all records were read")
    return featurizer.featurize(records), perf_counter() - started
