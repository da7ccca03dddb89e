"""The history that the service keeps of every model: sums by time, over all workers, bounded."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from service.api.routes.health.history import document_of, quantile
from service.coordination.history import SPANS, Bucket, Known, Layers, ModelHistory
from service.coordination.history_events import events_between
from service.coordination.history_recorder import HistoryRecorder
from service.coordination.shared_store import SharedStore
from service.coordination.statuses import encode
from service.health.change import Health
from service.health.row_owner import RowOwner
from service.health.verdict import UNWATCHED
from service.inference.measurements.prediction_counter import PredictionCounter
from service.observability.counters import SECONDS, Traffic
from tests.service.coordination.test_coordinator import House, in_house
from tests.support import bundles

__all__ = ["in_house"]

START = 1_000_000.0
CALM = Known(1, "healthy")


def bucket(at: float, rows: int = 0, **more: object) -> Bucket:
    """Five seconds of a healthy model."""
    fields: dict = {"version": 1, "verdict": "healthy", "model_verdict": "intact"}
    fields |= {"traffic_verdict": "like_training", "requests": rows, "failed": 0, "rejected": 0}
    fields |= {"latency": (0,) * (len(SECONDS) + 1), "computing": 0.5, "waiting": 0}
    return Bucket(at=at, seconds=5.0, rows=rows, **(fields | more))


def kept(buckets: Sequence[Bucket]) -> ModelHistory:
    """A history of these buckets."""
    history = ModelHistory()
    for one in buckets:
        history = history.plus(one, [], CALM)
    return history


class Moment:
    """The time of day, as the test says."""

    now = START

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_a_bucket_is_what_went_through_both_workers(in_house) -> None:
    """Rows, layers and predictions of two workers are added up; moments are those of all rows."""

    async def work(house: House) -> None:
        clock = Moment()
        recorder = HistoryRecorder(house.one.coordinator, SharedStore(house.folder), clock)
        await recorder.look()
        rows = bundles.candidates(300)
        await house.one.answer(rows[:100])
        await house.two.answer(rows[100:])
        house.two.coordinator.post()
        clock.now += 10.0
        await recorder.look()
        other = HistoryRecorder(house.two.coordinator, SharedStore(house.folder), clock)
        document = document_of(
            other.history("htru2"), "htru2", "hour", ("pulsar",), None, clock.now + 1.0
        )
        assert document.rows == [0, 300]
        right = bundles.run(bundles.graph(), rows)
        taps = right["taps"].astype(np.float64)
        assert document.targets[0].probability[1] == pytest.approx(right["probability"].mean(), rel=1e-3)
        mean = taps[..., 0].mean(axis=0)
        second = (taps[..., 1] + np.square(taps[..., 0])).mean(axis=0)
        for place, layer in enumerate(document.layers):
            assert layer.mean[1] == pytest.approx(mean[:, place].mean(), abs=1e-3)
            variance = (second - np.square(mean))[:, place]
            assert layer.variance_high[1] == pytest.approx(variance.max(), rel=2e-3)
            assert layer.mean[0] is None
        alone = document_of(other.history("htru2"), "htru2", "hour", ("pulsar",), 1, clock.now + 1.0)
        assert alone.layers[0].mean_low[1] == alone.layers[0].mean_high[1]
        assert alone.layers[0].mean[1] == pytest.approx(mean[1, 0], abs=1e-3)

    in_house(work)


def test_another_worker_goes_on_with_what_was_written(in_house) -> None:
    """Where the keeper is gone, the next one adds to the same history and counts nothing twice."""

    async def work(house: House) -> None:
        clock = Moment()
        await house.one.answer(bundles.candidates(100))
        for worker in (house.one, house.two):
            worker.coordinator.post()
            await HistoryRecorder(worker.coordinator, SharedStore(house.folder), clock).look()
            clock.now += 10.0
        history = HistoryRecorder(house.two.coordinator, SharedStore(house.folder)).history("htru2")
        assert [one.rows for one in history.buckets("hour", clock.now)] == [100, 0]

    in_house(work)


def test_verdicts_are_events_with_their_times(in_house) -> None:
    """A verdict that turns is an event, and so is when the change began; version and alarm too."""

    async def work(house: House) -> None:
        clock = Moment()
        recorder = HistoryRecorder(house.one.coordinator, SharedStore(house.folder), clock)
        clock.now = time.time()  # verdicts have real times
        await recorder.look()
        for start in range(0, 512, 64):
            await house.one.answer(bundles.candidates(64, seed=start))
        clock.now += 60.0
        await recorder.look()
        for start in range(0, 512, 64):
            await house.one.answer(3 * bundles.candidates(64, seed=start))
        await recorder.look()
        events = recorder.history("htru2").events
        kinds = [(event.kind, event.level) for event in events]
        assert ("version", "info") in kinds
        assert ("verdict", "bad") in kinds
        assert kinds.count(("change", "info")) == 1
        turned = next(event for event in events if event.level == "bad")
        assert turned.text.endswith("→ Unhealthy")
        began = next(event for event in events if event.kind == "change")
        assert began.at <= turned.at

    in_house(work)


def test_an_alarm_that_lasts_is_one_event() -> None:
    """The detector alarms again and again while a fault lasts; baselines come and go by themselves."""
    health, since = Health(UNWATCHED, {}, {}), datetime(2026, 1, 1, tzinfo=UTC)

    def kinds(before: Known | None, known: Known) -> list[str]:
        return [event.kind for event in events_between(before, known, health, since, START)]

    calm, alarmed = Known(1, "healthy", intact=True), Known(1, "healthy", alarm=5.0, intact=True)
    assert kinds(calm, alarmed) == ["alarm"]
    assert kinds(alarmed, Known(1, "healthy", alarm=9.0, intact=True)) == []
    assert kinds(calm, calm) == []
    assert kinds(calm, Known(1, "healthy", baseline=3.0, intact=True)) == ["baseline"]
    assert kinds(Known(1, "healthy", baseline=3.0, intact=True), calm) == ["baseline"]
    assert kinds(calm, Known(1, "healthy", intact=False)) == ["integrity"]
    assert kinds(Known(1, "healthy", intact=False), calm) == ["integrity"]
    assert kinds(calm, Known(2, "warming_up", intact=True)) == ["version"]


def test_old_buckets_and_events_are_dropped() -> None:
    """Two days of looks leave an hour and a day of buckets, and no more bytes than they take."""
    history, sizes = ModelHistory(), []
    for step in range(6000):
        at = START + 5.0 * step
        history = history.plus(bucket(at, rows=1), [], CALM)
        if step in (3000, 5999):
            sizes.append(len(encode(history)))
    now = START + 5.0 * 5999
    for span, (seconds, length) in SPANS.items():
        buckets = history.buckets(span, now)
        assert len(buckets) <= length
        assert buckets[0].at > now - seconds * length
    assert sum(one.rows for one in history.buckets("hour", now)) == pytest.approx(720, abs=2)
    assert sizes[1] < 1.6 * sizes[0]
    assert history.buckets("hour", now + 3600.0) == []


def test_a_wide_network_keeps_one_value_a_layer() -> None:
    """Beyond 2,000 layers of all members the members' mean is kept."""
    many = np.ones((30, 100))
    assert Layers.of(5, many, many).mean.shape == (1, 100)
    few = np.ones((20, 100))
    assert Layers.of(5, few, few).mean.shape == (20, 100)


