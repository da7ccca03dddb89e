"""Scores a file: cuts it into pieces, has processes score them, writes the results in order."""

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from models.store import Repository
from service import processes
from service.errors import InvalidRequest, MalformedInput, ScoreRefused
from service.records import Layout, Raw, Source, kind_of, open_source, writer
from service.score import scorer
from service.score.journal import Journal
from service.score.scorer import Job, Scored, open_model
from service.session import Device

#: Rows in a piece: molecules take about a millisecond each, numbers next to nothing.
_MOLECULES, _NUMBERS = 256, 4096
#: Pieces on their way for each process: one that it has, one that waits for it, one to be written.
_AHEAD = 3
#: What a kill may cost is the work of so many seconds.
_MARK_SECONDS = 1.0
_HASH_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be scored, by what, and where to; ``version`` None is the champion."""

    file: Path
    output: Path
    model: str
    version: int | None = None
    workers: int = 1
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; ``position`` of ``size`` is in bytes or rows of the input."""

    position: int
    size: int
    rows: int
    errors: int


Report = Callable[[Progress], None]


def score_file(request: Request, repository: Repository, device: Device, report: Report) -> Progress:
    """Score a file, or go on with it; returns how it ended.

    Raises ``ServiceError`` or ``ModelError``: what is wrong, and what to do. What was scored before
    is kept, and the same call goes on from there.
    """
    kind, to = kind_of(request.file), kind_of(request.output)
    if to == "sdf":
        raise InvalidRequest("results cannot be written as SDF; choose .csv, .ndjson or .parquet")
    version = request.version or repository.serving(request.model).champion
    folder = repository.bundle(request.model, version)
    model = open_model(folder, device)
    form, manifest = model.form, model.bundle.manifest
    try:
        file = request.file.open("rb")
    except OSError as error:
        raise InvalidRequest(f"{request.file}: {error.strerror}") from error
    with file:
        source, parser = open_source(kind, file, form)
        columns = source.columns() if to != "ndjson" else ()
        targets = tuple(manifest.target_names)
        layout = Layout(
            manifest.name,
            str(version),
            targets,
            form.is_smiles,
            columns,
            source.schema,
            exclusive=manifest.exclusive,
        )
        head = writer(to, layout).head()
        piece = _MOLECULES if form.is_smiles else _NUMBERS
        run = {
            "format": 1,
            "input": _digest(file),
            "model": manifest.name,
            "version": version,
            "bundle": hashlib.sha256(manifest.model_dump_json().encode()).hexdigest(),
            "kind": f"{kind} to {to}",
            "piece": piece,
        }
        job = Job(folder, device, parser, to, layout)
        begun = request.file.stat()
        journal = Journal(request.output, run, overwrite=request.overwrite)
        try:
            if not journal.is_delivered:
                if journal.last is None:
                    journal.write(head)
                    journal.mark(source.position, 0, 0)
                _Run(source, journal, job, piece, request.workers, report).go()
                now = request.file.stat()
                if (now.st_size, now.st_mtime_ns) != (begun.st_size, begun.st_mtime_ns):
                    raise ScoreRefused(f"{request.file} was changed while it was scored; --overwrite")
                journal.deliver(_finish(to))
        except BaseException:
            journal.close()
            raise
        last = journal.last
        assert last is not None
        journal.close(remove=True)
        return Progress(source.size, source.size, last.rows, last.errors)


class _Run:
    """The work between the journal's last mark and the end of the input."""

    def __init__(
        self,
        source: Source,
        journal: Journal,
        job: Job,
        piece: int,
        workers: int,
        report: Report,
    ) -> None:
        self._source, self._journal, self._job, self._report = source, journal, job, report
        self._piece, self._workers = piece, workers
        assert journal.last is not None
        self._rows, self._errors = journal.last.rows, journal.last.errors
        source.seek(journal.last.position)

    def go(self) -> None:
        """Score everything that is left; ``MalformedInput`` comes after what could be read is safe."""
        malformed: MalformedInput | None = None
        waiting: deque[tuple[Raw, int, Future[Scored]]] = deque()
        ended, marked = False, monotonic()
        position = self._source.position
        pool = self._pool(self._workers)
        try:
            while True:
                while not ended and len(waiting) < _AHEAD * self._workers:
                    try:
                        raw = self._source.take(self._piece)
                    except MalformedInput as error:
                        malformed, raw = error, []
                    ended = not raw
                    if raw:
                        waiting.append((raw, self._source.position, pool.submit(scorer.score, raw)))
                if not waiting:
                    break
                raw, end, future = waiting.popleft()
                try:
                    scored = future.result()
                except BrokenProcessPool:
                    pool.shutdown(cancel_futures=True)
                    scored = self._alone(raw)
                    pool = self._pool(self._workers)
                    waiting = deque(
                        (raw, end, pool.submit(scorer.score, raw)) for raw, end, _ in waiting
                    )
                self._journal.write(scored.content)
                self._rows += scored.rows
                self._errors += scored.errors
                position = end
                if monotonic() - marked > _MARK_SECONDS:
                    self._journal.mark(position, self._rows, self._errors)
                    marked = monotonic()
                self._report(Progress(position, self._source.size, self._rows, self._errors))
        finally:
            pool.shutdown(cancel_futures=True)
        self._journal.mark(position, self._rows, self._errors, done=malformed is None)
        if malformed is not None:
            raise malformed

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        return processes.pool(workers, scorer.prepare, self._job)

    def _alone(self, raw: Raw) -> Scored:
        """Score the piece that was due when a process ended; ``ScoreRefused`` if it ends again."""
        with self._pool(1) as pool:
            try:
                return pool.submit(scorer.score, raw).result()
            except BrokenProcessPool:
                raise ScoreRefused(
                    f"a process ended without a word, twice, on the rows after {self._rows}: out of"
                    " memory, or killed. The same command goes on from there; fewer --workers need less"
                ) from None


def _finish(kind: str) -> Callable[[Path, Path], None] | None:
    if kind != "parquet":
        return None
    from service.records.parquet import to_parquet  # pyarrow is an extra

    return to_parquet


def _digest(file: BinaryIO) -> str:
    """The whole input's sha256; far quicker than scoring it, and it finds every change."""
    position = file.tell()
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(_HASH_BLOCK):
        digest.update(block)
    file.seek(position)
    return digest.hexdigest()
