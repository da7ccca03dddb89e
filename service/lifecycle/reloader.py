"""Keeps the catalog in step with the repository, and the models that serve intact.

Once a second it reads what is promoted; a new version is loaded beside the old one, off the event
loop, and takes its place in one step. One model's trouble never touches another's.

Where several workers serve, a new version waits, loaded and warm, until each of them has it so; then
they change over at one moment. If one refuses it, all stay with the version before.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

from models.errors import ModelError
from models.registry.releases import Releases
from models.registry.store import Repository, ServingState
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ModelNotFound, ModelNotReady
from service.inference.served_models import ServedModels
from service.lifecycle.audit_log import SERVICE, ReleaseAudit
from service.lifecycle.integrity_checks import IntegrityChecker
from service.lifecycle.load_failures import LoadFailures
from service.lifecycle.loader import Loader
from service.lifecycle.rollout import Rollout
from service.observability.counters import Telemetry
from service.observability.logs import get_logger, place_of

#: How often a worker looks at what the others have ready and what was decided.
_WATCH_SECONDS = 0.05
#: How long a request to load or unload waits for the other workers.
_FOLLOW_SECONDS = 10.0

_log = get_logger()


class Reloader:
    """Polls one repository for one catalog."""

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
        """``group`` is the workers to agree with; there are none by default.

        ``releases`` knows of exemptions from what is promoted, and has the log of what was served.
        """
        self._releases = releases
        self._audit = ReleaseAudit(None if releases is None else releases.log)
        self._coordinator = (
            WorkerCoordinator(served_models, Telemetry()) if coordinator is None else coordinator
        )
        self._served_models = served_models
        self._repository = repository
        self._poll_seconds = poll_seconds
        self._load_failures = LoadFailures(repository, clock)
        self._rollout = Rollout(
            served_models, loader, self._coordinator, self._load_failures, self._audit, clock
        )
        self._obeyed: dict[str, float] = {}
        #: Set once the repository has been looked at, whatever was found there.
        self.looked = asyncio.Event()
        #: Held by whoever changes what serves: the poll, or a request to load or unload.
        self._turn = asyncio.Lock()
        self._integrity_checker = IntegrityChecker(
            served_models,
            loader,
            self._coordinator,
            self._load_failures,
            self._audit,
            self._rollout,
            golden_seconds,
            clock,
            self._turn,
        )

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception as error:  # noqa: BLE001 - the next poll may find things mended
                _log.error("poll failed", kind=type(error).__name__, place=place_of(error))
            self.looked.set()
            await asyncio.sleep(self._poll_seconds)

    def close(self) -> None:
        """Write down what is left to write."""
        self._audit.close()

    async def watch(self) -> None:
        """Follow the other workers until cancelled."""
        while not self._coordinator.alone:
            try:
                await self.follow_others()
            except Exception as error:  # noqa: BLE001 - as in ``run``
                _log.error("watch failed", kind=type(error).__name__, place=place_of(error))
            await asyncio.sleep(_WATCH_SECONDS)

    async def follow_others(self) -> None:
        """Change over to what is prepared if all are ready for it; do what was asked of another."""
        self._rollout.cutover.look()
        await self._integrity_checker.check_as_asked()
        for name, state in self._served_models.states().items():
            decision = self._coordinator.decision(name)
            if decision is None or self._turn.locked() or self._obeyed.get(name) == decision.at:
                continue
            self._obeyed[name] = decision.at
            async with self._turn:
                self._obey(name)
                if state.unloaded and not decision.unloaded:
                    await self._load(name)

    def _obey(self, name: str) -> None:
        """Unload what another worker was asked to unload."""
        decision = self._coordinator.decision(name)
        if decision is not None and decision.unloaded and not self._served_models.state(name).unloaded:
            self._unload(name)

    @property
    def settled(self) -> bool:
        """Whether everything that is agreed upon is served here, as far as it can be."""
        return not self._rollout.cutover.waiting and all(
            decision is None
            or decision.unloaded
            or self._rollout.serves(name) in (decision.version, None)
            for name in self._served_models.states()
            for decision in [self._coordinator.decision(name)]
        )

    async def check(self, name: str) -> None:
        """Run a serving model's golden rows; reload it once if they fail, withdraw it if that fails."""
        await self._integrity_checker.check(name)

    async def examine(self, name: str) -> None:
        """Check a model at once, in all workers; raises ``ModelNotFound`` or ``ModelNotReady``."""
        began = await self._integrity_checker.ask(name)
        await self._until(lambda: self._integrity_checker.checked_since(name, began))

    async def poll(self) -> None:
        """Look at every model once."""
        async with self._turn:
            await self._poll()

    async def load(self, name: str, by: str = SERVICE) -> None:
        """Serve what is promoted now; raises ``ModelNotFound``, or ``ModelNotReady`` with the reason."""
        async with self._turn:
            await self._load(name)
            served = self._served_models.state(name).served
            if served is not None:
                await self._decided(name, served.manifest.version, unloaded=False)
        # Another worker may refuse it, or take its time.
        await self._until(lambda: name not in self._rollout.cutover.waiting)
        error = self._served_models.state(name).error
        if error is not None:
            raise ModelNotReady(f"model {name!r} cannot be loaded: {error}")
        self._audit.note(name, "load", None, self._rollout.serves(name), "it was asked for", by)

    async def unload(self, name: str, by: str = SERVICE) -> None:
        """Stop serving a model until ``load``; raises ``ModelNotFound``. Nothing is written."""
        async with self._turn:
            served = self._served_models.state(name).served
            self._unload(name)
            if served is not None:
                await self._decided(name, served.manifest.version, unloaded=True)
        version = None if served is None else served.manifest.version
        self._audit.note(name, "unload", version, None, "it was asked for", by)
        await self._until(lambda: not self._coordinator.serves(name))

    async def _load(self, name: str) -> None:
        serving = (await asyncio.to_thread(self._wanted)).get(name)
        if serving is None:
            raise ModelNotFound(f"no model named {name[:80]!r} is promoted in the repository")
        self._served_models.announce(name)
        self._load_failures.forget(name)
        await self._rollout.follow(name, serving)

    def _unload(self, name: str) -> None:
        old = self._served_models.unload(name)
        self._rollout.cutover.discard(name)
        if old is not None:
            _log.info("model unloaded", model=old.label)
            self._rollout.retire(old)

    async def _decided(self, name: str, version: int, *, unloaded: bool) -> None:
        while not self._coordinator.decide(name, version, unloaded=unloaded, at_once=True):
            await asyncio.sleep(0.002)
        self._coordinator.post()

    async def _until(self, done: Callable[[], bool]) -> None:
        end = monotonic() + _FOLLOW_SECONDS
        while not done() and monotonic() < end:
            await asyncio.sleep(_WATCH_SECONDS)

    async def _poll(self) -> None:
        try:
            wanted = await asyncio.to_thread(self._wanted)
        except (ModelError, OSError) as error:
            if self._served_models.trouble != str(error):
                _log.error("repository unreadable", reason=str(error))
            self._served_models.trouble = str(error)
            return
        for name in wanted:
            self._served_models.announce(name)
        self._served_models.trouble = None
        for name, serving in wanted.items():
            self._obey(name)
            if not self._served_models.state(name).unloaded:
                await self._rollout.follow(name, serving)
        for name, state in self._served_models.states().items():
            if name not in wanted and state.error is None:
                self._rollout.refuse(
                    name, None, f"model {name!r} is no longer promoted in the repository"
                )
            if self._coordinator.keeper and state.served is not None:
                self._coordinator.health(name)  # judging the traffic logs a change
            await self._integrity_checker.look_after(name)

    def _wanted(self) -> dict[str, ServingState | ModelError]:
        """What is promoted, or what is wrong with it, by model."""
        wanted: dict[str, ServingState | ModelError] = {}
        for name in self._repository.models():
            try:
                source = self._repository if self._releases is None else self._releases
                wanted[name] = source.serving(name)
            except (ModelError, OSError) as error:
                wanted[name] = error if isinstance(error, ModelError) else ModelError(str(error))
        return wanted
