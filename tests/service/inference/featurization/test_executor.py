"""Where molecules are read: remembered, in a thread, in processes that may die."""

import asyncio
import multiprocessing
import os
import signal
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import pytest

from models.features import Accepted, Features, Featurizer, Rejected, within
from service.errors import DeadlineMissed, FeaturizingFailed
from service.inference.answers.repetitions import repeated
from service.inference.featurization import process_pool as pool_module
from service.inference.featurization.cache import FeatureCache, assemble
from service.inference.featurization.executor import FeaturizationExecutor
from service.inference.featurization.process_pool import FeaturizerPool
from service.inference.measurements.latency import LatencyEstimator
from tests.service.conftest import App
from tests.support import bundles

SMILES = list(bundles.SMILES)


@dataclass(eq=False)
class Counting:
    """The real featurizer, which notes what it was asked."""

    asked: list[str] = field(default_factory=list)
    identifier: str = "molecules-1"
    domain: None = None

    def __post_init__(self) -> None:
        """Take the real one's parameters."""
        self._real = bundles.MOLECULES.featurizer()
        self.names, self.parameters = self._real.names, self._real.parameters

    def featurize(self, records) -> Features:
        """Read records."""
        self.asked += records
        return self._real.featurize(records)


def same(one: Features, other: Features) -> None:
    """Check that rows and outcomes are equal, and all that the contract says of them."""
    np.testing.assert_array_equal(one.rows, other.rows)
    assert one.rows.dtype == np.float32
    assert one.rows.flags.c_contiguous
    assert one.outcomes == other.outcomes


@pytest.mark.parametrize("records", [["CCO", "C[", "CCO", "N"], ["C["], [7, "CCO", None]])
def test_what_is_remembered_is_what_was_read(records: list[object]) -> None:
    """Rows, rejections and repetitions, the first time and the second; nothing is read twice."""
    featurizer, latency = Counting(), LatencyEstimator()
    expected = featurizer.featurize(records)
    featurizer.asked.clear()
    executor = FeaturizationExecutor(workers=0, cache_bytes=10**6)
    for _ in range(2):
        same(executor.at_once(featurizer, latency, records), expected)
    text = all(isinstance(record, str) for record in records)
    assert featurizer.asked == (list(dict.fromkeys(records)) if text else records * 2)
    assert executor.knows(featurizer, records) is text
    assert not executor.knows(featurizer, ["O"])
    executor.close()


def test_what_is_remembered_is_joined_with_what_is_read() -> None:
    """In the thread as on the event loop, each record in its place."""
    featurizer, latency = Counting(), LatencyEstimator()
    records = ["N", "CCO", "C[", "CC"]
    expected = featurizer.featurize(records)

    async def main() -> None:
        executor = FeaturizationExecutor(workers=0, cache_bytes=10**6)
        executor.at_once(featurizer, latency, ["CCO", "C["])
        featurizer.asked.clear()
        found = await executor.read(featurizer, latency, records, None, large=True, urgency=0.0)
        same(found, expected)
        assert featurizer.asked == ["N", "CC"]
        executor.close()

    asyncio.run(main())


def test_the_cache_keeps_to_its_bytes_and_forgets_the_oldest() -> None:
    """By its own reckoning, which is not below what tracemalloc measures."""
    limit = 500_000
    cache, featurizer = FeatureCache(limit), Counting()
    smiles = ["C" * length for length in range(1, 400)]
    blocks = [
        (part := smiles[start : start + 20], featurizer.featurize(part)) for start in range(0, 380, 20)
    ]
    tracemalloc.start()
    for part, features in blocks:
        cache.keep(featurizer, part, features)
        cache.look_up(featurizer, smiles[:1])
        assert cache.bytes <= limit
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cache.bytes > 0.9 * limit
    assert used < 1.1 * limit
    assert cache.has(featurizer, smiles[:1])  # it was asked for again and again
    assert not cache.has(featurizer, smiles[1:2])
    assert cache.has(featurizer, smiles[370:375])


def test_another_featurizer_finds_only_what_is_its_own() -> None:
    """A reload of the same featurizer finds its rows, one with other fragments does not."""
    cache = FeatureCache(10**6)
    one, again, other = Counting(), Counting(), Counting()
    other.parameters = other.parameters | {"radius": 3}
    features = one.featurize(["CCO"])
    kept = cache.keep(one, ["CCO"], features)
    same(assemble(["CCO"], kept, len(one.names)), features)
    assert cache.has(again, ["CCO"])
    assert not cache.has(other, ["CCO"])


def test_repeated_molecules_are_computed_once_and_answered_each(with_app, tmp_path) -> None:
    """In their order, with the errors among them."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)
    smiles = ["CCO", "C[", "CCO", "N", "C[", "N"]

    async def work(app: App) -> None:
        served = app.served_models.get("tox21")
        prediction = await app.predictor.predict(served, smiles)
        assert [isinstance(o, Accepted) for o in prediction.outcomes] == [True, False] + [True] * 2 + [
            False,
            True,
        ]
        probability = prediction.outputs["probability"]
        assert len(probability) == 4
        np.testing.assert_array_equal(probability[0], probability[1])
        np.testing.assert_array_equal(probability[2], probability[3])
        alone = await app.predictor.predict(served, ["N"])
        np.testing.assert_allclose(alone.outputs["probability"][0], probability[2], atol=1e-6)
        assert served.traffic.rows == 2 + 1
        assert prediction.stages.queue > 0
        assert prediction.stages.infer > 0

    with_app(work)


def test_repetitions_of_nothing_but_errors() -> None:
    """There are no outputs to repeat."""
    assert repeated([Rejected("no")], {}, ["x"], ["x", "x"]) == ([Rejected("no")] * 2, {})


def running(work, featurizer: Featurizer | None = None) -> None:
    """Run a test's work with a pool of two that has started, by default with the small featurizer."""
    featurizer = featurizer or bundles.MOLECULES.featurizer()

    async def main() -> None:
        pool = FeaturizerPool(2)
        pool.start(featurizer)
        while not pool.ready:
            await asyncio.sleep(0.02)
        try:
            await work(pool, featurizer)
        finally:
            pool.close()

    asyncio.run(main())


