"""The batcher against a plain function: no network, no ONNX."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import DeadlineMissed, InferenceFailed, Overloaded
from service.health.row_owner import RowOwner
from service.inference.batcher import Batcher, Limits
from service.inference.measurements.latency import LatencyEstimator
from service.inference.queue import Answer
from service.observability.counters import Traffic


def rows_of(*values: float) -> np.ndarray:
    """Rows of one feature each."""
    return np.array(values, np.float32)[:, None]


class Request:
    """A request of a client."""

    def __init__(self, request_id: bytes) -> None:
        self.request_id = request_id


class Doubling:
    """The function to batch: twice each row. Keeps the batches; raises for a row of 666."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches: list[list[float]] = []
        self.parts: list[list[tuple[bytes | None, int]]] = []
        self.threads: set[int] = set()
        self.seconds = seconds

    def __call__(self, rows: np.ndarray, parts: Sequence[RowOwner]) -> dict[str, np.ndarray]:
        """Compute one batch."""
        self.parts.append([(part.request and part.request.request_id, part.rows) for part in parts])
        self.batches.append(rows[:, 0].tolist())
        self.threads.add(threading.get_ident())
        if self.seconds:
            time.sleep(self.seconds)
        if (rows == 666).any():
            raise RuntimeError("the network broke")
        return {"twice": 2 * rows, "index": np.arange(len(rows))}


def with_batcher(
    work: Callable[[Batcher], Awaitable[None]],
    compute: Callable,
    *,
    lane: bool = False,
    batch_rows: int = 4,
    queue_rows: int = 1000,
) -> Traffic:
    """Run ``work`` with a batcher; with a lane, everything hops to it."""
    traffic, latency = Traffic(), LatencyEstimator()

    async def main() -> None:
        limits = Limits(batch_rows, queue_rows, inline_seconds=-1.0 if lane else 1.0)
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(compute, executor if lane else None, traffic, limits, latency)
            await asyncio.wait_for(work(batcher), 20)
            assert batcher.idle
            assert batcher.waiting == 0

    asyncio.run(main())
    return traffic


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 11), min_size=1, max_size=12),
    batch_rows=st.integers(1, 8),
    lane=st.booleans(),
    waits=st.lists(st.integers(0, 2), min_size=12, max_size=12),
)
def test_every_submission_gets_its_own_rows_in_order(
    sizes: list[int], batch_rows: int, lane: bool, waits: list[int]
) -> None:
    """Whatever is submitted when, each gets twice its own rows, and no batch is too large."""
    compute = Doubling()

    async def submit(batcher: Batcher, first: int, size: int, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        rows = rows_of(*range(first, first + size))
        answer = await batcher.run(rows)
        assert answer.outputs["twice"].tolist() == (2 * rows).tolist()

    async def work(batcher: Batcher) -> None:
        await asyncio.gather(
            *(submit(batcher, 1000 * number, size, waits[number]) for number, size in enumerate(sizes))
        )

    traffic = with_batcher(work, compute, lane=lane, batch_rows=batch_rows)
    assert max(len(batch) for batch in compute.batches) <= batch_rows
    assert sum(len(batch) for batch in compute.batches) == sum(sizes) == traffic.rows
    assert sum(traffic.queue.counts) == len(sizes)
    assert sum(traffic.compute.counts) == len(compute.batches)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 11), min_size=1, max_size=8), batch_rows=st.integers(1, 8))
def test_a_batch_says_whose_rows_it_has(sizes: list[int], batch_rows: int) -> None:
    """The parts of every batch name the requests of its rows, in their order, split or not."""
    compute = Doubling()

    async def work(batcher: Batcher) -> None:
        runs = [
            batcher.run(rows_of(*[number] * size), request=Request(b"%d" % number))
            for number, size in enumerate(sizes)
        ]
        await asyncio.gather(*runs)

    with_batcher(work, compute, batch_rows=batch_rows)
    for batch, parts in zip(compute.batches, compute.parts, strict=True):
        assert [float(request) for request, rows in parts for _ in range(rows)] == batch


@settings(max_examples=40, deadline=None)
@given(
    fates=st.lists(st.sampled_from(["stay", "cancel", "break"]), min_size=2, max_size=10),
    lane=st.booleans(),
)
def test_cancelled_and_failing_submissions_leave_nobody_hanging(fates: list[str], lane: bool) -> None:
    """Everybody ends: with an answer, by the cancellation, or with the failure of a shared batch."""
    compute = Doubling()

    async def work(batcher: Batcher) -> None:
        tasks = []
        for number, fate in enumerate(fates):
            value = 666.0 if fate == "break" else float(number)
            tasks.append(asyncio.ensure_future(batcher.run(rows_of(*[value] * 3))))
        await asyncio.sleep(0)
        for task, fate in zip(tasks, fates, strict=True):
            if fate == "cancel":
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for number, (result, fate) in enumerate(zip(results, fates, strict=True)):
            if fate == "cancel":
                assert isinstance(result, asyncio.CancelledError)
            elif fate == "break":
                assert isinstance(result, InferenceFailed)
            elif isinstance(result, Answer):
                assert result.outputs["twice"].tolist() == [[2.0 * number]] * 3
            else:
                assert "break" in fates
                assert isinstance(result, InferenceFailed)
                assert isinstance(result.__cause__, RuntimeError)
        assert (await batcher.run(rows_of(5))).outputs["twice"].tolist() == [[10.0]]

    with_batcher(work, compute, lane=lane)


