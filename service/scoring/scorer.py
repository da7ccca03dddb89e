"""One process's part of scoring a file: a raw piece in, its results as finished text out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle, open_bundle
from models.features import Outcome
from models.health.detector import Detector
from service.inference.backend.device import Device
from service.inference.backend.onnx_session import Session, open_session
from service.inference.results import results_of
from service.tables import OutputLayout, Parser, Raw, RecordSchema, writer

#: Rows in one run of the network; always the same cuts, so that the same rows give the same numbers.
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Job:
    """All that a process needs to know; can be pickled."""

    bundle: Path
    device: Device
    parser: Parser
    kind: str
    layout: OutputLayout


@dataclass(frozen=True, slots=True)
class Scored:
    """A piece's results as text, how many rows it had, and how many of them are errors."""

    content: bytes
    rows: int
    errors: int


@dataclass(frozen=True, slots=True)
class Model:
    """A verified bundle and a session of it that has reproduced its golden rows."""

    bundle: Bundle
    session: Session
    #: None where the graph gives no taps: rows have no p-value then.
    detector: Detector | None

    @property
    def form(self) -> RecordSchema:
        """What its records are."""
        return RecordSchema.of(self.bundle.featurizer)

    def results(self, records: Sequence[Any]) -> list[dict[str, object]]:
        """One result per record, in order; a record that is there twice is computed once."""
        form = self.form
        if form.is_smiles and len(distinct := list(dict.fromkeys(map(_key, records)))) < len(records):
            found = dict(zip(distinct, self._results(distinct, form), strict=True))
            return [dict(found[_key(record)]) for record in records]
        return self._results(records, form)

    def _results(self, records: Sequence[Any], form: RecordSchema) -> list[dict[str, object]]:
        features = self.bundle.featurizer.featurize(records)
        outcomes: list[Outcome] = features.outcomes
        outputs = self._run(features.rows) if len(features.rows) else {}
        manifest = self.bundle.manifest
        thresholds = np.array([target.threshold for target in manifest.targets])
        targets = manifest.target_names
        return results_of(
            records,
            outcomes,
            outputs,
            targets,
            thresholds,
            echo=form.is_smiles,
            exclusive=manifest.exclusive,
        )

    def _run(self, rows: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
        parts = [self.session.run(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
        outputs = {"probability": np.concatenate([part["probability"] for part in parts])}
        if self.detector is None:
            return outputs
        p_values = np.concatenate([self.detector.p_values(part) for part in parts])
        return outputs | {"p_value": p_values}


def open_model(folder: Path, device: Device) -> Model:
    """Open and verify a bundle; raises ``BundleRefused`` or ``DeviceUnavailable``."""
    bundle = open_bundle(folder)
    session = open_session(bundle.model, device)
    bundle.check_golden(session.run)
    reference = bundle.reference
    return Model(bundle, session, None if reference is None else Detector(reference))


class Scorer:
    """Scores pieces of one job."""

    def __init__(self, job: Job) -> None:
        self._parser, self._writer = job.parser, writer(job.kind, job.layout)
        self._model = open_model(job.bundle, job.device)

    def score(self, raw: Raw) -> Scored:
        """Score one raw piece."""
        piece = self._parser.parse(raw)
        results = piece.in_place(self._model.results(piece.records) if piece.records else [])
        errors = sum(result["status"] == "error" for result in results)
        content = self._writer.rows(piece.carried, results, first=False) if results else b""
        return Scored(content, len(results), errors)


def _key(record: object) -> object:
    """A record as a key: a string is its own, anything else is wrong in a way that its type tells."""
    return record if isinstance(record, str) else None


_scorer: Scorer | None = None


def prepare(job: Job) -> None:
    """What a process does first."""
    global _scorer  # noqa: PLW0603 - a process of a pool has nowhere else to keep it
    _scorer = Scorer(job)


def score(raw: Raw) -> Scored:
    """What it does with each piece."""
    assert _scorer is not None
    return _scorer.score(raw)
