"""One process's part of scoring a file: a raw piece in, its results as finished text out."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle, open_bundle
from models.health.detector import Detector
from models.health.streaming import StreamingDetector
from service.errors import ScoreRefused
from service.inference.backend.device import Device
from service.inference.backend.onnx_session import Session, open_session
from service.inference.results import results_of
from service.tables import OutputLayout, Parser, Raw, RecordSchema, Source, Writer, writer

#: Rows in one run of the network; always the same cuts, so that the same rows give the same numbers.
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Job:
    """What decides a file's results. Can be pickled and hashed.

    ``piece`` is how many records are scored at a time. It decides what is computed together, so
    engines with the same pieces give the same bytes.
    """

    file: Path
    kind: str
    parser: Parser
    form: RecordSchema
    piece: int
    bundle: Path
    device: Device
    output_kind: str
    layout: OutputLayout


@dataclass(frozen=True, slots=True)
class Scored:
    """A piece's results as text, how many rows it had, and how many of them are errors."""

    content: bytes
    rows: int
    errors: int


#: Scored pieces in order, each with the position in the source at which it ended.
Pieces = Generator[tuple[int, Scored]]

#: Scores what is left of a source, with so many processes, or one for each core. ``MalformedInput``
#: comes after all that could be read.
Engine = Callable[[Source, Job, int | None], Pieces]


@dataclass(frozen=True, slots=True)
class Model:
    """A verified bundle and a session of it that has reproduced its golden rows."""

    bundle: Bundle
    session: Session
    #: None where the graph gives no taps: rows have no p-value then.
    detector: StreamingDetector | None

    @property
    def form(self) -> RecordSchema:
        """What its records are."""
        return RecordSchema.of(self.bundle.featurizer)

    def results(self, records: Sequence[Any]) -> list[dict[str, object]]:
        """One result per record, in order; a molecule that is there twice is computed once."""
        manifest, is_smiles = self.bundle.manifest, self.form.is_smiles
        # What is no string is wrong in the same way whatever it is.
        keys = [record if isinstance(record, str) else None for record in records] if is_smiles else ()
        distinct = list(dict.fromkeys(keys))
        repeats = is_smiles and len(distinct) < len(records)
        to_read = distinct if repeats else records
        features = self.bundle.featurizer.featurize(to_read)
        results = results_of(
            to_read,
            features.outcomes,
            self._run(features.rows) if len(features.rows) else {},
            manifest.target_names,
            np.array([target.threshold for target in manifest.targets]),
            echo=is_smiles,
            exclusive=manifest.exclusive,
        )
        if not repeats:
            return results
        result_of = dict(zip(distinct, results, strict=True))
        return [dict(result_of[key]) for key in keys]

    def _run(self, rows: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
        parts = [self.session.run(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
        outputs = {"probability": np.concatenate([part["probability"] for part in parts])}
        if self.detector is not None:
            outputs["p_value"] = np.concatenate([self.detector.p_values(part) for part in parts])
        return outputs


def open_model(folder: Path, device: Device) -> Model:
    """Open and verify a bundle; raises ``BundleRefused`` or ``DeviceUnavailable``."""
    bundle = open_bundle(folder)
    session = open_session(bundle.model, device)
    bundle.check_golden(session.run)
    reference = bundle.reference
    detector = None if reference is None else StreamingDetector(Detector.of(reference))
    return Model(bundle, session, detector)


@lru_cache(maxsize=1)
def _opened(job: Job) -> tuple[Model, Writer]:
    """What this process needs for every piece of a job."""
    return open_model(job.bundle, job.device), writer(job.output_kind, job.layout)


def score(job: Job, raw: Raw) -> Scored:
    """Score one raw piece; raises ``ScoreRefused`` for whatever goes wrong."""
    try:
        model, to = _opened(job)
        piece = job.parser.parse(raw)
        results = piece.in_place(model.results(piece.records) if piece.records else [])
        content = to.rows(piece.carried, results, first=False) if results else b""
    except Exception as error:  # others may not survive the way to another process
        raise ScoreRefused(
            f"a piece could not be scored: {type(error).__name__}: {error}. What was scored before is"
            " kept; the same command goes on from there"
        ) from error
    return Scored(content, len(results), sum(result["status"] == "error" for result in results))
