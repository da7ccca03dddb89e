"""Two workers over one board, in this process: what they agree on and what each says of both."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from models.registry.store import Repository
from service.coordination.aggregate import find
from service.coordination.coordinator import WorkerCoordinator
from service.coordination.shared_store import SharedStore
from service.coordination.statuses import Roster, WorkerSlot
from service.errors import ModelNotReady, ServiceError
from service.inference.backend.device import CPU, Device
from service.inference.backend.onnx_session import open_session
from service.inference.batcher import Limits
from service.inference.served_models import ServedModels
from service.lifecycle.loader import Loader
from service.lifecycle.reloader import Reloader
from service.observability.counters import Telemetry
from tests.support import bundles

#: All workers of these tests are this process; a dead one is one with another.
ELSEWHERE = -1


class Clock:
    """The monotonic clock, ahead by as many seconds as the test says."""

    ahead = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return monotonic() + self.ahead


class Worker:
    """One worker without a server: a catalog kept in step, and its sight of the others."""

    def __init__(self, repository: Path, shared_store: Path, number: int) -> None:
        self.number = number
        self.shared_store = SharedStore(shared_store)
        self.served_models, self.telemetry, self.clock = ServedModels(), Telemetry(), Clock()
        self.coordinator = WorkerCoordinator(
            self.served_models, self.telemetry, self.shared_store, number
        )
        self.faulty = self.broken = False
        root = Repository(repository)
        loader = Loader(root, Device(CPU), self.telemetry, Limits(), self._open)
        self.reloader = Reloader(
            self.served_models, loader, root, 1.0, 60.0, self.clock, coordinator=self.coordinator
        )
        self.coordinator.serving = True

    def _open(self, model: bytes, device: Device):
        if self.broken:
            raise ServiceError("no memory is left")
        session = open_session(model, device)
        run = session.run

        def faulty(rows: np.ndarray) -> dict[str, np.ndarray]:
            outputs = run(rows)
            if self.faulty:
                outputs["taps"] = outputs["taps"] * 1.5
            return outputs

        session.run = faulty
        return session

    @property
    def version(self) -> int | None:
        """The version that this worker serves."""
        served = self.served_models.state("htru2").served
        return None if served is None else served.manifest.version

    async def answer(self, rows: np.ndarray) -> None:
        """Compute rows, as a request would."""
        await self.served_models.get("htru2").batcher.run(rows)
        self.telemetry.answered("/predict", 200, 0.1)


class House:
    """A repository, a board and two workers."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.folder = folder / "repository", folder / "board"
        for made in (self.repository, self.folder):
            made.mkdir()
        bundles.publish(self.repository)
        self.call(1, 2)
        self.one, self.two = self.worker(1), self.worker(2)
        for each in (self.one, self.two):
            each.coordinator.post()

    def worker(self, number: int) -> Worker:
        """Another worker under this number."""
        return Worker(self.repository, self.folder, number)

    def call(self, *alive: int) -> None:
        """Write the roster as the supervisor would."""
        slots = {number: WorkerSlot(os.getpid(), first=True) for number in alive}
        SharedStore(self.folder).write_roster(Roster(slots, 2))

    async def follow(self, *workers: Worker) -> None:
        """Let workers watch one another until what was decided has come into force."""
        for _ in range(8):
            for worker in workers or (self.one, self.two):
                worker.reloader.follow_others()
                worker.coordinator.post()
            await asyncio.sleep(0.04)


@pytest.fixture
def in_house(tmp_path: Path) -> Callable[[Callable[[House], Awaitable[None]]], None]:
    """Return a function that runs a test's work with two workers that serve version 1."""

    def run(work: Callable[[House], Awaitable[None]]) -> None:
        async def main() -> None:
            house = House(tmp_path)
            for worker in (house.one, house.two):
                await worker.reloader.poll()
                worker.coordinator.post()
            assert (house.one.version, house.two.version) == (1, 1)
            await work(house)
            await asyncio.sleep(0.05)  # retired models close

        asyncio.run(main())

    return run