def test_moments_of_two_buckets_are_those_of_all_rows() -> None:
    """Means and variances of a coarse bucket are those of its rows together, however uneven."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, 300), rng.normal(2, 3, 100)

    def layers(values: np.ndarray) -> Layers:
        return Layers.of(len(values), np.array([[values.mean()]]), np.array([[values.var()]]))

    both = layers(one).plus(layers(other))
    together = np.concatenate([one, other])
    assert both.mean[0, 0] == pytest.approx(together.mean(), rel=1e-5)
    assert both.variance[0, 0] == pytest.approx(together.var(), rel=1e-5)


def test_a_coarse_bucket_has_the_worst_verdict_and_the_largest_effect() -> None:
    """A short alarm is not averaged away in the history of the day."""
    bad = {"verdict": "unhealthy", "traffic_verdict": "unhealthy", "effect": 3.0}
    history = kept([bucket(START, 4), bucket(START + 5, 4, **bad), bucket(START + 10, 4, effect=0.1)])
    (day,) = history.buckets("day", START + 11)
    assert (day.verdict, day.effect, day.rows, day.seconds) == ("unhealthy", 3.0, 12, 15.0)


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [({}, 0.5, None), ({3: 10}, 0.5, 0.00375), ({3: 9, 5: 1}, 0.99, 0.0235), ({18: 1}, 0.5, 300.0)],
)
def test_quantiles_lie_within_their_buckets(
    counts: dict[int, int], share: float, seconds: float | None
) -> None:
    """They are interpolated between a bucket's bounds; the last bound is the most that is told."""
    histogram = [counts.get(place, 0) for place in range(len(SECONDS) + 1)]
    assert quantile(histogram, share) == (seconds if seconds is None else pytest.approx(seconds))


