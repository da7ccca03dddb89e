"""What operators ask for, where a file cannot be written or nobody is to be called."""

import asyncio
import contextlib
from pathlib import Path

import pytest
import structlog

from models.registry.release_log import ReleaseLog
from service.coordination.shared_store import SharedStore
from tests.service.conftest import App
from tests.service.coordination.test_coordinator import House as Workers
from tests.service.lifecycle.test_auto_rollback import House, run
from tests.support import bundles

FULL = OSError(28, "No space left on device")


def full(*_: object, **__: object) -> None:
    """Write to a full disk."""
    raise FULL


def test_an_unloaded_model_is_not_refused(with_app, tmp_path: Path) -> None:
    """Metrics tell a model that an operator unloaded from one that cannot be loaded."""

    async def metrics(app: App) -> tuple[bool, bool, bool]:
        text = (await app.client.get("/metrics")).text
        names = ("ready", "refused", "unloaded")
        return tuple(f'snn_model_{name}{{model="htru2"}} 1.0' in text for name in names)

    async def work(app: App) -> None:
        assert await metrics(app) == (True, False, False)
        await app.reloader.unload("htru2")
        assert await metrics(app) == (False, False, True)
        await app.reloader.load("htru2")
        assert await metrics(app) == (True, False, False)
        bundles.publish(tmp_path, seed=1)
        (tmp_path / "htru2" / "2" / "model.onnx").write_bytes(b"")
        await app.reloader.poll()
        assert await metrics(app) == (True, True, False)

    with_app(work)


def test_a_rollback_that_cannot_be_logged_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The automatic rollback is not repeated, and the service's own log says what was done."""
    house = House(tmp_path)

    async def work() -> None:
        await house.promote(ill=3.0)
        await house.traffic()
        monkeypatch.setattr(ReleaseLog, "add", full)
        with structlog.testing.capture_logs() as lines:
            await house.look()
            await house.look()
        assert house.serves == 1
        events = [line["event"] for line in lines]
        assert events.count("rolled back") == 1
        assert "rollback failed" not in events
        (unwritten, *_) = [line for line in lines if line["event"] == "release log unwritable"]
        assert "version 2 → 1 was done" in unwritten["reason"]

    run(work, house)


def test_golden_checks_go_on_while_the_shared_store_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due is checked and repaired, the trouble is logged once, and the task lives on."""

    async def work() -> None:
        house = Workers(tmp_path)
        worker = house.one
        running = asyncio.create_task(worker.reloader.run())

        async def until(done) -> None:
            async with asyncio.timeout(10):
                while not done():
                    await asyncio.sleep(0.02)

        await until(lambda: worker.reloader.looked.is_set() and worker.version == 1)
        sick = worker.served_models.get("htru2")
        monkeypatch.setattr(SharedStore, "_open", full)
        with structlog.testing.capture_logs() as lines:
            worker.faulty = True
            worker.clock.ahead += 61
            await until(lambda: worker.served_models.state("htru2").fault is not None)
            worker.faulty = False
            await until(lambda: worker.version is None or worker.served_models.get("htru2") is not sick)
            worker.clock.ahead += 61
            await until(lambda: worker.served_models.state("htru2").intact)
            await asyncio.sleep(0.3)
        told = [line for line in lines if "No space left" in str(line.get("reason"))]
        assert len(told) == 1
        assert not running.done()
        monkeypatch.undo()
        bundles.publish(house.repository, seed=1)
        house.call(1)  # the other worker does not run
        await until(lambda: worker.version == 2)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await asyncio.sleep(0.05)

    asyncio.run(work())
