"""Scores a file: an engine scores it in pieces, and the results are written in order."""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, cast

from models.bundle.cutoffs import CutOffs
from models.features.tabular.candidate_tables import table_warnings
from models.registry.store import Repository
from service.errors import InvalidRequest, MalformedInput, ScoreRefused
from service.inference.answers.decision import Decision
from service.inference.backend.device import Device
from service.scoring import local_engine, ray_engine
from service.scoring.checkpoint import Checkpoint
from service.scoring.ranking import ranking
from service.scoring.scorer import Engine, Job, Pieces, open_model
from service.scoring.suggestion import advice, models_that_take
from service.tables import (
    OutputLayout,
    RecordSchema,
    ResultColumns,
    Source,
    kind_of,
    open_file,
    open_source,
    output_kind_of,
    writer,
)

#: Rows in a piece: a molecule takes about a millisecond, a row of numbers a few microseconds.
_MOLECULES, _NUMBERS = 256, 4096
#: Seconds of work that a kill may lose.
_MARK_SECONDS = 1.0

ENGINES: dict[str, Engine] = {"local": local_engine.pieces, "ray": ray_engine.pieces}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; ``position`` of ``size`` is in bytes or rows of the input."""

    position: int
    size: int
    rows: int
    errors: int
    #: Rows that have a p-value, and those of them that are unlike the training data (``UNLIKE_P``).
    judged: int = 0
    unlike: int = 0
    #: What is odd about the first records together.
    warnings: tuple[str, ...] = ()
    #: At the end of a run that was asked for its own cut-offs: by target the thresholds that they are.
    thresholds: dict[str, float] | None = None


Report = Callable[[Progress], None]


def score_file(
    path: Path,
    output: Path,
    model_name: str,
    version: int | None,
    repository: Repository,
    device: Device,
    report: Report,
    *,
    workers: int | None = None,
    engine: str = "local",
    overwrite: bool = False,
    ignore_applicability: bool = False,
    smiles_column: str | None = None,
    result_columns: ResultColumns = "refuse",
    cut_offs: CutOffs | None = None,
    interval: bool = False,
    sort: str | None = None,
) -> Progress:
    """Score a file, or continue an earlier run; return the final progress.

    ``version`` None is the champion, ``workers`` None is one process per core. ``report`` is called
    after each piece. ``ignore_applicability`` asks for numbers for what the model cannot judge, too.
    ``smiles_column`` names the column of SMILES where its name does not tell; ``result_columns`` says
    what becomes of columns that are named as a result's. ``cut_offs`` replace the model's own, and
    ``interval`` asks for intervals; ``sort`` is the target by whose probability results are ranked.
    Raises ``ServiceError``, ``ModelError`` or
    ``OSError`` with what is wrong and what to do; the same call then continues from the last piece that
    was scored.
    """
    kind, output_kind = kind_of(path), output_kind_of(output)
    version = version or repository.serving(model_name).champion
    folder = repository.bundle(model_name, version)
    model = open_model(folder, device)
    manifest = model.bundle.manifest
    schema = RecordSchema.of(model.bundle.featurizer, smiles_column)
    try:
        file = open_file(path)
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror or error}") from error
    with file:
        digest = hashlib.file_digest(cast(Any, file), "sha256").hexdigest()  # far quicker than scoring
        file.seek(0)
        before = path.stat()
        try:
            source, parser = open_source(kind, file, schema)
        except InvalidRequest as error:
            others = models_that_take(kind, file, repository, model_name)
            raise InvalidRequest(f"{error}{advice(others)}") from error
        decision = Decision.of(model.bundle, cut_offs, interval=interval)
        layout = OutputLayout(
            manifest.name,
            str(version),
            tuple(manifest.target_names),
            schema.is_smiles,
            source.columns() if output_kind != "ndjson" else (),
            source.schema,
            exclusive=manifest.exclusive,
            judges=model.bundle.featurizer.judges_applicability,
            has_levels=decision.levels is not None,
            has_intervals=decision.gives_intervals,
            quantities=manifest.is_regression,
            has_bounds=model.bundle.marks_rows,
            has_domain=model.bundle.featurizer.domain is not None,
            result_columns=result_columns,
            features=frozenset(schema.names or ()),
        )
        finish = _finish(output_kind) if sort is None else ranking(output_kind, layout, sort)
        piece = _MOLECULES if schema.is_smiles else _NUMBERS
        job = Job(
            path.resolve(),
            kind,
            parser,
            schema,
            piece,
            folder.resolve(),
            device,
            output_kind,
            layout,
            ignore_applicability,
            cut_offs,
            interval,
        )
        head = writer(output_kind, layout).head()
        run = {
            "format": 1,
            "input": digest,
            "model": manifest.name,
            "version": version,
            "bundle": hashlib.sha256(manifest.model_dump_json().encode()).hexdigest(),
            "kind": f"{kind} to {output_kind}",
            "piece": piece,
        }
        asked = {
            "applicability": "ignore" if ignore_applicability else None,
            "smiles_column": smiles_column,
            "result_columns": None if result_columns == "refuse" else result_columns,
            "cut_offs": cut_offs and f"{cut_offs.by} {cut_offs.value}",
            "interval": interval or None,
            "sort": sort,
        }
        run |= {name: value for name, value in asked.items() if value is not None}
        odd = _warnings(source, job)
        with closing(Checkpoint(output, run, overwrite=overwrite)) as checkpoint:
            if not checkpoint.is_delivered:
                if checkpoint.last is None:
                    checkpoint.write(head)
                    checkpoint.mark(source.position, 0, 0)
                _score_rest(source, ENGINES[engine](source, job, workers), checkpoint, report)
                after = path.stat()
                if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                    raise ScoreRefused(f"{path} was changed while it was scored; --overwrite")
                checkpoint.deliver(finish)
            checkpoint.close(remove=True)
            assert checkpoint.last is not None
            used = dict(zip(manifest.target_names, decision.thresholds.tolist(), strict=True))
            last = checkpoint.last
            return Progress(
                source.size,
                source.size,
                last.rows,
                last.errors,
                last.judged,
                last.unlike,
                odd,
                used if decision.asked else None,
            )


def _warnings(source: Source, job: Job) -> tuple[str, ...]:
    """What is odd about the first records of a table of candidates together."""
    if not job.schema.is_candidate:
        return ()
    start = source.position
    try:
        raw = source.take(job.piece)
    except MalformedInput:  # told when it is scored
        raw = []
    source.seek(start)
    records = job.parser.parse(raw).records
    return tuple(each.message for each in table_warnings(job.schema.names or (), records))


def _score_rest(source: Source, pieces: Pieces, checkpoint: Checkpoint, report: Report) -> None:
    """Write all results after the last mark; if the engine raises, what it has scored is marked."""
    last, marked = checkpoint.last, monotonic()
    assert last is not None
    position, rows, errors = last.position, last.rows, last.errors
    judged, unlike = last.judged, last.unlike
    source.seek(position)
    try:
        with closing(pieces):
            for end, scored in pieces:
                checkpoint.write(scored.content)
                position, rows, errors = end, rows + scored.rows, errors + scored.errors
                judged, unlike = judged + scored.judged, unlike + scored.unlike
                if monotonic() - marked > _MARK_SECONDS:
                    checkpoint.mark(position, rows, errors, judged=judged, unlike=unlike)
                    marked = monotonic()
                report(Progress(position, source.size, rows, errors))
    except (MalformedInput, ScoreRefused):
        checkpoint.mark(position, rows, errors, judged=judged, unlike=unlike)
        raise
    checkpoint.mark(position, rows, errors, done=True, judged=judged, unlike=unlike)


def _finish(kind: str) -> Callable[[Path, Path], None] | None:
    if kind != "parquet":
        return None
    from service.tables.parquet import to_parquet  # pyarrow is an extra

    return to_parquet
