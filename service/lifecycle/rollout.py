"""How one model comes from the version that serves to another: loaded, agreed upon, put in its place.

What cannot be loaded is refused with its reason, and what served before goes on.
"""

import asyncio
from collections.abc import Callable

from models.errors import ModelError
from models.registry.store import ServingState
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ServiceError
from service.inference.served_models import ServedModel, ServedModels
from service.lifecycle.audit_log import ReleaseAudit
from service.lifecycle.cutover import CoordinatedCutover
from service.lifecycle.load_failures import Files, LoadFailures
from service.lifecycle.loader import Loader
from service.observability.logs import get_logger

_log = get_logger()


class Rollout:
    """The successions of all models of one worker; whoever calls sees to it that no two overlap."""

    def __init__(
        self,
        served_models: ServedModels,
        loader: Loader,
        coordinator: WorkerCoordinator,
        load_failures: LoadFailures,
        audit: ReleaseAudit,
        clock: Callable[[], float],
    ) -> None:
        self._served_models = served_models
        self._loader = loader
        self._coordinator = coordinator
        self._load_failures = load_failures
        self._audit = audit
        self._clock = clock
        #: The versions that are loaded and wait for the other workers.
        self.cutover = CoordinatedCutover(coordinator, served_models, clock, self.serve, self.retire)
        self._retiring: set[asyncio.Task[None]] = set()

    async def follow(self, name: str, serving: ServingState | ModelError) -> None:
        """Bring one model to the version that is promoted, or say why there is none."""
        if isinstance(serving, ModelError):
            self.refuse(name, None, str(serving))
            return
        version, decision = serving.champion, self._coordinator.decision(name)
        if self._coordinator.refused.get(name) != version:
            self._coordinator.refused.pop(name, None)
        if self.serves(name) is None and decision is not None and self._coordinator.serves(name):
            # What the others serve comes first: what is promoted may be refused, or not yet loaded.
            await self._bring(name, decision.version, promoted=decision.version == version)
        state = self._served_models.state(name)
        if self.serves(name) == version:
            self.cutover.discard(name)
            if state.error is not None:  # a refused version was taken back, or the file mended
                self._load_failures.forget(name)
                self._served_models.blame(name, None)
            return
        if self.cutover.waiting.get(name) == version:
            return
        self.cutover.discard(name)
        if state.served is None or not self._coordinator.refuses(name, version):
            await self._bring(name, version, promoted=True)
        await self._stand_in(name, serving)

    async def _stand_in(self, name: str, serving: ServingState) -> None:
        """Where what is promoted is refused at the start, serve the latest before it that loads.

        A version that served here and was withdrawn is another matter: what it answered was wrong,
        and whether to go back is for the guardian or an operator to say.
        """
        for version in serving.previous:
            state = self._served_models.state(name)
            if (
                state.intact is not None
                or name in self.cutover.waiting
                or self._coordinator.serves(name)
            ):
                return
            await self._bring(name, version, promoted=False)

    async def _bring(self, name: str, version: int, *, promoted: bool) -> None:
        """Load a version, what is promoted or another in its place; serve it as soon as all can."""
        files = await asyncio.to_thread(self._load_failures.files, name, version)
        if self._load_failures.hold(name, version, files):
            return
        started = self._clock()
        try:
            served = await asyncio.to_thread(self._loader.load, name, version)
        except Exception as error:  # noqa: BLE001 - a broken bundle can break anything below; the old one serves on
            if promoted and self._coordinator.refused.get(name) != version:
                self._load_failures.forget(name)  # what was promoted before is nobody's concern now
            self._failed(name, version, files, error)
            if promoted:
                self._coordinator.refused[name] = version
            self._coordinator.post()
            return
        self._load_failures.forget(name, None if promoted else version)
        if promoted:
            self._coordinator.refused.pop(name, None)
        self.cutover.add(name, served, self._clock() - started)
        self._coordinator.post()

    def serve(
        self, name: str, served: ServedModel, seconds: float, why: str = "it is to be served"
    ) -> None:
        """Let a loaded model serve from now on, and say why; loading it took ``seconds``."""
        self._coordinator.take_over(served)
        old = self._served_models.put(name, served)
        refused = self._load_failures.reason(name)
        if refused is not None:  # this one serves in the place of what is promoted
            self._served_models.blame(name, refused)
            why = f"{why}; {refused}" if old is None else why
        if self._coordinator.keeper:
            before = None if old is None else old.manifest.version
            self._audit.note(name, "serve", before, served.manifest.version, why)
        _log.info(
            "model serving",
            model=served.label,
            provider=served.session.provider,
            replaces=None if old is None else old.label,
            seconds=round(seconds, 3),
        )
        if old is not None:
            self.retire(old)

    def retire(self, old: ServedModel) -> None:
        """Close a model once the requests that use it are answered."""
        task = asyncio.create_task(old.retire())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def serves(self, name: str) -> int | None:
        """The version that serves here, None for none."""
        served = self._served_models.state(name).served
        return None if served is None else served.manifest.version

    def refuse(self, name: str, version: int | None, reason: str) -> None:
        """Show and log what is wrong with a model, once per reason."""
        if self._served_models.state(name).error == reason:
            return
        self._served_models.blame(name, reason)
        self._tell(name, version, reason)

    def _failed(self, name: str, version: int, files: Files, error: Exception) -> None:
        expected = isinstance(error, (ModelError, ServiceError, OSError))
        text = str(error) if expected else f"{type(error).__name__} while loading it"
        reason = f"version {version} was refused: {text}"
        if self._load_failures.note(name, version, files, reason):
            self._tell(name, version, reason)
        self._served_models.blame(name, self._load_failures.reason(name))

    def _tell(self, name: str, version: int | None, reason: str) -> None:
        served = self._served_models.state(name).served
        serving = None if served is None else served.label
        _log.error("model refused", model=name, version=version, reason=reason, serving=serving)
        before = None if served is None else served.manifest.version
        self._audit.note(name, "refuse", before, version, reason)