class Request:
    """A request, marked or not."""

    request_id = b"1"

    def __init__(self, *, synthetic: bool) -> None:
        self.synthetic = synthetic


def test_examples_and_numbers_that_are_none_are_not_counted() -> None:
    """Marked rows and rows that are not finite stay out of the sums; calls are from the threshold on."""
    traffic = Traffic()
    counter = PredictionCounter(traffic, np.array([0.5]))
    probability = np.array([[0.5], [0.2], [0.9], [np.nan]], np.float32)
    owners = [RowOwner(Request(synthetic=False), 2), RowOwner(Request(synthetic=True), 1)]
    owners.append(RowOwner(None, 1))
    p_values = np.array([0.004, 0.6, 0.01, 0.9])
    counter.add({"probability": probability, "p_value": p_values}, owners)
    counter.fold()
    sums = traffic.predicted
    assert sums is not None
    assert (sums.rows, sums.called.tolist()) == (2, [1.0])
    assert sums.probability[0] == pytest.approx(0.7)
    assert sums.share_below(0.01) == 0.5
    counter.fold()
    assert traffic.predicted is sums


def test_classes_are_counted_by_their_largest_probability() -> None:
    """Of exclusive targets each row calls one."""
    traffic = Traffic()
    counter = PredictionCounter(traffic, np.array([0.5, 0.5, 0.5]), exclusive=True)
    counter.add({"probability": np.array([[0.4, 0.3, 0.3], [0.1, 0.1, 0.8]])}, [])
    counter.fold()
    assert traffic.predicted is not None
    assert traffic.predicted.called.tolist() == [1.0, 0.0, 1.0]
    assert traffic.predicted.share_below(0.05) is None


def test_the_loop_goes_on_after_a_failure(in_house, monkeypatch) -> None:
    """A look that fails is logged, and the next one is made."""

    async def work(house: House) -> None:
        recorder = HistoryRecorder(house.one.coordinator, SharedStore(house.folder))
        looks = []

        async def look() -> None:
            looks.append(1)
            raise RuntimeError("once")

        monkeypatch.setattr(recorder, "look", look)
        monkeypatch.setattr("service.coordination.history_recorder.LOOK_SECONDS", 0.01)
        task = asyncio.create_task(recorder.run())
        await asyncio.sleep(0.1)
        task.cancel()
        assert len(looks) > 1

    in_house(work)