def test_all_change_over_when_the_last_is_ready(in_house) -> None:
    """Who is ready first waits; then both serve the new version."""

    async def work(house: House) -> None:
        bundles.publish(house.repository, seed=1)
        await house.one.reloader.poll()
        await house.follow()
        assert (house.one.version, house.two.version) == (1, 1)
        await house.two.reloader.poll()
        await house.follow()
        assert (house.one.version, house.two.version) == (2, 2)
        assert house.one.coordinator.prepared == house.two.coordinator.prepared == {}

    in_house(work)


def test_one_that_refuses_keeps_all_on_the_old_version(in_house) -> None:
    """Both say which worker it was and why; when it can load the version, all change over."""

    async def work(house: House) -> None:
        bundles.publish(house.repository, seed=1)
        house.two.broken = True
        await house.one.reloader.poll()
        await house.two.reloader.poll()
        await house.follow()
        assert (house.one.version, house.two.version) == (1, 1)
        for worker in (house.one, house.two):
            model = find(worker.coordinator.whole(), "htru2")
            assert model.error is not None
            assert model.error.startswith("worker 2: version 2 was refused: onnx") or (
                "no memory is left" in model.error and model.error.startswith("worker 2: ")
            )
            assert worker.coordinator.whole().ready
        assert house.one.coordinator.prepared == {}
        house.two.broken = False
        house.two.clock.ahead += 31
        await house.two.reloader.poll()
        await house.one.reloader.poll()
        await house.follow()
        assert (house.one.version, house.two.version) == (2, 2)
        assert find(house.one.coordinator.whole(), "htru2").error is None

    in_house(work)


def test_workers_stand_in_for_a_champion_that_is_refused_at_the_start(tmp_path: Path) -> None:
    """All of them serve the version before it, and say why."""
    house = House(tmp_path)
    bundles.publish(house.repository, seed=1)
    path = house.repository / "htru2" / "2" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-100])

    async def work() -> None:
        for worker in (house.one, house.two):
            await worker.reloader.poll()
            worker.coordinator.post()
        await house.follow()
        assert (house.one.version, house.two.version) == (1, 1)
        for worker in (house.one, house.two):
            model = find(worker.coordinator.whole(), "htru2")
            assert model.ready
            assert "version 2 was refused" in str(model.error)
        await asyncio.sleep(0.05)

    asyncio.run(work())


def test_a_worker_that_died_is_not_waited_for(in_house) -> None:
    """As soon as the roster is without it the others go on."""

    async def work(house: House) -> None:
        bundles.publish(house.repository, seed=1)
        await house.one.reloader.poll()
        house.call(1)
        await house.follow(house.one)
        assert house.one.version == 2

    in_house(work)


def test_a_worker_that_hangs_is_not_waited_for_for_ever(in_house) -> None:
    """After a minute those that are ready change over; the late one follows at once."""

    async def work(house: House) -> None:
        bundles.publish(house.repository, seed=1)
        await house.one.reloader.poll()
        house.one.clock.ahead += 61
        await house.follow(house.one)
        assert (house.one.version, house.two.version) == (2, 1)
        await house.two.reloader.poll()
        assert house.two.version == 2

    in_house(work)


def test_a_rollback_before_all_are_ready_leaves_everything_as_it_was(in_house) -> None:
    """What was prepared is closed, and nothing changes over."""

    async def work(house: House) -> None:
        bundles.publish(house.repository, seed=1)
        await house.one.reloader.poll()
        assert house.one.coordinator.prepared == {"htru2": 2}
        Repository(house.repository).roll_back("htru2")
        for worker in (house.one, house.two):
            await worker.reloader.poll()
        await house.follow()
        assert (house.one.version, house.two.version) == (1, 1)
        assert house.one.coordinator.prepared == {}

    in_house(work)


def test_golden_rows_that_fail_in_one_show_in_all(in_house) -> None:
    """A worker whose model is not intact, and cannot be mended, makes the service not ready."""

    async def work(house: House) -> None:
        house.two.faulty = True
        house.two.clock.ahead += 61
        await house.two.reloader.poll()
        whole = house.one.coordinator.whole()
        assert not whole.ready
        assert whole.models["htru2"].intact is False
        assert str(whole.models["htru2"].error).startswith("worker 2: its golden rows failed")
        with pytest.raises(ModelNotReady, match="worker 2"):
            find(whole, "htru2")

    in_house(work)


