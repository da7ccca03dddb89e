"""Raw records to predictions: featurize, then hand the rows to the model's batcher.

A record that cannot be read is answered in its own place. Featurizing that is quick happens where
it is asked for; the rest, molecules above all, goes in pieces to a thread, so that requests take
turns there and the event loop stays free. While one piece is computed the next is featurized, so
a request of any size holds the features of two pieces and no more.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from models.features import Features, Outcome
from service.batcher import Answer, Outputs
from service.catalog import Catalog, ServedModel
from service.errors import DeadlineMissed, InvalidRequest, Overloaded, TooLarge

#: Featurizing of no more than this many seconds stays on the event loop.
_INLINE_SECONDS = 0.001

#: Seconds of featurizing in one piece, and the fewest and most records of one. Long enough to make
#: the hops cheap, short enough that requests behind wait little.
_PIECE_SECONDS = 0.05
_FEWEST, _MOST = 8, 1024

#: Seconds of featurizing that may be waiting before more is turned away.
_BACKLOG_SECONDS = 20.0


@dataclass(slots=True)
class Stages:
    """Seconds that one request spent in each stage of the core."""

    featurize: float = 0.0
    queue: float = 0.0
    infer: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """What became of a request's records.

    ``outcomes`` has one entry per record; ``outputs`` one row per accepted record, in order, and is
    empty where none was accepted.
    """

    served: ServedModel
    outcomes: Sequence[Outcome]
    outputs: Outputs
    stages: Stages = field(default_factory=Stages)


class Predictor:
    """Answers requests for any served model."""

    def __init__(self, catalog: Catalog, max_rows: int) -> None:
        self._catalog = catalog
        self._max_rows = max_rows
        # One thread: RDKit holds the interpreter's lock, so a second would only take turns with it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="featurize")
        self._backlog_seconds = 0.0

    def close(self) -> None:
        """Let go of the featurizing thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def model(self, name: str) -> ServedModel:
        """Return what serves under a name; raises ``ModelNotFound`` or ``ModelNotReady``."""
        return self._catalog.get(name)

    def is_quick(self, served: ServedModel, records: Sequence[object]) -> bool:
        """Whether featurizing these records is short enough for the event loop."""
        return served.featurize_pace.expect(len(records)) <= _INLINE_SECONDS

    async def predict(
        self, served: ServedModel, records: Sequence[object], deadline: float | None = None
    ) -> Prediction:
        """Predict for at least one record, each answered in its place.

        What has not begun by ``deadline``, a time of ``perf_counter``, is not begun any more. Raises
        ``InvalidRequest`` for no record, ``TooLarge`` for too many, and what the batcher raises.
        """
        if len(records) == 0:  # an array of candidates has no truth value
            raise InvalidRequest("the list of records is empty; send at least one")
        if len(records) > self._max_rows:
            raise TooLarge(
                f"{len(records)} records in one request; the most is {self._max_rows},"
                " so send them in several"
            )
        served.leases.count += 1  # the model stays open until its last request is answered
        try:
            if self.is_quick(served, records):
                return await self._at_once(served, records, deadline)
            return await self._in_pieces(served, records, deadline)
        finally:
            served.leases.count -= 1

    async def _at_once(
        self, served: ServedModel, records: Sequence[object], deadline: float | None
    ) -> Prediction:
        started = perf_counter()
        features = _featurize(served, records)
        stages = Stages(featurize=perf_counter() - started)
        served.traffic.featurize.observe(stages.featurize)
        _count_rejected(served, features)
        if not len(features.rows):
            return Prediction(served, features.outcomes, {}, stages)
        answer = await served.batcher.run(features.rows, deadline=deadline)
        stages.queue, stages.infer = answer.queue_seconds, answer.compute_seconds
        return Prediction(served, features.outcomes, answer.outputs, stages)

    async def _in_pieces(
        self, served: ServedModel, records: Sequence[object], deadline: float | None
    ) -> Prediction:
        self._admit(deadline)
        expected = served.featurize_pace.expect(len(records)) / len(records)
        self._backlog_seconds += expected * len(records)
        stages, outcomes, answers = Stages(), list[Outcome](), list[Answer]()
        reading: deque[tuple[int, asyncio.Future[Features]]] = deque()
        computing: asyncio.Task[Answer] | None = None
        loop = asyncio.get_running_loop()
        asked = done = 0
        try:
            while done < len(records):
                # One piece more than is being read, so that the thread need not wait for the loop.
                while asked < len(records) and len(reading) < 2:
                    piece = records[asked : asked + _piece_size(served)]
                    job = loop.run_in_executor(self._thread, _featurize, served, piece, deadline)
                    reading.append((len(piece), job))
                    asked += len(piece)
                size, job = reading.popleft()
                started = perf_counter()
                features = await job
                stages.featurize += perf_counter() - started
                self._backlog_seconds -= expected * size
                done += size
                _count_rejected(served, features)
                outcomes += features.outcomes
                if computing is not None:
                    answers.append(await computing)
                    computing = None
                if len(features.rows):
                    run = served.batcher.run(features.rows, deadline=deadline, admitted=True)
                    computing = loop.create_task(run)
            if computing is not None:
                answers.append(await computing)
        finally:
            self._backlog_seconds -= expected * (len(records) - done)
            for _, job in reading:
                job.cancel()
            if computing is not None:
                computing.cancel()
        served.traffic.featurize.observe(stages.featurize)
        stages.queue = sum(answer.queue_seconds for answer in answers)
        stages.infer = sum(answer.compute_seconds for answer in answers)
        return Prediction(served, outcomes, _joined(answers), stages)

    def _admit(self, deadline: float | None) -> None:
        """Raise ``Overloaded`` where too much featurizing waits, or more than there is time for."""
        waiting = self._backlog_seconds
        if waiting > _BACKLOG_SECONDS or (deadline is not None and perf_counter() + waiting > deadline):
            raise Overloaded(f"{waiting:.1f} s of featurizing are waiting", waiting)


def _featurize(
    served: ServedModel, records: Sequence[object], deadline: float | None = None
) -> Features:
    started = perf_counter()
    if deadline is not None and started > deadline:
        raise DeadlineMissed("the deadline passed before all records were read")
    features = served.bundle.featurizer.featurize(records)
    served.featurize_pace.learn(len(records), perf_counter() - started)
    return features


def _piece_size(served: ServedModel) -> int:
    per_record = served.featurize_pace.expect(_FEWEST) / _FEWEST
    return min(_MOST, max(_FEWEST, int(_PIECE_SECONDS / max(per_record, 1e-9))))


def _count_rejected(served: ServedModel, features: Features) -> None:
    rejected = len(features.outcomes) - len(features.rows)
    if rejected:
        served.traffic.rejected["unreadable"] += rejected


def _joined(answers: list[Answer]) -> Outputs:
    if len(answers) <= 1:
        return answers[0].outputs if answers else {}
    names = answers[0].outputs
    return {name: np.concatenate([answer.outputs[name] for answer in answers]) for name in names}
