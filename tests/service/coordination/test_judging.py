"""Traffic is judged beside the event loop, which answers requests meanwhile."""

import asyncio
import threading
import time
from time import perf_counter, sleep

import pytest

from models.errors import ModelError
from service.coordination.history_recorder import HistoryRecorder
from service.coordination.shared_store import SharedStore
from service.errors import ModelNotFound
from service.health.monitor import Monitor
from tests.service.conftest import App
from tests.support import bundles

#: A judgement that is as slow as this must not hold the event loop for a twentieth of it.
SLOW_SECONDS = 0.3


@pytest.fixture
def slow(monkeypatch) -> list[int]:
    """Judging takes its time; the threads that did it are listed."""
    threads: list[int] = []
    for name in ("scan", "judged"):
        own = getattr(Monitor, name)

        def slowly(*arguments, _own=own, **options):
            threads.append(threading.get_ident())
            sleep(SLOW_SECONDS)
            return _own(*arguments, **options)

        monkeypatch.setattr(Monitor, name, slowly)
    return threads


async def longest_hold(work) -> float:
    """Do the work; return for how long the event loop was held at most, in seconds."""
    longest, done = 0.0, False

    async def tick() -> None:
        nonlocal longest
        while not done:
            before = perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, perf_counter() - before)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await work
    done = True
    await ticking
    return longest


@pytest.mark.parametrize("path", ["/health/activations", "/health/activations/htru2", "/metrics"])
def test_the_loop_is_free_while_traffic_is_judged(with_app, slow: list[int], path: str) -> None:
    """Judging for 0.6 s holds it for a small part of that; another thread does it."""

    async def work(app: App) -> None:
        await app.predict(model="htru2", inputs=bundles.candidates(300).tolist())
        assert await longest_hold(app.client.get(path)) < SLOW_SECONDS / 2
        assert len(slow) == 2
        assert threading.get_ident() not in slow

    with_app(work)


def test_the_loop_is_free_while_the_history_is_written(with_app, slow: list[int]) -> None:
    """The look of every five seconds is judged by another thread as well."""

    async def work(app: App) -> None:
        await app.predict(model="htru2", inputs=bundles.candidates(300).tolist())
        recorder = HistoryRecorder(app.coordinator, SharedStore())
        assert await longest_hold(recorder.look()) < SLOW_SECONDS / 2
        assert len(slow) == 2
        assert threading.get_ident() not in slow
        buckets = recorder.history("htru2").buckets("hour", time.time())
        assert [bucket.rows for bucket in buckets] == [300]

    with_app(work)


def test_a_model_that_is_not_there_is_an_error(with_app) -> None:
    """It is not swallowed on the way through the thread."""

    async def work(app: App) -> None:
        with pytest.raises(ModelNotFound):
            await app.coordinator.health("other")

    with_app(work)


def test_what_judging_raises_is_raised(with_app, monkeypatch) -> None:
    """An error of the thread reaches who asked."""

    async def work(app: App) -> None:
        def broken(*_: object) -> None:
            raise ModelError("out of order")

        monkeypatch.setattr(Monitor, "judged", broken)
        with pytest.raises(ModelError, match="out of order"):
            await app.coordinator.health("htru2")

    with_app(work)
