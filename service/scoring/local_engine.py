"""The engine for one machine: one process per core."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from models.cores import cores
from service.errors import MalformedInput, ScoreRefused
from service.inference.processes import ProcessPool
from service.scoring.scorer import Job, Pieces, Scored, score
from service.tables import Source

#: Pieces in progress per process: one that it scores, one that waits for it, one to be written.
_AHEAD = 3


def pieces(source: Source, job: Job, workers: int | None) -> Pieces:
    """Score the rest of a source; ``workers`` None is one process per core.

    Raises ``ScoreRefused`` if a piece fails or two processes die during it, ``OSError`` if no process
    can be started, and ``MalformedInput`` after all that could be read.
    """
    workers = workers or cores()
    pool = ProcessPool(workers)
    try:
        submitted = _submitted(source, job, pool)
        waiting = deque(islice(submitted, _AHEAD * workers))
        while waiting:
            end, future = waiting.popleft()
            yield end, future.result()
            waiting.extend(islice(submitted, 1))
    except BrokenProcessPool:
        raise ScoreRefused(
            "a process ended without a word, twice over the same rows: out of memory, or killed. The"
            " same command goes on from here; fewer --workers need less"
        ) from None
    finally:
        pool.close()


def _submitted(source: Source, job: Job, pool: ProcessPool) -> Iterator[tuple[int, Future[Scored]]]:
    """Submit and yield a piece at a time; the last one has failed if the source cannot be read on."""
    try:
        while raw := source.take(job.piece):
            yield source.position, pool.submit(score, job, raw)
    except MalformedInput as error:
        failed: Future[Scored] = Future()
        failed.set_exception(error)
        yield source.position, failed