def test_requests_of_one_turn_share_a_run() -> None:
    """What arrives in one turn of the loop is one batch, without any timer."""
    compute = Doubling()

    async def work(batcher: Batcher) -> None:
        await asyncio.gather(*(batcher.run(rows_of(number)) for number in range(4)))

    with_batcher(work, compute)
    assert compute.batches == [[0.0, 1.0, 2.0, 3.0]]


def test_what_waits_while_the_model_is_busy_is_the_next_batch() -> None:
    """While a run is under way in the lane, later submissions gather, and go together."""
    compute = Doubling(seconds=0.05)

    async def work(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.run(rows_of(0)))
        await asyncio.sleep(0.02)
        rest = [asyncio.ensure_future(batcher.run(rows_of(number))) for number in (1, 2, 3)]
        await asyncio.gather(first, *rest)

    with_batcher(work, compute, lane=True)
    assert compute.batches == [[0.0], [1.0, 2.0, 3.0]]
    assert threading.get_ident() not in compute.threads


def test_a_large_request_takes_turns_with_those_behind_it() -> None:
    """A lone row behind a request of many batches is in the second batch, not the last."""
    compute = Doubling()

    async def work(batcher: Batcher) -> None:
        await asyncio.gather(batcher.run(rows_of(*range(100, 120))), batcher.run(rows_of(7)))

    with_batcher(work, compute)
    assert [7.0 in batch for batch in compute.batches].index(True) == 1
    assert len(compute.batches) == 6


def test_a_cancelled_clients_rows_are_not_computed() -> None:
    """Rows whose client has gone before their run are dropped, and their room is free at once."""
    compute = Doubling(seconds=0.03)

    async def work(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.run(rows_of(0)))
        await asyncio.sleep(0.01)
        gone = asyncio.ensure_future(batcher.run(rows_of(1, 1, 1)))
        await asyncio.sleep(0)
        assert batcher.waiting == 3
        gone.cancel()
        await asyncio.sleep(0)
        assert batcher.waiting == 0
        await first

    with_batcher(work, compute, lane=True)
    assert compute.batches == [[0.0]]


def test_a_missed_deadline_is_dropped_before_it_is_computed() -> None:
    """Rows that have waited past their deadline cost no run."""
    compute = Doubling(seconds=0.05)

    async def work(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.run(rows_of(0)))
        await asyncio.sleep(0.01)
        with pytest.raises(DeadlineMissed):
            await batcher.run(rows_of(1), deadline=time.perf_counter() + 0.01)
        await first

    with_batcher(work, compute, lane=True)
    assert compute.batches == [[0.0]]


