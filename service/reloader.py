"""Keeps the catalog in step with the repository, and the models that serve intact.

Once a second it reads what is promoted; a new version is loaded beside the old one, off the event
loop, and takes its place in one step. What cannot be loaded is refused with its reason, and what
served before goes on. One model's trouble never touches another's.

Where several workers serve, a new version waits, loaded and warm, until each of them has it so; then
they change over at one moment. If one refuses it, all stay with the version before.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

from models.errors import ModelError
from models.releases import Releases
from models.store import Repository, Serving
from service.caretaker import Caretaker
from service.catalog import Catalog, ServedModel
from service.changeover import Changeover
from service.chronicle import SERVICE, Chronicle
from service.errors import ModelNotFound, ModelNotReady, ServiceError
from service.group import Group
from service.loader import Loader
from service.logs import get_logger, place_of
from service.refusals import Files, Refusals
from service.telemetry import Telemetry

#: How often a worker looks at what the others have ready and what was decided.
_WATCH_SECONDS = 0.05
#: How long a request to load or unload waits for the other workers.
_FOLLOW_SECONDS = 10.0

_log = get_logger()


class Reloader:
    """Polls one repository for one catalog."""

    def __init__(
        self,
        catalog: Catalog,
        loader: Loader,
        repository: Repository,
        poll_seconds: float,
        golden_seconds: float,
        clock: Callable[[], float] = monotonic,
        group: Group | None = None,
        releases: Releases | None = None,
    ) -> None:
        """``group`` is the workers to agree with; there are none by default.

        ``releases`` knows of exemptions from what is promoted, and has the log of what was served.
        """
        self._releases = releases
        self._chronicle = Chronicle(None if releases is None else releases.log)
        self._group = Group(catalog, Telemetry()) if group is None else group
        self._catalog = catalog
        self._loader = loader
        self._repository = repository
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._refusals = Refusals(repository, clock)
        self._changeover = Changeover(self._group, catalog, clock, self._flip, self._retire)
        self._obeyed: dict[str, float] = {}
        #: Set once the repository has been looked at, whatever was found there.
        self.looked = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()
        #: Held by whoever changes what serves: the poll, or a request to load or unload.
        self._turn = asyncio.Lock()
        self._caretaker = Caretaker(
            catalog,
            loader,
            self._group,
            self._refusals,
            self._chronicle,
            golden_seconds,
            clock,
            self._turn,
            self._flip,
            self._retire,
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
        self._chronicle.close()

    async def watch(self) -> None:
        """Follow the other workers until cancelled."""
        while not self._group.alone:
            try:
                await self.follow_others()
            except Exception as error:  # noqa: BLE001 - as in ``run``
                _log.error("watch failed", kind=type(error).__name__, place=place_of(error))
            await asyncio.sleep(_WATCH_SECONDS)

    async def follow_others(self) -> None:
        """Change over to what is prepared if all are ready for it; do what was asked of another."""
        self._changeover.look()
        await self._caretaker.check_as_asked()
        for name, state in self._catalog.states().items():
            decision = self._group.decision(name)
            if decision is None or self._turn.locked() or self._obeyed.get(name) == decision.at:
                continue
            self._obeyed[name] = decision.at
            async with self._turn:
                self._obey(name)
                if state.unloaded and not decision.unloaded:
                    await self._load(name)

    def _obey(self, name: str) -> None:
        """Unload what another worker was asked to unload."""
        decision = self._group.decision(name)
        if decision is not None and decision.unloaded and not self._catalog.state(name).unloaded:
            self._unload(name)

    @property
    def settled(self) -> bool:
        """Whether everything that is agreed upon is served here, as far as it can be."""
        return not self._changeover.waiting and all(
            decision is None or decision.unloaded or self._serves(name) in (decision.version, None)
            for name in self._catalog.states()
            for decision in [self._group.decision(name)]
        )

    async def check(self, name: str) -> None:
        """Run a serving model's golden rows; reload it once if they fail, withdraw it if that fails."""
        await self._caretaker.check(name)

    async def examine(self, name: str) -> None:
        """Check a model at once, in all workers; raises ``ModelNotFound`` or ``ModelNotReady``."""
        began = await self._caretaker.ask(name)
        await self._until(lambda: self._caretaker.checked_since(name, began))

    async def poll(self) -> None:
        """Look at every model once."""
        async with self._turn:
            await self._poll()

    async def load(self, name: str, by: str = SERVICE) -> None:
        """Serve what is promoted now; raises ``ModelNotFound``, or ``ModelNotReady`` with the reason."""
        async with self._turn:
            await self._load(name)
            served = self._catalog.state(name).served
            if served is not None:
                await self._decided(name, served.manifest.version, unloaded=False)
        # Another worker may refuse it, or take its time.
        await self._until(lambda: name not in self._changeover.waiting)
        error = self._catalog.state(name).error
        if error is not None:
            raise ModelNotReady(f"model {name!r} cannot be loaded: {error}")
        self._chronicle.note(name, "load", None, self._serves(name), "it was asked for", by)

    async def unload(self, name: str, by: str = SERVICE) -> None:
        """Stop serving a model until ``load``; raises ``ModelNotFound``. Nothing is written."""
        async with self._turn:
            served = self._catalog.state(name).served
            self._unload(name)
            if served is not None:
                await self._decided(name, served.manifest.version, unloaded=True)
        version = None if served is None else served.manifest.version
        self._chronicle.note(name, "unload", version, None, "it was asked for", by)
        await self._until(lambda: not self._group.serves(name))

    async def _load(self, name: str) -> None:
        serving = (await asyncio.to_thread(self._wanted)).get(name)
        if serving is None:
            raise ModelNotFound(f"no model named {name[:80]!r} is promoted in the repository")
        self._catalog.announce(name)
        self._refusals.forget(name)
        await self._follow(name, serving)

    def _unload(self, name: str) -> None:
        old = self._catalog.unload(name)
        self._changeover.discard(name)
        if old is not None:
            _log.info("model unloaded", model=old.label)
            self._retire(old)

    async def _decided(self, name: str, version: int, *, unloaded: bool) -> None:
        while not self._group.decide(name, version, unloaded=unloaded, at_once=True):
            await asyncio.sleep(0.002)
        self._group.post()

    async def _until(self, done: Callable[[], bool]) -> None:
        end = monotonic() + _FOLLOW_SECONDS
        while not done() and monotonic() < end:
            await asyncio.sleep(_WATCH_SECONDS)

    async def _poll(self) -> None:
        try:
            wanted = await asyncio.to_thread(self._wanted)
        except (ModelError, OSError) as error:
            if self._catalog.trouble != str(error):
                _log.error("repository unreadable", reason=str(error))
            self._catalog.trouble = str(error)
            return
        for name in wanted:
            self._catalog.announce(name)
        self._catalog.trouble = None
        for name, serving in wanted.items():
            self._obey(name)
            if not self._catalog.state(name).unloaded:
                await self._follow(name, serving)
        for name, state in self._catalog.states().items():
            if name not in wanted and state.error is None:
                self._refused(name, None, f"model {name!r} is no longer promoted in the repository")
            if self._group.keeper and state.served is not None:
                self._group.health(name)  # judging the traffic logs a change
            await self._caretaker.look_after(name)

    def _wanted(self) -> dict[str, Serving | ModelError]:
        """What is promoted, or what is wrong with it, by model."""
        wanted: dict[str, Serving | ModelError] = {}
        for name in self._repository.models():
            try:
                source = self._repository if self._releases is None else self._releases
                wanted[name] = source.serving(name)
            except (ModelError, OSError) as error:
                wanted[name] = error if isinstance(error, ModelError) else ModelError(str(error))
        return wanted

    async def _follow(self, name: str, serving: Serving | ModelError) -> None:
        """Bring one model to the version that is promoted."""
        if isinstance(serving, ModelError):
            self._refused(name, None, str(serving))
            return
        version, decision = serving.champion, self._group.decision(name)
        if self._group.refused.get(name) != version:
            self._group.refused.pop(name, None)
        if self._serves(name) is None and decision is not None and self._group.serves(name):
            # What the others serve comes first: what is promoted may be refused, or not yet loaded.
            await self._bring(name, decision.version, promoted=decision.version == version)
        state = self._catalog.state(name)
        if self._serves(name) == version:
            self._changeover.discard(name)
            if state.error is not None:  # a refused version was taken back, or the file mended
                self._refusals.forget(name)
                self._catalog.blame(name, None)
            return
        if self._changeover.waiting.get(name) == version:
            return
        self._changeover.discard(name)
        if state.served is None or not self._group.refuses(name, version):
            await self._bring(name, version, promoted=True)
        await self._stand_in(name, serving)

    async def _stand_in(self, name: str, serving: Serving) -> None:
        """Where what is promoted is refused at the start, serve the latest before it that loads.

        A version that served here and was withdrawn is another matter: what it answered was wrong,
        and whether to go back is for the guardian or an operator to say.
        """
        for version in serving.previous:
            state = self._catalog.state(name)
            if state.intact is not None or name in self._changeover.waiting or self._group.serves(name):
                return
            await self._bring(name, version, promoted=False)

    def _serves(self, name: str) -> int | None:
        served = self._catalog.state(name).served
        return None if served is None else served.manifest.version

    async def _bring(self, name: str, version: int, *, promoted: bool) -> None:
        """Load a version, what is promoted or another in its place; serve it as soon as all can."""
        files = await asyncio.to_thread(self._refusals.files, name, version)
        if self._refusals.hold(name, version, files):
            return
        started = self._clock()
        try:
            served = await asyncio.to_thread(self._loader.load, name, version)
        except Exception as error:  # noqa: BLE001 - a broken bundle can break anything below; the old one serves on
            if promoted and self._group.refused.get(name) != version:
                self._refusals.forget(name)  # what was promoted before is nobody's concern now
            self._failed(name, version, files, error)
            if promoted:
                self._group.refused[name] = version
            self._group.post()
            return
        self._refusals.forget(name, None if promoted else version)
        if promoted:
            self._group.refused.pop(name, None)
        self._changeover.add(name, served, self._clock() - started)
        self._group.post()

    def _failed(self, name: str, version: int, files: Files, error: Exception) -> None:
        expected = isinstance(error, (ModelError, ServiceError, OSError))
        text = str(error) if expected else f"{type(error).__name__} while loading it"
        reason = f"version {version} was refused: {text}"
        if self._refusals.note(name, version, files, reason):
            self._tell(name, version, reason)
        self._catalog.blame(name, self._refusals.reason(name))

    def _refused(self, name: str, version: int | None, reason: str) -> None:
        """Show and log what is wrong with a model, once per reason."""
        if self._catalog.state(name).error == reason:
            return
        self._catalog.blame(name, reason)
        self._tell(name, version, reason)

    def _tell(self, name: str, version: int | None, reason: str) -> None:
        served = self._catalog.state(name).served
        serving = None if served is None else served.label
        _log.error("model refused", model=name, version=version, reason=reason, serving=serving)
        before = None if served is None else served.manifest.version
        self._chronicle.note(name, "refuse", before, version, reason)

    def _flip(
        self, name: str, served: ServedModel, seconds: float, why: str = "it is to be served"
    ) -> None:
        self._group.take_over(served)
        old = self._catalog.put(name, served)
        refused = self._refusals.reason(name)
        if refused is not None:  # this one serves in the place of what is promoted
            self._catalog.blame(name, refused)
            why = f"{why}; {refused}" if old is None else why
        if self._group.keeper:
            before = None if old is None else old.manifest.version
            self._chronicle.note(name, "serve", before, served.manifest.version, why)
        self._caretaker.is_intact(name)
        _log.info(
            "model serving",
            model=served.label,
            provider=served.session.provider,
            replaces=None if old is None else old.label,
            seconds=round(seconds, 3),
        )
        if old is not None:
            self._retire(old)

    def _retire(self, old: ServedModel) -> None:
        task = asyncio.create_task(old.retire())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
