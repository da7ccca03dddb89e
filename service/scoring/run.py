"""Scores a file: has an engine score it in pieces, writes the results in order."""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from models.registry.store import Repository
from service.errors import InvalidRequest, MalformedInput, ScoreRefused
from service.inference.backend.device import Device
from service.scoring import local_engine, ray_engine
from service.scoring.checkpoint import Checkpoint
from service.scoring.scorer import Job, open_model
from service.scoring.work import Engine, Work
from service.tables import OutputLayout, kind_of, open_source, writer

#: Rows in a piece: molecules take about a millisecond each, numbers next to nothing.
_MOLECULES, _NUMBERS = 256, 4096
#: What a kill may cost is the work of so many seconds.
_MARK_SECONDS = 1.0
_HASH_BLOCK = 1024 * 1024

ENGINES: dict[str, Engine] = {"local": local_engine.pieces, "ray": ray_engine.pieces}


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be scored, by what, and where to; ``version`` None is the champion."""

    file: Path
    output: Path
    model: str
    version: int | None = None
    workers: int | None = None
    overwrite: bool = False
    engine: str = "local"


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
        layout = OutputLayout(
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
        job = Job(folder.resolve(), device, parser, to, layout)
        path = request.file.resolve()
        work = Work(path, kind, form, source, job, piece, request.workers)
        begun = request.file.stat()
        journal = Checkpoint(request.output, run, overwrite=request.overwrite)
        try:
            if not journal.is_delivered:
                if journal.last is None:
                    journal.write(head)
                    journal.mark(source.position, 0, 0)
                _go(work, ENGINES[request.engine], journal, report)
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


def _go(work: Work, engine: Engine, journal: Checkpoint, report: Report) -> None:
    """Write everything after the journal's last mark.

    ``MalformedInput`` comes after what could be read is safe.
    """
    last, malformed, marked = journal.last, None, monotonic()
    assert last is not None
    position, rows, errors = last.position, last.rows, last.errors
    work.source.seek(position)
    with closing(engine(work)) as pieces:
        try:
            for end, scored in pieces:
                journal.write(scored.content)
                position, rows, errors = end, rows + scored.rows, errors + scored.errors
                if monotonic() - marked > _MARK_SECONDS:
                    journal.mark(position, rows, errors)
                    marked = monotonic()
                report(Progress(position, work.source.size, rows, errors))
        except MalformedInput as error:
            malformed = error
    journal.mark(position, rows, errors, done=malformed is None)
    if malformed is not None:
        raise malformed


def _finish(kind: str) -> Callable[[Path, Path], None] | None:
    if kind != "parquet":
        return None
    from service.tables.parquet import to_parquet  # pyarrow is an extra

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
