"""A golden check that ends after its worker has changed over must not act on the new version."""

import asyncio
import threading
from pathlib import Path

import pytest

from models.errors import BundleRefused
from service.inference.served_models import ServedModel
from service.lifecycle.loader import Loader
from tests.service.coordination.test_coordinator import House, Worker
from tests.support import bundles


class SlowCheck:
    """A golden check that ends, with a failure, when the test says."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()

    def __call__(self, served: ServedModel) -> None:
        """Wait, then fail."""
        self.began.set()
        assert self.may_end.wait(10)
        raise BundleRefused("golden rows: a probability is off")


async def on_schedule(worker: Worker) -> None:
    """Poll when the golden rows are due."""
    worker.clock.ahead += 59  # not yet so late that a prepared version would no longer wait
    await worker.reloader.poll()


async def on_demand(worker: Worker) -> None:
    """Check because somebody asked."""
    await worker.reloader.check("htru2")


@pytest.mark.parametrize("loadable", [True, False], ids=["version 1 loads", "version 1 does not load"])
@pytest.mark.parametrize("begin", [on_schedule, on_demand])
def test_a_check_that_began_before_a_change_over_does_not_undo_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin, loadable: bool
) -> None:
    """Workers go from (1, 1) to (2, 2) and stay there, although the check of version 1 fails late."""
    check = SlowCheck()

    async def work() -> None:
        house = House(tmp_path)
        one, two = house.one, house.two
        for worker in (one, two):
            await worker.reloader.poll()
            worker.coordinator.post()
        assert (one.version, two.version) == (1, 1)
        one.clock.ahead += 2  # the check of version 1 is due before the patience for version 2 ends
        bundles.publish(house.repository, seed=1)
        await one.reloader.poll()
        assert one.coordinator.prepared == {"htru2": 2}
        monkeypatch.setattr(Loader, "check", lambda _, served: check(served))
        checking = asyncio.create_task(begin(one))
        await asyncio.to_thread(check.began.wait, 10)
        await two.reloader.poll()
        await house.follow()
        assert (one.version, two.version) == (2, 2)
        if not loadable:
            (house.repository / "htru2" / "1" / "model.onnx").write_bytes(b"")
        check.may_end.set()
        await checking
        await house.follow()
        assert (one.version, two.version) == (2, 2)
        state = one.served_models.state("htru2")
        assert state.intact
        assert state.error is None
        await asyncio.sleep(0.05)

    asyncio.run(work())
