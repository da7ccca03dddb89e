"""Featurizes records on the event loop, in a thread, or in processes.

RDKit holds the interpreter's lock, so the thread shares one core with the event loop and delays it by
each of its calls. Large requests go to processes, which use all cores and do not delay the event loop.
The processes start when they are first needed; until then the thread does the work. Molecules that are
in the cache are not featurized.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import Any

from models.features import Features, Featurizer
from service.errors import DeadlineMissed
from service.inference.featurization.cache import FeatureCache, assemble
from service.inference.featurization.priority_executor import PriorityExecutor
from service.inference.featurization.process_pool import FeaturizerPool
from service.inference.measurements.latency import LatencyEstimator

Records = Sequence[Any]


class FeaturizationExecutor:
    """Turns records into rows. All methods must be called on the event loop."""

    def __init__(self, workers: int, cache_bytes: int) -> None:
        """``workers`` is the number of processes; with 0 the thread does all work."""
        # One thread: a second one would wait for the interpreter's lock.
        self._thread = PriorityExecutor("featurize")
        self._pool = FeaturizerPool(workers) if workers else None
        self._cache = FeatureCache(cache_bytes)

    def close(self) -> None:
        """End the thread and the processes; the work that waits for them is cancelled."""
        self._thread.close()
        if self._pool is not None:
            self._pool.close()

    def knows(self, featurizer: Featurizer, records: Records) -> bool:
        """Whether all of these records are in the cache."""
        return self._cache.has(featurizer, records)

    def at_once(self, featurizer: Featurizer, latency: LatencyEstimator, records: Records) -> Features:
        """Featurize records on the calling thread."""
        if not _is_cacheable(featurizer, records):
            return _timed(featurizer, latency, records)
        entries, missing = self._cache.look_up(featurizer, records)
        if missing:
            entries |= self._cache.keep(featurizer, missing, _timed(featurizer, latency, missing))
        return assemble(records, entries, len(featurizer.names))

    def lanes(self, featurizer: Featurizer, *, large: bool) -> int:
        """Return how many pieces are featurized at a time; a large request starts the processes."""
        if not large or self._pool is None:
            return 1
        self._pool.start(featurizer)
        return self._pool.workers if self._pool.ready else 1

    async def read(
        self,
        featurizer: Featurizer,
        latency: LatencyEstimator,
        records: Records,
        deadline: float | None,
        *,
        large: bool,
        urgency: float,
    ) -> Features:
        """Featurize a piece of a request in the thread, or in a process if the request is ``large``.

        The thread does the piece with the lowest ``urgency`` first. ``deadline`` is a time of
        ``perf_counter``. Raises ``FeaturizingFailed`` or ``DeadlineMissed``.
        """
        cacheable = _is_cacheable(featurizer, records)
        entries, missing = self._cache.look_up(featurizer, records) if cacheable else ({}, records)
        if len(missing):
            if large and self._pool is not None and self._pool.ready:
                features, seconds = await self._pool.featurize(featurizer, missing, deadline)
                latency.learn(len(missing), seconds)
            else:
                work = partial(_timed, featurizer, latency, missing, deadline)
                features = await asyncio.wrap_future(self._thread.submit(urgency, work))
            if not cacheable:
                return features
            entries |= self._cache.keep(featurizer, missing, features)
        return assemble(records, entries, len(featurizer.names))


def _is_cacheable(featurizer: Featurizer, records: Records) -> bool:
    """Whether all records are SMILES: other features are computed faster than they are looked up."""
    return featurizer.identifier.startswith("molecules-") and set(map(type, records)) <= {str}


def _timed(
    featurizer: Featurizer, latency: LatencyEstimator, records: Records, deadline: float | None = None
) -> Features:
    started = perf_counter()
    if deadline is not None and started > deadline:
        raise DeadlineMissed("the deadline passed before all records were read")
    features = featurizer.featurize(records)
    latency.learn(len(records), perf_counter() - started)
    return features
