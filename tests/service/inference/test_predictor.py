"""The predictor's limits, each on both of its sides, and the runs of large requests."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from service.errors import DeadlineMissed, Overloaded, TooLarge
from service.inference import predictor as module
from service.inference.batch_pipeline import BatchPipeline
from service.inference.measurements.latency import LatencyEstimator
from service.inference.predictor import Predictor, _piece_size
from service.inference.queue import Answer, Batch
from tests.service.conftest import MAX_ROWS, App
from tests.support import bundles


def latency(seconds_per_row: float) -> LatencyEstimator:
    """An estimator that expects so long for each row."""
    made = LatencyEstimator()
    made.learn(1, seconds_per_row)
    return made


class Runs:
    """A batcher that notes how many rows each run has; a run ends when it is let go on."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.cancelled = 0
        self.ready = asyncio.Event()

    async def run(self, rows, *, deadline, admitted, request) -> Answer:
        """Begin a run."""
        assert (deadline, admitted, request) == (7.0, True, b"id")
        self.rows.append(len(rows))
        try:
            await self.ready.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Answer([(Batch({"same": rows}), 0, len(rows))], 0.25, 0.5)


def rows(count: int, first: int = 0) -> np.ndarray:
    """Rows of one feature, numbered."""
    return np.arange(first, first + count, dtype=np.float32)[:, None]


def test_rows_are_run_from_256_on_and_at_the_end() -> None:
    """Fewer are gathered; the outputs are those of all rows in their order."""

    async def main() -> None:
        runs = Runs()
        runs.ready.set()
        pipeline = BatchPipeline(SimpleNamespace(batcher=runs), 7.0, b"id")  # type: ignore[arg-type]
        for count, last, expected in (
            (255, False, []),
            (1, False, [256]),
            (257, False, [256, 257]),
            (3, False, [256, 257]),
            (0, True, [256, 257, 3]),
        ):
            await pipeline.add(
                rows(count, sum(map(len, pipeline._gathered)) + sum(runs.rows)), last=last
            )
            await asyncio.sleep(0)
            assert runs.rows == expected
        np.testing.assert_array_equal(pipeline.outputs["same"], rows(516))

    asyncio.run(main())


def test_a_request_without_a_row_has_no_run() -> None:
    """All of its records were rejected."""

    async def main() -> None:
        runs = Runs()
        pipeline = BatchPipeline(SimpleNamespace(batcher=runs), 7.0, b"id")  # type: ignore[arg-type]
        await pipeline.add(rows(0), last=True)
        assert runs.rows == []
        assert pipeline.outputs == {}

    asyncio.run(main())


def test_a_run_waits_for_the_one_before_and_is_given_up_with_its_request() -> None:
    """So that no more than two runs of a request are held."""

    async def main() -> None:
        runs = Runs()
        pipeline = BatchPipeline(SimpleNamespace(batcher=runs), 7.0, b"id")  # type: ignore[arg-type]
        await pipeline.add(rows(256), last=False)
        second = asyncio.ensure_future(pipeline.add(rows(256), last=False))
        for _ in range(5):
            await asyncio.sleep(0)
        assert runs.rows == [256]
        assert not second.done()
        second.cancel()
        pipeline.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await asyncio.sleep(0)
        assert runs.cancelled == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("seconds_per_record", "expected"),
    [(1e-12, 1024), (0.05 / 1024, 1024), (0.05 / 1000, 1000), (0.05 / 9, 9), (0.05 / 8, 8), (1.0, 8)],
)
def test_a_piece_is_fifty_milliseconds_of_8_to_1024_records(
    seconds_per_record: float, expected: int
) -> None:
    """As long as reading has taken so far."""
    served = SimpleNamespace(featurize_pace=latency(seconds_per_record * (1 - 1e-9)))
    assert _piece_size(served) == expected  # type: ignore[arg-type]


def test_the_limit_on_rows_is_met_exactly(with_app) -> None:
    """As many as may be are answered, one more is refused."""

    async def work(app: App) -> None:
        served = app.served_models.get("htru2")
        prediction = await app.predictor.predict(served, bundles.candidates(MAX_ROWS).tolist())
        assert len(prediction.outcomes) == MAX_ROWS
        with pytest.raises(TooLarge, match=f"{MAX_ROWS + 1} records in one request"):
            await app.predictor.predict(served, bundles.candidates(MAX_ROWS + 1).tolist())

    with_app(work)


