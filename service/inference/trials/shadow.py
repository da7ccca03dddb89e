"""Computes what one version has answered by another version too, whenever there is time.

The rows wait in a short queue for a thread of their own. The requests never wait for it: rows that find
the queue full are dropped, and counted. The thread computes few rows at a time and rests as long as it
has worked; while rows wait for the version that answers, it does nothing.
"""

from collections import deque
from collections.abc import Sequence
from threading import Event, Lock, Thread
from time import perf_counter, thread_time

import numpy as np

from service.health.row_owner import RowOwner
from service.inference.queue import Outputs, Rows
from service.inference.served_models import ServedModel
from service.inference.trials.comparison import Comparison, Computed
from service.observability.logs import get_logger, place_of

#: Rows that wait at most.
ROOM = 1024
#: Rows of one run: a run of these takes a few milliseconds of large networks.
_RUN_ROWS = 64
#: Seconds after which the thread looks again, and while fewer rows wait than one run takes: those that
#: come one by one are computed together, so that fewer requests of the champion meet a run.
_PAUSE_SECONDS, _GATHER_SECONDS = 0.02, 0.1

_log = get_logger()


class Shadow:
    """The thread of one trial; ``other`` computes what ``answered`` has answered."""

    def __init__(
        self,
        answered: ServedModel,
        other: ServedModel,
        comparison: Comparison,
        *,
        answers_first: bool,
    ) -> None:
        """``answers_first``: what has answered is the champion."""
        self.other = other
        self._answered, self._comparison, self._answers_first = answered, comparison, answers_first
        self._jobs: deque[Computed] = deque()
        self._waiting = 0
        self._lock = Lock()
        self._wake, self._stopping = Event(), Event()
        self._thread = Thread(target=self._work, name=f"trial-{other.label}", daemon=True)
        self._thread.start()

    def offer(self, rows: Rows, parts: Sequence[RowOwner], outputs: Outputs, seconds: float) -> None:
        """Have a batch (n, F) computed, that took ``seconds``, if there is room; never waits."""
        count = len(rows)
        with self._lock:
            if self._waiting + count > ROOM:
                self._comparison.shed(count)
                return
            self._waiting += count
            self._jobs.append(Computed(rows, parts, outputs, seconds))
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """End the thread, and wait for it."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        while self._wake.wait() and not self._stopping.is_set():
            self._wake.clear()
            while self._jobs and not self._stopping.wait(self._pause()):
                if self._answered.batcher.waiting:
                    continue
                started = perf_counter()
                try:
                    self._compute(self._take())
                except Exception as error:  # noqa: BLE001 - counted; the trial goes on
                    self._comparison.failed()
                    _log.error("trial failed", model=self.other.label, place=place_of(error))
                self._stopping.wait(perf_counter() - started)

    def _pause(self) -> float:
        return _PAUSE_SECONDS if self._waiting >= _RUN_ROWS else _GATHER_SECONDS

    def _take(self) -> list[Computed]:
        """Return the oldest jobs, at most ``_RUN_ROWS`` rows of them, or one."""
        jobs, rows = list[Computed](), 0
        with self._lock:
            while self._jobs and (not jobs or rows + len(self._jobs[0].rows) <= _RUN_ROWS):
                job = self._jobs.popleft()
                jobs.append(job)
                rows += len(job.rows)
            self._waiting -= rows
        return jobs

    def _compute(self, jobs: list[Computed]) -> None:
        names = jobs[0].outputs.keys()
        answered = Computed(
            np.concatenate([job.rows for job in jobs]),
            [part for job in jobs for part in job.parts],
            {name: np.concatenate([job.outputs[name] for job in jobs]) for name in names},
            sum(job.seconds for job in jobs),
        )
        started = thread_time()
        outputs = self._run(answered.rows)
        computed = Computed(answered.rows, answered.parts, outputs, thread_time() - started)
        both = (answered, computed) if self._answers_first else (computed, answered)
        self._comparison.add(*both)

    def _run(self, rows: Rows) -> Outputs:
        """Run the other version; a GPU's session only in the one thread that it has."""
        session, lane = self.other.session, self.other.lane
        return {**(lane.submit(session.run, rows).result() if session.may_block else session.run(rows))}
