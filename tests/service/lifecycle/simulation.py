"""Workers of one service in virtual time: real reloaders and shared store, models made of nothing.

Loads, checks and slow reads of the repository are jobs that end when the test says, in any order.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from models.errors import BundleRefused, RepositoryError
from models.registry.serving_state import ServingState
from service.coordination.coordinator import WorkerCoordinator
from service.coordination.shared_store import Roster, SharedStore, WorkerSlot
from service.errors import ServiceError
from service.inference.served_models import ServedModels
from service.lifecycle.audit_log import SERVICE
from service.lifecycle.auto_rollback import AutoRollback
from service.lifecycle.reloader import Reloader
from service.observability.counters import Telemetry, Traffic

NAME = "model"


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a number."""

    now = 1000.0

    def time(self) -> float:
        """Tell the time."""
        return self.now

    def turn(self, times: int = 6) -> None:
        """Let everything run that can run now."""
        for _ in range(times):
            self.call_soon(self.stop)
            self.run_forever()


class Model:
    """As much of a served model as the lifecycle touches."""

    def __init__(self, version: int) -> None:
        self.manifest = SimpleNamespace(name=NAME, version=version)
        self.label = f"{NAME}@{version}"
        self.session = SimpleNamespace(provider="none")
        self.batcher = SimpleNamespace(waiting=0)
        self.monitor, self.traffic = None, Traffic()
        self.sample = SimpleNamespace(wanted=False, forget=lambda: None)
        self.predictions = SimpleNamespace(fold=lambda: None)
        self.bad = self.closed = False

    @contextmanager
    def leased(self) -> Iterator[None]:
        """Use the model."""
        assert not self.closed
        yield

    async def retire(self) -> None:
        """Close the model."""
        assert not self.closed
        self.closed = True


class FakeRepository:
    """What is promoted, in memory."""

    def __init__(self) -> None:
        self.state = ServingState(1, (), 1)
        self.readable = True
        #: Versions that the service itself has taken back, with its reasons.
        self.taken_back: list[tuple[int, str]] = []

    def models(self) -> list[str]:
        """The one model."""
        if not self.readable:
            raise RepositoryError("the repository is away")
        return [NAME]

    def strays(self) -> dict[str, str]:
        """Nothing else."""
        return {}

    def serving(self, _: str) -> ServingState:
        """What is promoted."""
        return self.state

    def promote(self, version: int) -> None:
        """Make a version the champion."""
        before = self.state
        previous = [each for each in (before.champion, *before.previous) if each != version]
        self.state = ServingState(version, tuple(previous), before.generation + 1)

    def roll_back(self, _: str = NAME, by: str = "", why: str = "", expected: int | None = None) -> None:
        """Return to the champion before."""
        if expected not in (None, self.state.champion):
            raise RepositoryError("it is not the champion any more")
        if by == SERVICE:
            self.taken_back.append((self.state.champion, why))
        champion, *previous = self.state.previous
        self.state = ServingState(champion, tuple(previous), self.state.generation + 1)


@dataclass
class Job:
    """Slow work that waits for its end."""

    worker: "SimulatedWorker"
    name: str
    end: asyncio.Future[None]


