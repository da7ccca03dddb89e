"""Raw records to predictions: featurize the records, then pass the rows to the model's batcher.

A record that cannot be featurized is rejected by itself, and its neighbours are predicted. Quick
featurizing happens on the event loop. The rest, mostly of molecules, goes in pieces to a thread, or to
processes if it is much. The thread prefers short requests to long ones. While one piece is featurized,
the rows of earlier pieces are computed, so that any request has the features of a few runs in memory.
"""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

from models.features import Features, NotApplicable, Outcome, Rejected
from service.errors import DeadlineMissed, InvalidRequest, Overloaded, TooLarge
from service.health.row_owner import Requester
from service.inference.answers.repetitions import repeated, without_repetitions
from service.inference.batch_pipeline import BatchPipeline
from service.inference.featurization.executor import FeaturizationExecutor
from service.inference.queue import Outputs
from service.inference.served_models import ServedModel, ServedModels

#: Whether records that a model cannot judge are answered so, or with the numbers that it gives for them.
Applicability = Literal["judge", "ignore"]

#: Featurizing that is expected to take up to so many seconds stays on the event loop.
_INLINE_SECONDS = 0.001

#: Seconds of featurizing from which a request is large and goes to processes; 256 molecules take less.
_LARGE_SECONDS = 0.5
#: Requests of up to so many records are looked up in the cache on the event loop.
_FEW = 4

#: Seconds of featurizing in one piece, and the fewest and most records of one. Pieces are so long that
#: passing them on costs little, and so short that the requests behind them wait little.
_PIECE_SECONDS = 0.05
_FEWEST, _MOST = 8, 1024

#: A request overtakes longer ones that arrived before it by up to so many times the difference of
#: their featurizing.
_PATIENCE = 4.0

#: Seconds of featurizing that may wait before more is refused.
_BACKLOG_SECONDS = 20.0