def test_what_is_quick_is_read_on_the_event_loop(with_app) -> None:
    """A millisecond of featurizing is, and so are up to four molecules that are remembered."""

    def is_quick(predictor: Predictor, count: int, seconds: float, known: bool) -> bool:
        served = SimpleNamespace(
            featurize_pace=latency(seconds), bundle=SimpleNamespace(featurizer=None)
        )
        predictor._executor.knows = lambda featurizer, records: known  # type: ignore[method-assign]
        return predictor.is_quick(served, ["C"] * count)  # type: ignore[arg-type]

    async def work(app: App) -> None:
        assert is_quick(app.predictor, 1, 0.001, known=False)
        assert not is_quick(app.predictor, 1, 0.0011, known=False)
        assert is_quick(app.predictor, 4, 1.0, known=True)
        assert not is_quick(app.predictor, 5, 1.0, known=True)

    with_app(work)


def test_more_than_twenty_seconds_of_waiting_featurizing_turn_requests_away(with_app) -> None:
    """And less, where the deadline is nearer; each of thread and processes has its own."""

    async def work(app: App) -> None:
        predictor = app.predictor
        predictor._backlog = {False: 20.0, True: 40.0}
        predictor._admit(False, 1, None)
        predictor._admit(True, 2, None)
        predictor._backlog = {False: 20.01, True: 40.01}
        for pooled, lanes in ((False, 1), (True, 2)):
            with pytest.raises(Overloaded) as refused:
                predictor._admit(pooled, lanes, None)
            assert refused.value.retry_after == pytest.approx(20.01, abs=0.01)
        predictor._backlog = {False: 5.0, True: 0.0}
        now = module.perf_counter()
        predictor._admit(False, 1, now + 6)
        with pytest.raises(Overloaded):
            predictor._admit(False, 1, now + 4)
        for predictor._backlog[False] in (0.0, 5.0, 21.0):
            with pytest.raises(DeadlineMissed):  # waiting would not help: no word of load
                predictor._admit(False, 1, now - 1)

    with_app(work)


@pytest.mark.parametrize("end", ["answered", "failed"])
def test_the_backlog_is_what_it_was_when_a_request_has_ended(with_app, tmp_path, end: str) -> None:
    """Whatever its end was; half way it is what is left."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)

    async def work(app: App) -> None:
        served, predictor = app.served_models.get("tox21"), app.predictor
        served.featurize_pace._per_row = [0.01] * 40  # pieces of eight at first
        read, left = predictor._executor.read, []

        async def watched(*arguments, **options):
            left.append(predictor._backlog[False])
            if end == "failed" and len(left) == 4:
                raise DeadlineMissed("too late")
            return await read(*arguments, **options)

        predictor._executor.read = watched  # type: ignore[method-assign]
        smiles = ["C" * (place + 1) for place in range(40)]
        job = predictor.predict(served, smiles)
        if end == "failed":
            with pytest.raises(DeadlineMissed):
                await job
        else:
            await job
        assert left[0] == pytest.approx(0.4)
        assert left[-1] < 0.35
        assert predictor._backlog == pytest.approx({False: 0.0, True: 0.0})

    with_app(work)


@pytest.mark.parametrize(("count", "large"), [(31, False), (32, True)])
def test_half_a_second_of_featurizing_is_large_and_long_requests_are_less_urgent(
    with_app, tmp_path, count: int, large: bool
) -> None:
    """Processes are asked for from there on; four times what is expected is added to the arrival."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)

    async def work(app: App) -> None:
        served, predictor = app.served_models.get("tox21"), app.predictor
        served.featurize_pace._per_row = [0.5 / 32] * 40
        read, asked = predictor._executor.read, []

        async def watched(*arguments, **options):
            asked.append(options)
            return await read(*arguments, **options)

        predictor._executor.read = watched  # type: ignore[method-assign]
        arrived = module.perf_counter()
        await predictor.predict(served, ["C" * (place + 1) for place in range(count)])
        assert {options["large"] for options in asked} == {large}
        (urgency,) = {options["urgency"] for options in asked}
        expected = arrived + 4 * count * 0.5 / 32
        assert expected <= urgency < expected + 0.4

    with_app(work)