@dataclass
class Service:
    """Everything that the workers share."""

    folder: Path
    loop: VirtualLoop
    several: bool
    repository: FakeRepository = field(default_factory=FakeRepository)
    #: Which versions cannot be loaded: in a worker, or with 0 in any; and how often that changed.
    broken: set[tuple[int, int]] = field(default_factory=set)
    changes: int = 0
    #: What is said of the traffic, and the versions that are at fault on any rows.
    verdict: str = "healthy"
    origin: str = "input"
    ill: set[int] = field(default_factory=set)
    disk_full: bool = False
    slow_reads: bool = False
    jobs: list[Job] = field(default_factory=list)
    workers: dict[int, "SimulatedWorker"] = field(default_factory=dict)
    started: int = 0

    def start(self, number: int) -> "SimulatedWorker":
        """Start a worker: one of the first, or a successor."""
        self.started += 1
        first = self.started <= 3 and not any(w.admitted for w in self.workers.values())
        worker = self.workers[number] = SimulatedWorker(self, number, first=first)
        self.call()
        return worker

    def kill(self, number: int) -> None:
        """Let a worker die."""
        worker = self.workers.pop(number)
        self.jobs = [job for job in self.jobs if job.worker is not worker]
        for task in worker.tasks | worker.reloader._jobs:
            task.cancel()
        self.call()
        (self.folder / f"worker-{number}").unlink(missing_ok=True)

    def call(self) -> None:
        """Write the roster, as the supervisor would."""
        if self.several:
            slots = {
                number: WorkerSlot(os.getpid(), first=worker.first)
                for number, worker in self.workers.items()
            }
            SharedStore(self.folder).write_roster(Roster(slots, 3))

    async def in_thread(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Do slow work, as ``asyncio.to_thread``: now, or when the test says."""
        read = work.__name__ == "read" and work(*arguments)  # now, and told later
        if work.__name__ in ("load", "check") or (read and self.slow_reads):
            owner = work.__self__
            worker = next(
                w
                for w in self.workers.values()
                if any(owner is part for part in (w, w.reloader._promotions, w.reloader._worker))
            )
            job = Job(worker, work.__name__, self.loop.create_future())
            self.jobs.append(job)
            await job.end
        return read or work(*arguments, **named)

    def finish(self, job: Job) -> None:
        """Let a job end."""
        self.jobs.remove(job)
        job.end.set_result(None)
        self.loop.turn()


class SimulatedWorker:
    """One worker."""

    def __init__(self, service: Service, number: int, *, first: bool) -> None:
        self.service, self.number, self.first = service, number, first
        self.admitted, self.admit_by = False, service.loop.now + 10.0
        self.tasks: set[asyncio.Task[Any]] = set()
        self.served_models, telemetry = ServedModels(), Telemetry()
        store = SharedStore(service.folder) if service.several else None
        if store is not None:
            store._open = self._fragile(store._open)
        self.coordinator = WorkerCoordinator(self.served_models, telemetry, store, number)
        self.reloader = Reloader(
            self.served_models,
            self,
            service.repository,
            1.0,
            60.0,
            service.loop.time,
            self.coordinator,
        )
        self.coordinator.health = self.judged
        self.auto_rollback = AutoRollback(
            self.served_models,
            self.coordinator,
            service.repository,
            self,
            600.0,
            service.loop.time,
        )
        self.served: list[int] = []
        put, withdraw = self.served_models.put, self.served_models.withdraw

        def recorded_put(name: str, model: Model) -> Model | None:
            self.served.append(model.manifest.version)
            return put(name, model)

        def checked_withdraw(name: str, error: str) -> Model | None:
            assert self.served_models.state(name).served.bad, "a healthy version was withdrawn"
            return withdraw(name, error)

        self.served_models.put, self.served_models.withdraw = recorded_put, checked_withdraw

    def _fragile(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*arguments: Any) -> Any:
            if self.service.disk_full:
                raise OSError(28, "No space left on device")
            return write(*arguments)

        return written

    async def judged(self, _: str) -> tuple[None, SimpleNamespace, None]:
        """Judge the traffic, as a coordinator would."""
        judgement = SimpleNamespace(verdict=self.service.verdict, origin=self.service.origin)
        return None, SimpleNamespace(judgement=judgement), None

    def compare(self, _: object, served: Model, earlier: int) -> str | None:
        """Judge the same rows by two versions."""
        ill = self.service.ill
        return "it is ill" if served.manifest.version in ill and earlier not in ill else None

    # What the reloader uses of a loader.

    def files(self, _: str, version: int) -> tuple[tuple[str, int, int], ...]:
        """The state of a version's files."""
        return (("model.onnx", version, self.service.changes),)

    def load(self, _: str, version: int) -> Model:
        """Load a version, or fail."""
        if self.service.broken & {(0, version), (self.number, version)}:
            raise BundleRefused("it is broken")
        return Model(version)

    def try_once(self, _: str, version: int, tried: object) -> None:
        """Try a version."""

    def check(self, model: Model) -> None:
        """Run golden rows."""
        if model.bad:
            raise BundleRefused("golden rows are off")

    # What happens to the worker.

    @property
    def model(self) -> Model | None:
        """What serves."""
        return self.served_models.states().get(NAME, SimpleNamespace(served=None)).served

    @property
    def version(self) -> int | None:
        """The version that serves."""
        return None if self.model is None else self.model.manifest.version

    @property
    def champion(self) -> int | None:
        """What this worker has read to be promoted."""
        lifecycle = self.reloader._models.get(NAME)
        return None if lifecycle is None else lifecycle.state.champion

    @property
    def error(self) -> str | None:
        """What this worker says is wrong."""
        states = self.served_models.states()
        return states[NAME].error if states else self.served_models.trouble

    def begin(self, work: Awaitable[Any]) -> None:
        """Begin what may take its time and may be refused."""

        async def refused() -> None:
            with suppress(ServiceError, OSError):
                await work

        task = self.service.loop.create_task(refused())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        self.service.loop.turn()

    def guard(self) -> None:
        """Compare what is on probation with its predecessor, as once a second."""
        with mock.patch("service.lifecycle.auto_rollback.fault_on_same_rows", self.compare):
            self.begin(self.auto_rollback.look())

    def look(self) -> None:
        """Read the repository, as once a second."""
        if not self.reloader._reading.locked():
            self.begin(self.reloader.look())

    def tick(self) -> None:
        """Follow the others, as twenty times a second, and take connections once it may."""
        self.service.loop.call_soon(self.reloader.follow_others)
        self.service.loop.turn(2)
        settled = self.reloader.looked.is_set() and self.reloader.settled
        if self.first or settled or self.service.loop.now > self.admit_by:
            self.admitted = self.coordinator.serving = True
        if self.admitted and self.service.several and not self.service.disk_full:
            self.coordinator.post(force=False)
