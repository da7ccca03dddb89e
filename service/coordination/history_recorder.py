"""Writes down, every few seconds, what went through all workers, and what became of each model.

It derives all from sums that are counted anyway: a bucket is what they have grown by. The worker with
the lowest number writes for all; another one that takes its place goes on with what it has written.
"""

import asyncio
from collections.abc import Callable
from time import time

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import Effects, largest_of
from models.networks.selu import SATURATION
from service.coordination.aggregate import ClusterStatus
from service.coordination.coordinator import WorkerCoordinator
from service.coordination.history import Bucket, Histories, Known, Layers, ModelHistory
from service.coordination.history_events import events_between
from service.coordination.shared_store import SharedStore
from service.errors import ServiceError
from service.health.change import Health
from service.observability.counters import Activations, Traffic
from service.observability.logs import get_logger, place_of
from service.observability.predictions import Predicted

#: Seconds between two looks; a bucket of the last hour is made of two.
LOOK_SECONDS = 5.0
#: The window whose effects are written down while no change lasts.
_WINDOW = "1m"

_log = get_logger()


class HistoryRecorder:
    """The history of all models, over all workers."""

    def __init__(
        self,
        coordinator: WorkerCoordinator,
        shared_store: SharedStore,
        clock: Callable[[], float] = time,
    ) -> None:
        """``clock`` tells the seconds since 1970."""
        self._coordinator, self._shared_store, self._clock = coordinator, shared_store, clock
        #: The sums of the last look by model and version, and when that was; None for no look.
        self._before: dict[tuple[str, int], Traffic] | None = None
        self._looked = 0.0

    def history(self, name: str) -> ModelHistory:
        """Return a model's history, empty where nothing was written down yet."""
        return self._shared_store.histories().get(name, ModelHistory())

    async def run(self) -> None:
        """Write down what happens until cancelled, where this worker is the one to do it."""
        while True:
            try:
                if self._coordinator.keeper and self._coordinator.serving:
                    await self.look()
                else:
                    self._before = None
            except Exception as error:  # noqa: BLE001 - the next look may succeed
                _log.error("history not kept", kind=type(error).__name__, place=place_of(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Write down what has happened since the last look."""
        whole, now = self._coordinator.whole(), self._clock()
        written, sums = self._shared_store.histories(), dict(whole.counted.by_version)
        if self._before is None:
            # What came before the first look of all is new; another worker may have written it else.
            self._before, self._looked = sums if written else {}, now - LOOK_SECONDS
        histories: Histories = {
            name: history for name, history in written.items() if name in whole.models
        }
        for name, model in whole.models.items():
            if not model.ready:
                continue
            try:
                history = histories.get(name, ModelHistory())
                histories[name] = await self._extended(name, whole, now, history)
            except ServiceError:  # it does not serve in this worker, not yet or not any more
                continue
        self._before, self._looked = sums, now
        self._shared_store.post_histories(histories)

    async def _extended(
        self, name: str, whole: ClusterStatus, now: float, history: ModelHistory
    ) -> ModelHistory:
        served, health, since = await self._coordinator.health(name)
        version = served.manifest.version
        known = self._known(name, version, health, whole.models[name].intact)
        sums = whole.counted.traffic(name, version)
        before = (self._before or {}).get((name, version)) or Traffic()
        if before.rows > sums.rows:  # its counters were dropped, as of a version long gone
            before = Traffic()
        seconds, waiting = now - self._looked, whole.models[name].waiting
        bucket = _bucket(before, sums, health, known, now, seconds, waiting)
        return history.plus(bucket, events_between(history.known, known, health, since, now), known)

    def _known(self, name: str, version: int, health: Health, intact: bool | None) -> Known:
        taken, _ = self._coordinator.baseline(name)
        watch = self._coordinator.watch(name)
        alarm = None if watch is None else watch.alarm
        return Known(
            version,
            health.judgement.verdict,
            None if health.change is None else health.change.began.timestamp(),
            None if taken is None else taken.taken_at.timestamp(),
            None if alarm is None else alarm.at.timestamp(),
            intact,
        )


def _bucket(
    before: Traffic,
    sums: Traffic,
    health: Health,
    known: Known,
    now: float,
    seconds: float,
    waiting: int,
) -> Bucket:
    """What the sums have grown by in the ``seconds`` until ``now``, and how the model is."""
    judgement, effects = health.judgement, health.effects_of(_WINDOW)
    seen = effects is not None and effects.rows > 0
    inputs = effects.inputs if effects is not None and seen else None
    return Bucket(
        at=now,
        seconds=seconds,
        version=known.version,
        verdict=judgement.verdict,
        model_verdict=judgement.model,
        traffic_verdict=judgement.traffic,
        rows=sums.rows - before.rows,
        requests=sums.succeeded.count - before.succeeded.count,
        failed=sums.failed.count - before.failed.count,
        rejected=sum(sums.rejected.values()) - sum(before.rejected.values()),
        latency=tuple(
            new - old for new, old in zip(sums.latency.counts, before.latency.counts, strict=True)
        ),
        computing=sums.compute.total - before.compute.total,
        waiting=waiting,
        effect=effects.shift.sure if effects is not None and seen else None,
        inputs=None if inputs is None else inputs.sure,
        network=largest_of(effects.members).sure if effects is not None and seen else None,
        by_layer=_by_layer(health, effects) if effects is not None and seen else None,
        predicted=_predicted(before.predicted, sums.predicted),
        layers=_layers(before.activations, sums.activations),
    )


def _predicted(before: Predicted | None, sums: Predicted | None) -> Predicted | None:
    if sums is None or before is None or sums.rows <= before.rows:
        return sums if before is None else None
    return sums.plus(before, -1)


def _layers(before: Activations | None, sums: Activations | None) -> Layers | None:
    """Mean and variance of the activations that came, from sums of a + λα and of its square."""
    if sums is None or (before is not None and sums.rows <= before.rows):
        return None
    rows, shifted, squared = sums.rows, sums.shifted, sums.squared
    if before is not None:
        rows, shifted = rows - before.rows, shifted - before.shifted
        squared = squared - before.squared
    mean = shifted / rows
    return Layers.of(rows, mean + SATURATION, np.maximum(squared / rows - np.square(mean), 0.0))


def _by_layer(health: Health, effects: Effects) -> NDArray[np.float32]:
    """Each layer's effect in the last minute or its departure now, whichever is larger (M, L)."""
    departed = np.maximum(effects.departures - effects.departure_margins, 0.0)
    return np.fmax(health.effects[_WINDOW].by_layer, departed).astype(np.float32)