def test_counters_and_windows_are_those_of_both_and_outlive_a_worker(in_house) -> None:
    """Sums over workers equal one worker's that saw everything; a successor goes on from there."""

    async def work(house: House) -> None:
        await house.one.answer(bundles.candidates(100, 1))
        await house.two.answer(bundles.candidates(200, 2))
        house.two.coordinator.post()

        async def seen(worker: Worker) -> tuple:
            whole = worker.coordinator.whole()
            traffic = whole.counted.traffic("htru2", 1)
            health, since = (await worker.coordinator.health("htru2"))[1:]
            assert traffic.activations is not None
            return (
                whole.counted.requests["/predict", 200],
                traffic.rows,
                traffic.activations.rows,
                traffic.activations.shifted.tolist(),
                health.windows["1m"].count,
                health.judgement,
                since,
            )

        first = await seen(house.one)
        assert first[:3] == (2, 300, 300)
        assert first[4] == 300
        assert first[5].verdict == "healthy"
        assert await seen(house.two) == first
        house.call(1)  # the second died
        assert await seen(house.one) == first
        house.call(1, 2)
        successor = house.worker(2)
        await successor.reloader.poll()
        successor.coordinator.post()
        assert await seen(house.one) == first
        assert await seen(successor) == first
        await successor.answer(bundles.candidates(5))
        assert (await seen(successor))[:3] == (await seen(house.one))[:3] == (3, 305, 305)

    in_house(work)


def test_a_successor_begins_with_what_the_others_serve(in_house) -> None:
    """Also while a newer version is promoted that one of them refuses."""

    async def work(house: House) -> None:
        bundles.publish(house.repository, seed=1)
        house.one.broken = True
        await house.one.reloader.poll()
        successor = house.worker(2)
        await successor.reloader.poll()
        assert successor.version == 1
        assert successor.reloader.settled

    in_house(work)


def test_one_that_is_asked_to_unload_and_load_is_followed_by_all(in_house) -> None:
    """The request returns when the other worker has done the same."""

    async def work(house: House) -> None:
        async def follow() -> None:
            while True:
                house.two.reloader.follow_others()
                house.two.coordinator.post()
                await asyncio.sleep(0.01)

        following = asyncio.create_task(follow())
        await house.one.reloader.unload("htru2")
        assert (house.one.version, house.two.version) == (None, None)
        assert house.two.served_models.state("htru2").unloaded
        await house.one.reloader.load("htru2")
        for _ in range(100):
            await asyncio.sleep(0.02)
            if house.two.version == 1:
                break
        assert (house.one.version, house.two.version) == (1, 1)
        following.cancel()

    in_house(work)


def test_one_that_has_not_said_anything_yet_makes_the_start_not_ready(tmp_path: Path) -> None:
    """Of the workers that the service began with none may be missing; a successor may."""

    async def work() -> None:
        house = House(tmp_path)
        (tmp_path / "board" / "worker-2").unlink()
        await house.one.reloader.poll()
        whole = house.one.coordinator.whole()
        assert (whole.ready, whole.trouble) == (False, "worker 2 is starting")
        slots = {
            1: WorkerSlot(house.one.coordinator.whole().roster.slots[1].pid, True),
            2: WorkerSlot(ELSEWHERE, False),
        }
        SharedStore(house.folder).write_roster(Roster(slots, 2, restarts=1))
        assert house.one.coordinator.whole().ready

    asyncio.run(work())


def test_a_check_on_demand_is_made_by_every_worker(in_house) -> None:
    """Whichever is asked: the other finds its own fault, mends it, and both say what was found."""

    async def work(house: House) -> None:
        house.two.faulty = True
        asked = asyncio.create_task(house.one.reloader.examine("htru2"))
        while not asked.done():
            house.two.reloader.follow_others()
            house.two.faulty = house.two.served_models.state("htru2").fault is None
            await asyncio.sleep(0.02)
        await asked
        fault = house.one.coordinator.whole().models["htru2"].fault
        assert fault is not None
        assert (fault.part, fault.member, fault.layer) == ("layer", 0, 1)
        assert house.one.served_models.state("htru2").fault is None

    in_house(work)
