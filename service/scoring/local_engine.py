"""The engine of one machine: a process for each core."""

from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from service.errors import MalformedInput, ScoreRefused
from service.inference import processes
from service.scoring import scorer
from service.scoring.scorer import Job, Scored
from service.scoring.work import Pieces, Work
from service.tables import Raw

#: Pieces on their way for each process: one that it has, one that waits for it, one to be written.
_AHEAD = 3


def pieces(work: Work) -> Pieces:
    """Score what is left; ``ScoreRefused`` if a piece ends the process that has it, twice."""
    malformed: MalformedInput | None = None
    waiting: deque[tuple[Raw, int, Future[Scored]]] = deque()
    rows, ended, workers = 0, False, work.workers or processes.cores()
    pool = _pool(work.job, workers)
    try:
        while True:
            while not ended and len(waiting) < _AHEAD * workers:
                try:
                    raw = work.source.take(work.piece)
                except MalformedInput as error:
                    malformed, raw = error, []
                ended = not raw
                if raw:
                    waiting.append((raw, work.source.position, pool.submit(scorer.score, raw)))
            if not waiting:
                break
            raw, end, future = waiting.popleft()
            try:
                scored = future.result()
            except BrokenProcessPool:
                pool.shutdown(cancel_futures=True)
                scored = _alone(work.job, raw, rows)
                pool = _pool(work.job, workers)
                waiting = deque((raw, end, pool.submit(scorer.score, raw)) for raw, end, _ in waiting)
            rows += scored.rows
            yield end, scored
    finally:
        pool.shutdown(cancel_futures=True)
    if malformed is not None:
        raise malformed


def _pool(job: Job, workers: int) -> ProcessPoolExecutor:
    return processes.pool(workers, scorer.prepare, job)


def _alone(job: Job, raw: Raw, before: int) -> Scored:
    """Score the piece that was due when a process ended; ``ScoreRefused`` if it ends again."""
    with _pool(job, 1) as pool:
        try:
            return pool.submit(scorer.score, raw).result()
        except BrokenProcessPool:
            raise ScoreRefused(
                f"a process ended without a word, twice, {before} rows after the start of this run: out"
                " of memory, or killed. The same command goes on from there; fewer --workers need less"
            ) from None
