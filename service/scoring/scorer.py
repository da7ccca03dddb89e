"""Scores one piece of a file: raw records in, results as text out."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.cutoffs import CutOffs
from models.bundle.loading import Bundle, open_bundle
from models.health.detector import Detector
from models.networks.outputs import MEMBER_LOGIT
from service.errors import ScoreRefused
from service.inference.answers.decision import Decision
from service.inference.backend.device import Device
from service.inference.backend.onnx_session import Session, open_session
from service.inference.results import results_of
from service.tables import OutputLayout, Parser, Raw, RecordSchema, Source, Writer, writer

#: Of rows like the training data one in a hundred has a p-value below this.
UNLIKE_P = 0.01
#: Rows in one run of the network; always the same split, so that equal rows give equal numbers.
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Job:
    """All that determines the results of a file. It can be pickled and hashed.

    ``kind`` is the kind of the file, ``output_kind`` that of the results. ``piece`` is the number of
    records per piece. It determines which rows are computed together, so that all engines give the
    same bytes.
    """

    file: Path
    kind: str
    parser: Parser
    schema: RecordSchema
    piece: int
    bundle: Path
    device: Device
    output_kind: str
    layout: OutputLayout
    #: Whether records that the model cannot judge get numbers, too.
    ignore_applicability: bool = False
    cut_offs: CutOffs | None = None
    interval: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """The results of a piece as text, its number of rows, and how many of them are errors.

    ``judged`` rows have a p-value, ``unlike`` of them one below ``UNLIKE_P``.
    """

    content: bytes
    rows: int
    errors: int
    judged: int = 0
    unlike: int = 0


#: Scored pieces in order, each with the position in the source after it.
Pieces = Generator[tuple[int, Scored]]

#: Scores the rest of a source with so many processes, by default one per core. Raises
#: ``MalformedInput`` after all that could be read, and ``ScoreRefused``.
Engine = Callable[[Source, Job, int | None], Pieces]


@dataclass(frozen=True, slots=True)
class Model:
    """A verified bundle and a session of it that has reproduced its golden rows."""

    bundle: Bundle
    session: Session
    #: None for a graph without taps, whose rows have no p-value.
    detector: Detector | None

    @property
    def schema(self) -> RecordSchema:
        """The schema of the model's records."""
        return RecordSchema.of(self.bundle.featurizer)

    def results(
        self,
        records: Sequence[Any],
        *,
        ignore_applicability: bool = False,
        decision: Decision | None = None,
    ) -> list[dict[str, object]]:
        """Return one result per record, in order; a repeated molecule is computed once."""
        manifest, is_smiles = self.bundle.manifest, self.schema.is_smiles
        # Records that are not strings all have the same error.
        keys = [record if isinstance(record, str) else None for record in records] if is_smiles else ()
        distinct = list(dict.fromkeys(keys))
        repeats = is_smiles and len(distinct) < len(records)
        to_read = distinct if repeats else records
        features = self.bundle.featurizer.featurize(to_read)
        features = features.judged(ignore_applicability=ignore_applicability)
        results = results_of(
            to_read,
            features.outcomes,
            self._run(features.rows) if len(features.rows) else {},
            manifest.target_names,
            decision or Decision.of(self.bundle),
            echo=is_smiles,
            exclusive=manifest.exclusive,
        )
        if not repeats:
            return results
        result_of = dict(zip(distinct, results, strict=True))
        return [dict(result_of[key]) for key in keys]

    def _run(self, rows: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        parts = [self.session.run(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
        wanted = (*self.bundle.manifest.outputs[:-1], MEMBER_LOGIT)
        names = [name for name in wanted if name in parts[0]]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in names}
        if self.detector is not None:
            marks = [self.detector.marks(part) for part in parts]
            outputs["p_value"] = np.concatenate([p_values for p_values, _ in marks])
            outputs["suspect"] = np.concatenate([suspect for _, suspect in marks])
        return outputs


def open_model(folder: Path, device: Device) -> Model:
    """Open and verify a bundle, and create a session that reproduces its golden rows.

    Raises ``BundleRefused`` or ``DeviceUnavailable``.
    """
    bundle = open_bundle(folder)
    session = open_session(bundle.model, device)
    bundle.check_golden(session.run)
    reference = bundle.reference
    detector = None if reference is None else Detector(reference)
    return Model(bundle, session, detector)


@lru_cache(maxsize=1)
def _opened(job: Job) -> tuple[Model, Decision, Writer]:
    """Return the model, what decides its calls, and the writer of a job; one is cached per process."""
    model = open_model(job.bundle, job.device)
    decision = Decision.of(model.bundle, job.cut_offs, interval=job.interval)
    return model, decision, writer(job.output_kind, job.layout)


def score(job: Job, raw: Raw) -> Scored:
    """Score one raw piece; raises ``ScoreRefused`` for any error."""
    try:
        model, decision, results_writer = _opened(job)
        piece, found = job.parser.parse(raw), list[dict[str, object]]()
        if piece.records:
            ignore = job.ignore_applicability
            found = model.results(piece.records, ignore_applicability=ignore, decision=decision)
        results = piece.in_place(found)
        content = results_writer.rows(piece.carried, results, first=False) if results else b""
    except Exception as error:  # an error of another type may not be picklable
        raise ScoreRefused(
            f"a piece could not be scored: {type(error).__name__}: {error}. What was scored before is"
            " kept; the same command goes on from there"
        ) from error
    values: list[Any] = [p_value for result in results if (p_value := result.get("p_value")) is not None]
    return Scored(
        content,
        len(results),
        sum(result["status"] == "error" for result in results),
        judged=len(values),
        unlike=sum(value < UNLIKE_P for value in values),
    )