def test_a_full_queue_turns_rows_away_with_a_measured_wait() -> None:
    """Beyond the row budget a submission is refused, and told how long the queue will take."""
    compute = Doubling(seconds=0.02)

    async def work(batcher: Batcher) -> None:
        await batcher.run(rows_of(*range(4)))  # a row takes 5 ms or more, which is what is measured
        tasks = [asyncio.ensure_future(batcher.run(rows_of(*range(4)))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await batcher.run(rows_of(1))
        assert 12 * 0.005 <= refused.value.retry_after < 5
        await batcher.run(rows_of(1), admitted=True)
        await asyncio.gather(*tasks)

    with_batcher(work, compute, lane=True, queue_rows=12)


def test_a_request_larger_than_the_queue_may_have_it_to_itself() -> None:
    """An empty queue takes any request; the service's row limit is what bounds it."""
    compute = Doubling()

    async def work(batcher: Batcher) -> None:
        answer = await batcher.run(rows_of(*range(50)))
        assert len(answer.outputs["twice"]) == 50

    with_batcher(work, compute, queue_rows=10)


def test_rows_that_do_not_fit_together_fail_and_free_the_queue() -> None:
    """Even a batch that cannot be put together answers everyone in it."""

    async def work(batcher: Batcher) -> None:
        bad = batcher.run(np.zeros((1, 3), np.float32))
        results = await asyncio.gather(batcher.run(rows_of(1)), bad, return_exceptions=True)
        assert all(isinstance(result, InferenceFailed) for result in results)

    with_batcher(work, Doubling())


def test_a_pace_is_learned_from_runs() -> None:
    """Expectations follow measurements, by size, and err on the long side where there is none."""
    latency = LatencyEstimator()
    assert latency.expect(8) == 0
    latency.learn(1, 0.001)
    assert latency.expect(100) == pytest.approx(0.1)
    latency.learn(100, 0.01)
    assert latency.expect(100) == pytest.approx(0.01)
    assert latency.expect(1) == pytest.approx(0.001)
    for _ in range(100):
        latency.learn(1, 0.003)
    assert latency.expect(1) == pytest.approx(0.003)


def test_one_measurement_counts_for_no_more_than_twice_what_was_known() -> None:
    """A pause of the process says nothing about the work; a shorter time counts in full."""
    latency = LatencyEstimator()
    latency.learn(1, 0.001)
    latency.learn(1, 100.0)
    assert latency.expect(1) == pytest.approx(0.001 + 0.2 * 0.001)
    latency = LatencyEstimator()
    latency.learn(1, 0.001)
    latency.learn(1, 0.0)
    assert latency.expect(1) == pytest.approx(0.8 * 0.001)


def test_sizes_that_were_never_seen_are_judged_by_the_nearest() -> None:
    """By the nearest smaller one, or else by the nearest larger; sizes are powers of two."""
    latency = LatencyEstimator()
    for rows, seconds in ((4, 0.4), (16, 0.8), (256, 2.56)):
        latency.learn(rows, seconds)
    assert latency.expect(1) == pytest.approx(0.1)
    assert latency.expect(7) == pytest.approx(0.7)
    assert latency.expect(8) == pytest.approx(0.8)
    assert latency.expect(255) == pytest.approx(0.05 * 255)
    assert latency.expect(1000) == pytest.approx(10.0)


@pytest.mark.parametrize(("expected", "hops"), [(0.004, False), (0.0041, True)])
def test_a_run_that_is_long_leaves_the_event_loop(expected: float, hops: bool) -> None:
    """By what was learned of runs of its size, at the limit not yet."""
    compute, latency = Doubling(), LatencyEstimator()
    latency.learn(1, expected)

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(compute, executor, Traffic(), Limits(), latency)
            await batcher.run(rows_of(1))

    asyncio.run(main())
    assert (compute.threads != {threading.get_ident()}) is hops


def test_a_batch_is_filled_to_its_last_row_and_no_further() -> None:
    """Requests that fill it exactly are one run; one row more is a run of its own."""
    for sizes, batches in (
        ((4,), [4]),
        ((2, 2), [4]),
        ((4, 1), [4, 1]),
        ((5,), [4, 1]),
        ((3, 2), [4, 1]),
    ):
        compute = Doubling()

        async def work(batcher: Batcher, sizes: tuple[int, ...] = sizes) -> None:
            await asyncio.gather(*(batcher.run(rows_of(*range(size))) for size in sizes))

        with_batcher(work, compute)
        assert [len(batch) for batch in compute.batches] == batches


def test_the_queue_takes_rows_up_to_its_limit() -> None:
    """Exactly as many as may wait, and what they are told of the wait is by the measured pace."""
    compute = Doubling(seconds=0.02)

    async def work(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.run(rows_of(0)))
        await asyncio.sleep(0.01)
        batcher._latency._per_row = [0.5] * 40
        waiting = [asyncio.ensure_future(batcher.run(rows_of(*range(size)))) for size in (5, 3)]
        await asyncio.sleep(0)
        assert batcher.waiting == 8
        with pytest.raises(Overloaded, match="8 rows are waiting, 8 may") as refused:
            await batcher.run(rows_of(1))
        assert refused.value.retry_after == pytest.approx(4.0)
        await asyncio.gather(first, *waiting)

    with_batcher(work, compute, lane=True, queue_rows=8)


def test_who_waits_until_after_the_deadline_is_turned_away_and_who_does_not_is_let_in() -> None:
    """By the measured pace of the rows before it, though the queue has room."""
    compute = Doubling(seconds=0.02)

    async def work(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.run(rows_of(0)))
        await asyncio.sleep(0.01)
        batcher._latency._per_row = [0.5] * 40
        second = asyncio.ensure_future(batcher.run(rows_of(1, 2)))
        await asyncio.sleep(0)
        now = time.perf_counter()
        with pytest.raises(Overloaded, match="longer than the request may"):
            await batcher.run(rows_of(3), deadline=now + 0.9)
        with pytest.raises(DeadlineMissed):  # too late is not too much: trying again is of no use
            await batcher.run(rows_of(3), deadline=now - 0.1)
        await batcher.run(rows_of(3), deadline=now + 1.2)
        await asyncio.gather(first, second)

    with_batcher(work, compute, lane=True)