@dataclass(slots=True)
class Stages:
    """Seconds that one request spent in each stage."""

    featurize: float = 0.0
    queue: float = 0.0
    infer: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predictions for one request's records.

    ``outcomes`` has one entry per record. ``outputs`` has one row per accepted record, in order; it is
    empty if no record was accepted. A record that is not applicable has none.
    """

    served: ServedModel
    outcomes: Sequence[Outcome]
    outputs: Outputs
    stages: Stages = field(default_factory=Stages)


class Predictor:
    """Predicts for any served model."""

    def __init__(
        self,
        served_models: ServedModels,
        max_rows: int,
        executor: FeaturizationExecutor | None = None,
        *,
        applicability: Applicability = "judge",
    ) -> None:
        """``max_rows`` is the most records per request; without ``executor`` there is no cache.

        ``applicability`` is for the requests that do not say it.
        """
        #: Of the requests that do not say it.
        self.applicability: Applicability = applicability
        self._served_models = served_models
        self._max_rows = max_rows
        self._executor = executor or FeaturizationExecutor(workers=0, cache_bytes=0)
        #: Seconds of featurizing that wait, for the thread (False) and for the processes (True).
        self._backlog = {False: 0.0, True: 0.0}

    def close(self) -> None:
        """End the featurizing thread and processes."""
        self._executor.close()

    def model(self, name: str) -> ServedModel:
        """Return the served model of a name; raises ``ModelNotFound`` or ``ModelNotReady``."""
        return self._served_models.get(name)

    def is_quick(self, served: ServedModel, records: Sequence[object]) -> bool:
        """Whether featurizing these records is short enough for the event loop."""
        if served.featurize_pace.expect(len(records)) <= _INLINE_SECONDS:
            return True
        return len(records) <= _FEW and self._executor.knows(served.bundle.featurizer, records)

    def featurized_at_once(self, served: ServedModel, records: Sequence[object]) -> Features:
        """Featurize records on the event loop; only for records that are quick."""
        return self._executor.at_once(served.bundle.featurizer, served.featurize_pace, records)

    async def predict(
        self,
        served: ServedModel,
        records: Sequence[object],
        deadline: float | None = None,
        request: Requester | None = None,
        *,
        applicability: Applicability | None = None,
    ) -> Prediction:
        """Predict for one or more records; ``request`` tells whose rows they are.

        Work that has not begun by ``deadline``, a time of ``perf_counter``, is not begun. Raises
        ``InvalidRequest`` if there is no record, ``TooLarge`` if there are too many, ``Overloaded`` if
        too much work waits, and ``DeadlineMissed``, ``FeaturizingFailed`` or ``InferenceFailed``.
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
            ignore = (applicability or self.applicability) == "ignore"
            if self.is_quick(served, records):
                return await self._at_once(served, records, deadline, request, ignore)
            distinct = without_repetitions(records) if served.takes_smiles else records
            prediction = await self._in_pieces(served, distinct, deadline, request, ignore)
            if len(distinct) == len(records):
                return prediction
            outcomes, outputs = repeated(prediction.outcomes, prediction.outputs, distinct, records)
            return Prediction(served, outcomes, outputs, prediction.stages)
        finally:
            served.leases.count -= 1

    async def _at_once(
        self,
        served: ServedModel,
        records: Sequence[object],
        deadline: float | None,
        request: Requester | None,
        ignore_applicability: bool,
    ) -> Prediction:
        started = perf_counter()
        features = self.featurized_at_once(served, records)
        if served.bundle.featurizer.judges_applicability:
            features = features.judged(ignore_applicability=ignore_applicability)
        stages = Stages(featurize=perf_counter() - started)
        served.traffic.featurize.observe(stages.featurize)
        _count_rejected(served, features)
        if not len(features.rows):
            return Prediction(served, features.outcomes, {}, stages)
        answer = await served.batcher.run(features.rows, deadline=deadline, request=request)
        stages.queue, stages.infer = answer.queue_seconds, answer.compute_seconds
        return Prediction(served, features.outcomes, answer.outputs, stages)

    async def _in_pieces(
        self,
        served: ServedModel,
        records: Sequence[object],
        deadline: float | None,
        request: Requester | None,
        ignore_applicability: bool,
    ) -> Prediction:
        featurizer, latency = served.bundle.featurizer, served.featurize_pace
        expected = latency.expect(len(records))
        per_record, large = expected / len(records), expected >= _LARGE_SECONDS
        lanes = self._executor.lanes(featurizer, large=large)
        pooled = lanes > 1
        self._admit(pooled, lanes, deadline)
        urgency = perf_counter() + _PATIENCE * expected
        self._backlog[pooled] += expected
        stages, outcomes, runs = Stages(), list[Outcome](), BatchPipeline(served, deadline, request)
        reading: deque[tuple[int, asyncio.Task[Features]]] = deque()
        loop = asyncio.get_running_loop()
        asked = done = 0
        try:
            while done < len(records):
                # One piece more than is featurized at a time, so that no process is ever idle.
                lanes = self._executor.lanes(featurizer, large=large)
                while asked < len(records) and len(reading) <= lanes:
                    piece = records[asked : asked + _piece_size(served)]
                    work = self._executor.read(
                        featurizer, latency, piece, deadline, large=large, urgency=urgency
                    )
                    reading.append((len(piece), loop.create_task(work)))
                    asked += len(piece)
                size, job = reading.popleft()
                started = perf_counter()
                features = (await job).judged(ignore_applicability=ignore_applicability)
                stages.featurize += perf_counter() - started
                self._backlog[pooled] -= per_record * size
                done += size
                _count_rejected(served, features)
                outcomes += features.outcomes
                await runs.add(features.rows, last=done == len(records))
        finally:
            self._backlog[pooled] -= per_record * (len(records) - done)
            for _, job in reading:
                if not job.cancel() and not job.cancelled():
                    job.exception()  # marks it as retrieved: nobody awaits it
            runs.cancel()
        served.traffic.featurize.observe(stages.featurize)
        stages.queue = sum(answer.queue_seconds for answer in runs.answers)
        stages.infer = sum(answer.compute_seconds for answer in runs.answers)
        return Prediction(served, outcomes, runs.outputs, stages)

    def _admit(self, pooled: bool, lanes: int, deadline: float | None) -> None:
        """Raise ``Overloaded`` if too much featurizing waits, in itself or for the deadline.

        Raises ``DeadlineMissed`` if the deadline has passed.
        """
        waiting = self._backlog[pooled] / lanes
        left = math.inf if deadline is None else deadline - perf_counter()
        if left < 0:
            raise DeadlineMissed("the deadline passed before the records were featurized")
        if waiting > min(_BACKLOG_SECONDS, left):
            raise Overloaded(f"{waiting:.1f} s of featurizing are waiting", waiting)


def _piece_size(served: ServedModel) -> int:
    per_record = served.featurize_pace.expect(_FEWEST) / _FEWEST
    return min(_MOST, max(_FEWEST, int(_PIECE_SECONDS / max(per_record, 1e-9))))


def _count_rejected(served: ServedModel, features: Features) -> None:
    if len(features.outcomes) == len(features.rows):
        return
    for kind, reason in ((Rejected, "unreadable"), (NotApplicable, "not_applicable")):
        number = sum(isinstance(outcome, kind) for outcome in features.outcomes)
        if number:
            served.traffic.rejected[reason] += number