def pids() -> list[int]:
    """The ids of this process's children that are alive."""
    return [child.pid for child in multiprocessing.active_children()]


@pytest.mark.slow
def test_processes_read_what_the_thread_reads_and_rest_when_idle(monkeypatch) -> None:
    """Side by side, in order, until nothing was asked of them for a while."""
    monkeypatch.setattr(pool_module, "_IDLE_SECONDS", 0.3)

    async def work(pool: FeaturizerPool, featurizer) -> None:
        pieces = [SMILES[start : start + 4] for start in range(0, 16, 4)]
        found = await asyncio.gather(*(pool.featurize(featurizer, piece) for piece in pieces))
        for piece, (features, seconds) in zip(pieces, found, strict=True):
            same(features, featurizer.featurize(piece))
            assert 0 < seconds < 5
        with pytest.raises(DeadlineMissed):
            await pool.featurize(featurizer, SMILES, perf_counter() - 1)
        alive = pids()
        assert len(alive) == 2
        while pool.ready:
            await asyncio.sleep(0.05)
        for pid in alive:
            for _ in range(100):
                if not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
                    break
                await asyncio.sleep(0.05)
            else:
                pytest.fail("a process is left")

    running(work)


@pytest.mark.slow
def test_processes_know_the_domain_and_learn_a_new_one() -> None:
    """That of the featurizer that they started with, and another's when its molecules come."""
    kind = bundles.JUDGED_MOLECULES
    first, second = (
        within(kind.featurizer(), bundles.domain_of(kind, smiles))
        for smiles in (bundles.SMILES, [*bundles.SMILES, "CCCCO"])
    )

    async def work(pool: FeaturizerPool, featurizer) -> None:
        for asked in (featurizer, second, featurizer, second):
            found = await asyncio.gather(*(pool.featurize(asked, ["CCCCO", "CCO"]) for _ in range(4)))
            for features, _ in found:
                same(features, asked.featurize(["CCCCO", "CCO"]))
                assert ("measured" in features.outcomes[0].details) is (asked is second)

    running(work, first)


@pytest.mark.slow
def test_a_process_that_dies_costs_nobody_an_answer() -> None:
    """At rest or at work, it is replaced and its piece is read again."""

    async def work(pool: FeaturizerPool, featurizer) -> None:
        for at_work in (False, True):
            many = SMILES * (100 if at_work else 1)
            jobs = [asyncio.ensure_future(pool.featurize(featurizer, many)) for _ in range(2 * at_work)]
            await asyncio.sleep(0.2)
            for pid in pids():
                os.kill(pid, signal.SIGKILL)
            jobs += [asyncio.ensure_future(pool.featurize(featurizer, SMILES)) for _ in range(3)]
            for features, _ in await asyncio.wait_for(asyncio.gather(*jobs), 60):
                same(Features(features.rows[:16], features.outcomes[:16]), featurizer.featurize(SMILES))

    running(work)


@pytest.mark.slow
def test_what_kills_every_process_is_an_error_of_its_own(monkeypatch) -> None:
    """And the pool goes on with the next piece."""

    async def work(pool: FeaturizerPool, featurizer) -> None:
        submit = ProcessPoolExecutor.submit

        def poisoned(self, function, identifier, parameters, records, deadline):
            if records == ["poison"]:
                return submit(self, os._exit, 9)
            return submit(self, function, identifier, parameters, records, deadline)

        monkeypatch.setattr(ProcessPoolExecutor, "submit", poisoned)
        with pytest.raises(FeaturizingFailed, match="ended without a word"):
            await pool.featurize(featurizer, ["poison"])
        found = await asyncio.gather(*(pool.featurize(featurizer, SMILES) for _ in range(4)))
        assert len(found) == 4

    running(work)


@pytest.mark.slow
def test_whoever_no_longer_waits_leaves_the_process_to_the_next() -> None:
    """A cancelled request does not take a lane with it."""

    async def work(pool: FeaturizerPool, featurizer) -> None:
        for _ in range(3):
            jobs = [asyncio.ensure_future(pool.featurize(featurizer, SMILES * 20)) for _ in range(4)]
            await asyncio.sleep(0.05)
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
        found = await asyncio.wait_for(
            asyncio.gather(*(pool.featurize(featurizer, SMILES) for _ in range(4))), 30
        )
        assert len(found) == 4

    running(work)


def test_a_pool_that_was_closed_at_work_starts_again_with_fresh_processes() -> None:
    """What was under way when it was closed gives no process back to those that came after it."""

    async def work(pool: FeaturizerPool, featurizer) -> None:
        under_way = [asyncio.ensure_future(pool.featurize(featurizer, SMILES * 20)) for _ in range(2)]
        await asyncio.sleep(0.05)
        before = pids()
        pool.close()
        assert not pool.ready
        pool.start(featurizer)
        while not pool.ready:
            await asyncio.sleep(0.02)
        await asyncio.gather(*under_way)
        found = await asyncio.gather(*(pool.featurize(featurizer, SMILES) for _ in range(6)))
        for features, _ in found:
            same(features, featurizer.featurize(SMILES))
        end = time.monotonic() + 30
        while set(pids()) & set(before):  # they end after the last work that they had
            assert time.monotonic() < end
            await asyncio.sleep(0.02)

    running(work)
