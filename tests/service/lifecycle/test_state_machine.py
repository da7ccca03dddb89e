"""Random schedules of loads, checks, promotions, requests and deaths, and what has to hold in each."""

import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.service.lifecycle.simulation import NAME, Service, VirtualLoop

#: `make schedules` runs 10,000.
SCHEDULES = int(os.environ.get("SNN_TEST_SCHEDULES", "150"))
_MEMORY = Path("/dev/shm")

worker_numbers = st.integers(1, 3)
versions = st.integers(1, 4)


class Schedule(RuleBasedStateMachine):
    """One to three workers, and whatever may happen to them in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.folder = Path(tempfile.mkdtemp(dir=_MEMORY if _MEMORY.is_dir() else None))
        mock.patch("service.coordination.agreement.monotonic", self.loop.time).start()
        mock.patch("service.lifecycle.shared_parts.give_back").start()
        self.logs = structlog.testing.capture_logs()
        self.logs.__enter__()
        #: Versions that were promoted since all workers last served the same champion.
        self.current: set[int] = {1}

    @initialize(count=st.integers(1, 3))
    def begin(self, count: int) -> None:
        """Start the service."""
        self.service = Service(self.folder, self.loop, count > 1)
        mock.patch("asyncio.to_thread", self.service.in_thread).start()
        self.count = count
        for number in range(1, count + 1):
            self.service.start(number)
        for worker in self.workers:
            worker.tick()

    @property
    def workers(self) -> list:
        """Those that run."""
        return list(self.service.workers.values())

    def pick(self, number: int):
        """A worker that runs."""
        return self.workers[number % len(self.workers)]

    @rule(number=worker_numbers)
    def look(self, number: int) -> None:
        """A worker reads the repository."""
        self.pick(number).look()

    @rule(number=worker_numbers)
    def tick(self, number: int) -> None:
        """A worker follows the others."""
        self.pick(number).tick()

    @rule()
    def all_tick(self) -> None:
        """Every worker does all that it does within a second, but for slow jobs."""
        for _ in range(2):
            for worker in self.workers:
                worker.look()
                worker.tick()
            self.pass_time(0.2)

    @precondition(lambda self: self.service.jobs)
    @rule(index=st.integers(0, 9))
    def finish(self, index: int) -> None:
        """A load, a check or a slow read ends."""
        self.service.finish(self.service.jobs[index % len(self.service.jobs)])

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 31.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.loop.now += seconds
        self.loop.turn()

    @rule(version=versions)
    def promote(self, version: int) -> None:
        """Another version is promoted."""
        self.service.repository.promote(version)
        self.current.add(version)

    @precondition(lambda self: self.service.repository.state.previous)
    @rule()
    def roll_back(self) -> None:
        """The promotion is taken back."""
        self.service.repository.roll_back()
        self.current.add(self.service.repository.state.champion)

    @rule(number=st.integers(0, 3), version=versions)
    def spoil(self, number: int, version: int) -> None:
        """A version can be loaded no more: in one worker, or anywhere."""
        self.service.broken.add((number, version))
        self.service.changes += 1

    @rule()
    def spoil_champion(self) -> None:
        """What is promoted can be loaded no more, anywhere."""
        self.spoil(0, self.service.repository.state.champion)

    @rule(version=versions)
    def take_back_at_once(self, version: int) -> None:
        """A promotion is taken back when all workers have it ready, or have decided on it."""
        self.promote(version)
        for worker in self.workers:
            worker.look()
        for job in [job for job in self.service.jobs if job.name == "load"]:
            if job in self.service.jobs:
                self.service.finish(job)
        if self.service.repository.state.previous:
            self.roll_back()
        self.all_tick()

    @rule(verdict=st.sampled_from(["healthy", "unhealthy"]), origin=st.sampled_from(["input", "model"]))
    def traffic(self, verdict: str, origin: str) -> None:
        """Clients send other rows, of which the monitor may say anything."""
        self.service.verdict, self.service.origin = verdict, origin

    @rule(version=versions)
    def fall_ill(self, version: int) -> None:
        """A version departs on rows on which others do not."""
        self.service.ill.add(version)

    @rule(number=worker_numbers)
    def guard(self, number: int) -> None:
        """A worker compares what was promoted with what served before."""
        worker = self.pick(number)
        if self.service.repository.readable:
            worker.guard()
            self.current.add(self.service.repository.state.champion)

    @rule()
    def mend(self) -> None:
        """Every version can be loaded again."""
        self.service.broken.clear()
        self.service.changes += 1

    @rule(number=worker_numbers)
    def go_bad(self, number: int) -> None:
        """The memory of what serves goes bad."""
        model = self.pick(number).model
        if model is not None:
            model.bad = True

    @rule(number=worker_numbers)
    def examine(self, number: int) -> None:
        """An operator asks for a check."""
        worker = self.pick(number)
        worker.begin(worker.reloader.examine(NAME))

    @rule(number=worker_numbers)
    def unload(self, number: int) -> None:
        """An operator unloads the model."""
        worker = self.pick(number)
        worker.begin(worker.reloader.unload(NAME))

    @rule(number=worker_numbers)
    def load(self, number: int) -> None:
        """An operator loads the model."""
        worker = self.pick(number)
        worker.begin(worker.reloader.load(NAME))

    @precondition(lambda self: len(self.workers) > 1)
    @rule(number=worker_numbers)
    def die(self, number: int) -> None:
        """A worker dies."""
        self.service.kill(self.pick(number).number)

    @precondition(lambda self: len(self.workers) < self.count)
    @rule()
    def succeed(self) -> None:
        """A dead worker's successor starts."""
        self.service.start(min({1, 2, 3} - self.service.workers.keys()))

    @rule(full=st.booleans())
    def fill_disk(self, full: bool) -> None:
        """The shared store cannot be written for a while."""
        self.service.disk_full = full

    @rule(slow=st.booleans())
    def slow_down(self, slow: bool) -> None:
        """The repository is read slowly for a while."""
        self.service.slow_reads = slow

    @rule(readable=st.booleans())
    def hide(self, readable: bool) -> None:
        """The repository cannot be read for a while."""
        self.service.repository.readable = readable

    @invariant()
    def what_serves_is_open(self) -> None:
        """No worker answers with a closed model."""
        for worker in self.workers:
            assert worker.model is None or not worker.model.closed

    @invariant()
    def no_version_comes_back(self) -> None:
        """What begins to serve was promoted since all agreed, unless that is refused, and is told."""
        champion = self.service.repository.state.champion
        for worker in self.workers:
            for version in worker.served:
                told = any(f"version {champion} was refused" in str(each.error) for each in self.workers)
                assert version in self.current or told, (worker.number, version, self.current)
            worker.served.clear()
        reading = any(job.name == "read" for job in self.service.jobs)
        agreed = all(worker.version == worker.champion == champion for worker in self.workers)
        if agreed and not reading:  # what was read before a promotion may be told after it
            self.current = {champion}

    @invariant()
    def only_what_is_at_fault_is_taken_back(self) -> None:
        """Whatever clients send, the service takes back what is ill or has lost its golden rows."""
        for version, why in self.service.repository.taken_back:
            assert version in self.service.ill or why.startswith("its golden rows failed")
        self.service.repository.taken_back.clear()

    def go_on(self, rounds: int) -> None:
        """Let everything that began end, while half seconds pass."""
        for _ in range(rounds):
            for worker in self.workers:
                worker.look()
                worker.tick()
            for job in list(self.service.jobs):
                if job in self.service.jobs:
                    self.service.finish(job)
            self.pass_time(0.5)
            for worker in self.workers:
                worker.tick()
                worker.guard()
            self.current.add(self.service.repository.state.champion)
            self.no_version_comes_back()
            self.only_what_is_at_fault_is_taken_back()
            self.what_serves_is_open()

    def teardown(self) -> None:
        """Workers agree in the end on what is promoted, or tell why not."""
        try:
            if hasattr(self, "service"):
                self.settle()
        finally:
            for worker in self.workers if hasattr(self, "service") else []:
                self.service.kill(worker.number)
            self.loop.turn()
            self.loop.close()
            self.logs.__exit__(None, None, None)
            mock.patch.stopall()
            shutil.rmtree(self.folder)

    def settle(self) -> None:
        """Check the end: first with what is broken, then with everything mended.

        What is promoted then stays so: the service takes back nothing that is not at fault.
        """
        self.service.disk_full = self.service.slow_reads = False
        self.service.repository.readable = True
        self.pass_time(31.0)
        self.go_on(10)
        champion = self.service.repository.state.champion
        states = [worker.served_models.state(NAME) for worker in self.workers]
        for worker in self.workers:
            assert worker.version == champion or any(each.error for each in states)
        self.mend()
        self.service.ill.clear()
        self.pass_time(61.0)
        self.go_on(2)
        champion = self.service.repository.state.champion
        self.go_on(12)
        assert self.service.repository.state.champion == champion
        states = [worker.served_models.state(NAME) for worker in self.workers]
        if all(state.unloaded for state in states):
            assert all(state.served is None for state in states)
            return
        for worker, state in zip(self.workers, states, strict=True):
            assert worker.version == champion
            assert state.error is None
            assert not worker.model.bad


@pytest.mark.timeout(3600)
def test_any_schedule_keeps_the_promises() -> None:
    """Never a version back, never a healthy version withdrawn, and workers agree in the end."""
    run_state_machine_as_test(
        Schedule,
        settings=settings(
            max_examples=SCHEDULES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
