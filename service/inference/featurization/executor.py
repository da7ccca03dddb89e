"""Where records become rows: on the event loop, in a thread, or in processes of their own.

RDKit holds the interpreter's lock, so the thread shares one core with the event loop and makes it
wait for each of its calls. Large requests go to processes, which use all cores and leave the loop
alone; these start when first needed, the thread reading on meanwhile. What is known is not read.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from time import perf_counter

from models.features import Features, Featurizer
from service.errors import DeadlineMissed
from service.inference.featurization.cache import FeatureCache, assemble
from service.inference.featurization.priority_executor import PriorityExecutor
from service.inference.featurization.process_pool import FeaturizerPool
from service.inference.latency import LatencyEstimator

Records = Sequence[object]


class FeaturizationExecutor:
    """Turns records into rows. All methods belong to the event loop's thread."""

    def __init__(self, workers: int, cache_bytes: int) -> None:
        """``workers`` is the most processes; with 0 the thread does all."""
        # One thread: a second would only take turns with it.
        self._thread = PriorityExecutor("featurize")
        self._pool = FeaturizerPool(workers) if workers else None
        self._cache = FeatureCache(cache_bytes) if cache_bytes else None

    def close(self) -> None:
        """Let go of the thread and the processes."""
        self._thread.close()
        if self._pool is not None:
            self._pool.close()

    def knows(self, featurizer: Featurizer, records: Records) -> bool:
        """Whether all of these are remembered."""
        return self._cache is not None and self._cache.has(featurizer, records)

    def at_once(self, featurizer: Featurizer, latency: LatencyEstimator, records: Records) -> Features:
        """Read records here and now."""
        smiles = self._cacheable(featurizer, records)
        if smiles is None or self._cache is None:
            return _timed(featurizer, latency, records)
        known, missing = self._cache.look_up(featurizer, smiles)
        if missing:
            known |= self._cache.keep(featurizer, missing, _timed(featurizer, latency, missing))
        return assemble(smiles, known, len(featurizer.names))

    def lanes(self, featurizer: Featurizer, *, large: bool) -> int:
        """How many pieces are read at a time; a large request is what processes are started for."""
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
        """Read a piece of a request elsewhere; raises ``FeaturizingFailed`` or ``DeadlineMissed``.

        The thread reads what has the lowest ``urgency`` first.
        """
        smiles = self._cacheable(featurizer, records)
        if smiles is None or self._cache is None:
            return await self._computed(
                featurizer, latency, records, deadline, large=large, urgency=urgency
            )
        known, missing = self._cache.look_up(featurizer, smiles)
        if missing:
            computed = await self._computed(
                featurizer, latency, missing, deadline, large=large, urgency=urgency
            )
            known |= self._cache.keep(featurizer, missing, computed)
        return assemble(smiles, known, len(featurizer.names))

    async def _computed(
        self,
        featurizer: Featurizer,
        latency: LatencyEstimator,
        records: Records,
        deadline: float | None,
        *,
        large: bool,
        urgency: float,
    ) -> Features:
        if large and self._pool is not None and self._pool.ready:
            features, seconds = await self._pool.featurize(featurizer, records, deadline)
            latency.learn(len(records), seconds)
            return features
        work = partial(_timed, featurizer, latency, records, deadline)
        return await asyncio.wrap_future(self._thread.submit(urgency, work))

    @staticmethod
    def _cacheable(featurizer: Featurizer, records: Records) -> list[str] | None:
        """The records, if they are molecules: all text, and dear to read."""
        if not featurizer.identifier.startswith("molecules-"):
            return None
        smiles = [record for record in records if isinstance(record, str)]
        return smiles if len(smiles) == len(records) else None


def _timed(
    featurizer: Featurizer, latency: LatencyEstimator, records: Records, deadline: float | None = None
) -> Features:
    started = perf_counter()
    if deadline is not None and started > deadline:
        raise DeadlineMissed("the deadline passed before all records were read")
    features = featurizer.featurize(records)
    latency.learn(len(records), perf_counter() - started)
    return features
