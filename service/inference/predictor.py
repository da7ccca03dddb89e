"""Raw records to predictions: featurize, then hand the rows to the model's batcher.

A record that cannot be read is answered in its own place. Featurizing that is quick happens where
it is asked for; the rest, molecules above all, goes in pieces to a thread, or to processes where
there is much of it, so that the event loop stays free; the thread reads short requests before long
ones, and equal ones as they came. While one piece
is read the last run is computed, so a request of any size holds the features of a few runs and no
more. Molecules that a request repeats are read and computed once.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from models.features import Accepted, Features, Outcome
from service.errors import InvalidRequest, Overloaded, TooLarge
from service.health.row_owner import Requester
from service.inference.batch_pipeline import BatchPipeline, joined
from service.inference.featurization.executor import FeaturizationExecutor
from service.inference.queue import Outputs
from service.inference.served_models import ServedModel, ServedModels

#: Featurizing of no more than this many seconds stays on the event loop.
_INLINE_SECONDS = 0.001

#: From so many seconds on, processes are worth it. A request of 256 molecules is not there yet.
_LARGE_SECONDS = 0.5
#: What is remembered is looked up on the event loop for requests of so many records.
_FEW = 4

#: Seconds of featurizing in one piece, and the fewest and most records of one. Long enough to make
#: the hops cheap, short enough that requests behind wait little.
_PIECE_SECONDS = 0.05
_FEWEST, _MOST = 8, 1024

#: A request goes before those that came up to so many times its own featurizing earlier, if they are
#: as much longer.
_PATIENCE = 4.0

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

    def __init__(
        self, served_models: ServedModels, max_rows: int, executor: FeaturizationExecutor | None = None
    ) -> None:
        """Without ``featurizing`` there is a thread, no process, and nothing is remembered."""
        self._served_models = served_models
        self._max_rows = max_rows
        self._executor = executor or FeaturizationExecutor(workers=0, cache_bytes=0)
        #: Seconds of featurizing that wait, in the thread and in the processes.
        self._backlog = {False: 0.0, True: 0.0}

    def close(self) -> None:
        """Let go of the featurizing thread and processes."""
        self._executor.close()

    def model(self, name: str) -> ServedModel:
        """Return what serves under a name; raises ``ModelNotFound`` or ``ModelNotReady``."""
        return self._served_models.get(name)

    def is_quick(self, served: ServedModel, records: Sequence[object]) -> bool:
        """Whether featurizing these records is short enough for the event loop."""
        if served.featurize_pace.expect(len(records)) <= _INLINE_SECONDS:
            return True
        return len(records) <= _FEW and self._executor.knows(served.bundle.featurizer, records)

    def featurized_at_once(self, served: ServedModel, records: Sequence[object]) -> Features:
        """Featurize here and now what ``is_quick``."""
        return self._executor.at_once(served.bundle.featurizer, served.featurize_pace, records)

    async def predict(
        self,
        served: ServedModel,
        records: Sequence[object],
        deadline: float | None = None,
        request: Requester | None = None,
    ) -> Prediction:
        """Predict for at least one record of a request, each answered in its place.

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
                return await self._at_once(served, records, deadline, request)
            distinct = _distinct(served, records)
            if len(distinct) == len(records):
                return await self._in_pieces(served, records, deadline, request)
            made = await self._in_pieces(served, distinct, deadline, request)
            return _repeated(made, distinct, records)
        finally:
            served.leases.count -= 1

    async def _at_once(
        self,
        served: ServedModel,
        records: Sequence[object],
        deadline: float | None,
        request: Requester | None,
    ) -> Prediction:
        started = perf_counter()
        features = self.featurized_at_once(served, records)
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
    ) -> Prediction:
        featurizer, latency = served.bundle.featurizer, served.featurize_pace
        expected = latency.expect(len(records)) / len(records)
        large = expected * len(records) >= _LARGE_SECONDS
        lanes = self._executor.lanes(featurizer, large=large)
        pooled = lanes > 1
        self._admit(pooled, lanes, deadline)
        urgency = perf_counter() + _PATIENCE * expected * len(records)
        self._backlog[pooled] += expected * len(records)
        stages, outcomes, runs = Stages(), list[Outcome](), BatchPipeline(served, deadline, request)
        reading: deque[tuple[int, asyncio.Task[Features]]] = deque()
        loop = asyncio.get_running_loop()
        asked = done = 0
        try:
            while done < len(records):
                # One piece more than is being read, so that nobody need wait for the loop.
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
                features = await job
                stages.featurize += perf_counter() - started
                self._backlog[pooled] -= expected * size
                done += size
                _count_rejected(served, features)
                outcomes += features.outcomes
                await runs.add(features.rows, last=done == len(records))
            await runs.finish()
        finally:
            self._backlog[pooled] -= expected * (len(records) - done)
            for _, job in reading:
                if not job.cancel() and not job.cancelled():
                    job.exception()  # nobody waits for it any more
            runs.cancel()
        served.traffic.featurize.observe(stages.featurize)
        stages.queue = sum(answer.queue_seconds for answer in runs.answers)
        stages.infer = sum(answer.compute_seconds for answer in runs.answers)
        return Prediction(served, outcomes, joined(runs.answers), stages)

    def _admit(self, pooled: bool, lanes: int, deadline: float | None) -> None:
        """Raise ``Overloaded`` where too much featurizing waits, or more than there is time for."""
        waiting = self._backlog[pooled] / lanes
        if waiting > _BACKLOG_SECONDS or (deadline is not None and perf_counter() + waiting > deadline):
            raise Overloaded(f"{waiting:.1f} s of featurizing are waiting", waiting)


def _distinct(served: ServedModel, records: Sequence[object]) -> Sequence[object]:
    """The records without repetitions, if they are molecules."""
    if not served.takes_smiles or set(map(type, records)) != {str}:
        return records
    return list(dict.fromkeys(records))


def _repeated(
    prediction: Prediction, distinct: Sequence[object], records: Sequence[object]
) -> Prediction:
    """The prediction of records from that of the distinct ones among them."""
    outcomes = prediction.outcomes
    place_of = {record: place for place, record in enumerate(distinct)}
    places = [place_of[record] for record in records]
    accepted = np.array([isinstance(outcome, Accepted) for outcome in outcomes])
    rows = np.cumsum(accepted) - 1  # a record's row, if it has one
    wanted = rows[[place for place in places if accepted[place]]]
    outputs = {name: array[wanted] for name, array in prediction.outputs.items()}
    found = [outcomes[place] for place in places]
    return Prediction(prediction.served, found, outputs, prediction.stages)


def _piece_size(served: ServedModel) -> int:
    per_record = served.featurize_pace.expect(_FEWEST) / _FEWEST
    return min(_MOST, max(_FEWEST, int(_PIECE_SECONDS / max(per_record, 1e-9))))


def _count_rejected(served: ServedModel, features: Features) -> None:
    rejected = len(features.outcomes) - len(features.rows)
    if rejected:
        served.traffic.rejected["unreadable"] += rejected
