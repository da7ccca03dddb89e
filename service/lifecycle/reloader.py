"""Drives the state machines of all models in one worker.

It tells them what the repository promotes, what operators ask for, and that time has passed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from itertools import count
from time import monotonic
from typing import Any

from models.errors import ModelError
from models.registry.releases import Releases
from models.registry.store import Repository
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ModelNotFound, ModelNotReady, ServiceError
from service.inference.served_models import ServedModels
from service.lifecycle.audit_log import SERVICE, ReleaseAudit
from service.lifecycle.loader import Loader
from service.lifecycle.model_lifecycle import ModelLifecycle
from service.lifecycle.promotions import Promoted, Promotions
from service.lifecycle.shared_parts import Worker
from service.observability.counters import Telemetry
from service.observability.logs import get_logger, place_of

#: How often a worker looks at what the others have ready and what was decided.
_FOLLOW_SECONDS = 0.05
#: How long a request waits for the other workers.
_AGREE_SECONDS = 10.0

_log = get_logger()


class Reloader:
    """Keeps the served models in step with the repository, and intact."""

    def __init__(
        self,
        served_models: ServedModels,
        loader: Loader,
        repository: Repository,
        poll_seconds: float,
        golden_seconds: float,
        clock: Callable[[], float] = monotonic,
        coordinator: WorkerCoordinator | None = None,
        releases: Releases | None = None,
    ) -> None:
        """Without ``coordinator`` the worker is alone.

        ``releases`` knows exemptions from what is promoted, and has the release log.
        """
        self._served_models = served_models
        self._promotions = Promotions(repository, releases, loader)
        self._poll_seconds = poll_seconds
        self._coordinator = coordinator or WorkerCoordinator(served_models, Telemetry())
        self._audit = ReleaseAudit(None if releases is None else releases.log)
        self._worker = Worker(
            served_models, loader, self._coordinator, self._audit, golden_seconds, clock, self._start
        )
        self._models: dict[str, ModelLifecycle] = {}
        self._jobs: set[asyncio.Task[Any]] = set()
        self._failures: set[str] = set()
        self._reading, self._judging = asyncio.Lock(), asyncio.Lock()
        #: Whether the repository has been read: what is found later does not decide readiness.
        self._began = False
        #: Set once the repository has been looked at, whatever was found there.
        self.looked = asyncio.Event()

    async def run(self) -> None:
        """Look at the repository, and follow the other workers, until cancelled."""
        alone = self._coordinator.alone
        pause = self._poll_seconds if alone else min(self._poll_seconds, _FOLLOW_SECONDS)
        rounds = max(1, round(self._poll_seconds / pause))
        try:
            for number in count():
                if number % rounds == 0 and not self._reading.locked():
                    self._start(self.look())
                    self._start(self._judge())
                self.follow_others()
                await asyncio.sleep(pause)
        finally:
            for job in self._jobs:
                job.cancel()

    def close(self) -> None:
        """Wait until the release log is written."""
        self._audit.close()

    async def poll(self) -> None:
        """Look at the repository, and wait for the end of all that this begins."""
        await self.look()
        for model in list(self._models.values()):
            await self._settle(model)

    async def look(self) -> dict[str, Promoted]:
        """Take in what the repository promotes, and return it; nothing if it cannot be read."""
        async with self._reading:
            failed = {name: list(model.state.failures) for name, model in self._models.items()}
            try:
                promoted = await asyncio.to_thread(self._promotions.read, failed)
                if self._coordinator.keeper:
                    await asyncio.to_thread(self._promotions.tell_strays)
            except (ModelError, OSError) as error:
                if self._served_models.trouble != str(error):
                    _log.error("repository unreadable", reason=str(error))
                self._served_models.trouble = str(error)
                return {}
            finally:
                self.looked.set()
            self._served_models.trouble = None
            for name in promoted.keys() - self._models.keys():
                promised = not self._began and self._coordinator.is_promised(name)
                self._served_models.announce(name, promised=promised)
                self._models[name] = ModelLifecycle(name, self._worker, anew=self._began)
            self._began = True
            for name, model in list(self._models.items()):
                if name not in promoted and model.state.serving is None:
                    self._models.pop(name).forget()
                    continue
                gone = f"model {name!r} is no longer promoted in the repository; retire it or restore it"
                read = promoted.get(name, Promoted(gone, {}, vanished=True))
                self._tolerate(partial(model.promoted, read))
            return promoted

    def follow_others(self) -> None:
        """Do what is due, and what the other workers have decided."""
        went_well = [self._tolerate(model.advance) for model in self._models.values()]
        if all(went_well):
            self._failures.clear()

    @property
    def settled(self) -> bool:
        """Whether all that was decided is served here, as far as it can be."""
        for name, model in self._models.items():
            decision, state, version = self._coordinator.decision(name), model.state, model.state.version
            if state.ready is not None or (version is None and state.loading is not None):
                return False
            agreed = None if decision is None or decision.unloaded else decision.version
            if agreed is not None and version not in (None, agreed):
                return False
        return True

    async def check(self, name: str) -> None:
        """Run a serving model's golden rows; reload it once if they fail, withdraw it if that fails.

        Raises ``ModelNotFound`` or ``ModelNotReady``.
        """
        self._served_models.get(name)
        self._models[name].check_asked()
        await self._settle(self._models[name])

    async def examine(self, name: str) -> None:
        """Check a model at once, in all workers; raises ``ModelNotFound`` or ``ModelNotReady``."""
        self._served_models.get(name)
        began = datetime.now(UTC)

        def checked() -> bool:
            model = self._coordinator.whole().models.get(name)
            return model is None or model.checked_at is None or model.checked_at >= began

        await self._until(partial(self._coordinator.ask_for_check, name), pause=0.002)
        await self.check(name)
        await self._until(checked)

    async def load(self, name: str, by: str = SERVICE) -> None:
        """Serve what is promoted now; raises ``ModelNotFound``, or ``ModelNotReady`` with the reason."""
        promoted, error = await self.look(), self._served_models.trouble
        if error is None and name not in promoted:
            raise ModelNotFound(f"no model named {name[:80]!r} is promoted in the repository")
        if error is None:
            model = self._models[name]
            model.load_asked()
            await self._settle(model)
            # Another worker may refuse it, or take its time.
            await self._until(lambda: model.state.ready is None)
            error = self._served_models.state(name).error
        if error is not None:
            raise ModelNotReady(f"model {name!r} cannot be loaded: {error}")
        version = model.state.version
        self._audit.note(name, "load", None, version, "it was asked for", by)

    async def unload(self, name: str, by: str = SERVICE) -> None:
        """Stop serving a model until ``load``; raises ``ModelNotFound``."""
        version = await self._stop(name)
        self._audit.note(name, "unload", version, None, "it was asked for", by)

    async def retire(self, name: str) -> None:
        """Forget a model that is no longer promoted; raises ``ModelNotFound``."""
        await self._stop(name)
        await self.look()
        await self._until(lambda: name not in self._coordinator.whole().models)

    async def _stop(self, name: str) -> int | None:
        """Have no worker serve a model; return the version that served here."""
        self._served_models.state(name)
        model, decision = self._models[name], self._coordinator.decision(name)
        version = model.state.version
        agreed = version or (model.state.champion if decision is None else decision.version) or 0
        decide = partial(self._coordinator.decide, name, agreed, unloaded=True, at_once=True)
        await self._until(decide, pause=0.002)
        model.unload_asked()
        await self._until(lambda: not self._coordinator.serves(name))
        return version

    async def _judge(self) -> None:
        """Judge the traffic, which logs and counts a change of verdict; one worker does it for all."""
        if self._coordinator.keeper and not self._judging.locked():
            async with self._judging:
                for name, model in list(self._models.items()):
                    if model.state.serving is not None:
                        await self._coordinator.health(name)

    async def _settle(self, model: ModelLifecycle) -> None:
        state = model.state
        while any(job is not None for job in (state.loading, state.repairing, state.checking)):
            await asyncio.wait(self._jobs, return_when=asyncio.FIRST_COMPLETED)

    async def _until(self, done: Callable[[], bool], pause: float = _FOLLOW_SECONDS) -> None:
        """Wait for the other workers, but not for ever."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _AGREE_SECONDS
        while not done() and loop.time() < end:
            await asyncio.sleep(pause)

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        job = asyncio.get_running_loop().create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._end)

    def _end(self, job: asyncio.Task[Any]) -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            self._tolerate(job.result)

    def _tolerate(self, step: Callable[[], object]) -> bool:
        """Go on after an error, such as one of the workers' shared store; log it when it begins."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the next round may find things mended
            known = isinstance(error, (OSError, ServiceError))
            reason = str(error) if known else f"{type(error).__name__}: {place_of(error)}"
            if reason not in self._failures:
                _log.error("reload failed", reason=reason)
            self._failures.add(reason)
            return False
        return True
