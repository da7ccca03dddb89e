"""Keeps the catalog in step with the repository, and the models that serve intact.

Once a second it reads what is promoted; a new version is loaded beside the old one, off the event
loop, and takes its place in one step. What cannot be loaded is refused with its reason, and what
served before goes on. One model's trouble never touches another's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from models.errors import ModelError
from models.store import Repository, Serving
from service.catalog import Catalog, ModelState, ServedModel
from service.errors import ModelNotFound, ModelNotReady, ServiceError
from service.loader import Loader
from service.logs import get_logger, place_of

#: A load that failed is tried again when the bundle's files change, and after this many seconds in
#: any case: the cause may have been outside it.
_RETRY_SECONDS = 30.0

_log = get_logger()


@dataclass(frozen=True, slots=True)
class _Failure:
    """A load that failed: of which version, with which files, for what reason, and when."""

    version: int
    files: tuple[tuple[str, int, int], ...]
    reason: str
    at: float


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
    ) -> None:
        self._catalog = catalog
        self._loader = loader
        self._repository = repository
        self._poll_seconds = poll_seconds
        self._golden_seconds = golden_seconds
        self._clock = clock
        self._failures: dict[str, _Failure] = {}
        self._checked: dict[str, float] = {}
        self._verdicts: dict[str, str] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        #: Held by whoever changes what serves: the poll, or a request to load or unload.
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception as error:  # noqa: BLE001 - the next poll may find things mended
                _log.error("poll failed", kind=type(error).__name__, place=place_of(error))
            await asyncio.sleep(self._poll_seconds)

    async def poll(self) -> None:
        """Look at every model once."""
        async with self._turn:
            await self._poll()

    async def load(self, name: str) -> None:
        """Serve what is promoted now; raises ``ModelNotFound``, or ``ModelNotReady`` with the reason."""
        async with self._turn:
            serving = (await asyncio.to_thread(self._wanted)).get(name)
            if serving is None:
                raise ModelNotFound(f"no model named {name[:80]!r} is promoted in the repository")
            self._catalog.announce(name)
            self._failures.pop(name, None)
            await self._follow(name, serving)
            error = self._catalog.state(name).error
        if error is not None:
            raise ModelNotReady(f"model {name!r} cannot be loaded: {error}")

    async def unload(self, name: str) -> None:
        """Stop serving a model until ``load``; raises ``ModelNotFound``. Nothing is written."""
        async with self._turn:
            old = self._catalog.unload(name)
        if old is not None:
            _log.info("model unloaded", model=old.label)
            self._retire(old)

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
            if not self._catalog.state(name).unloaded:
                await self._follow(name, serving)
        for name, state in self._catalog.states().items():
            if name not in wanted and state.error is None:
                self._refused(name, None, f"model {name!r} is no longer promoted in the repository")
            await self._look_after(name, state)

    def _wanted(self) -> dict[str, Serving | ModelError]:
        """What is promoted, or what is wrong with it, by model."""
        wanted: dict[str, Serving | ModelError] = {}
        for name in self._repository.models():
            try:
                wanted[name] = self._repository.serving(name)
            except (ModelError, OSError) as error:
                wanted[name] = error if isinstance(error, ModelError) else ModelError(str(error))
        return wanted

    async def _follow(self, name: str, serving: Serving | ModelError) -> None:
        """Bring one model to the version that is promoted."""
        if isinstance(serving, ModelError):
            self._refused(name, None, str(serving))
            return
        version, state = serving.champion, self._catalog.state(name)
        if state.served is not None and state.served.manifest.version == version:
            if state.error is not None:  # a refused version was taken back, or the file mended
                self._failures.pop(name, None)
                self._catalog.blame(name, None)
            return
        failure = self._failures.get(name)
        files = await asyncio.to_thread(self._files, name, version)
        if (
            failure is not None
            and (failure.version, failure.files) == (version, files)
            and self._clock() < failure.at + _RETRY_SECONDS
        ):
            return
        started = self._clock()
        try:
            served = await asyncio.to_thread(self._loader.load, name, version)
        except Exception as error:  # noqa: BLE001 - a broken bundle can break anything below; the old one serves on
            self._failed(name, version, files, error)
        else:
            self._failures.pop(name, None)
            self._flip(name, served, self._clock() - started)

    def _failed(
        self, name: str, version: int, files: tuple[tuple[str, int, int], ...], error: Exception
    ) -> None:
        expected = isinstance(error, (ModelError, ServiceError, OSError))
        text = str(error) if expected else f"{type(error).__name__} while loading it"
        reason = f"version {version} was refused: {text}"
        self._failures[name] = _Failure(version, files, reason, self._clock())
        self._refused(name, version, reason)

    def _refused(self, name: str, version: int | None, reason: str) -> None:
        """Show and log what is wrong with a model, once per reason."""
        if self._catalog.state(name).error == reason:
            return
        self._catalog.blame(name, reason)
        served = self._catalog.state(name).served
        serving = None if served is None else served.label
        _log.error("model refused", model=name, version=version, reason=reason, serving=serving)

    def _flip(self, name: str, served: ServedModel, seconds: float) -> None:
        old = self._catalog.put(name, served)
        self._checked[name] = self._clock()
        self._verdicts[name] = "warming_up"
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

    def _files(self, name: str, version: int) -> tuple[tuple[str, int, int], ...]:
        """What tells one state of a version's files from another, without reading them."""
        try:
            folder = self._repository.bundle(name, version)
            stats = [(path.name, path.lstat()) for path in sorted(folder.iterdir())]
        except (ModelError, OSError):
            return ()
        return tuple((file, status.st_size, status.st_mtime_ns) for file, status in stats)

    async def _look_after(self, name: str, state: ModelState) -> None:
        """Log a change of the verdict; re-run the golden rows when they are due."""
        served = state.served
        if served is None:
            return
        judgement = served.monitor.health().judgement
        if judgement.verdict != self._verdicts.get(name):
            self._verdicts[name] = judgement.verdict
            log = _log.info if judgement.verdict in ("warming_up", "healthy") else _log.warning
            log("verdict", model=served.label, verdict=judgement.verdict, reason=judgement.reason)
        if self._clock() >= self._checked.get(name, -1e9) + self._golden_seconds:
            await self.check(name)

    async def check(self, name: str) -> None:
        """Run a serving model's golden rows; reload it once if they fail, withdraw it if that fails."""
        served = self._catalog.get(name)
        self._checked[name] = self._clock()
        try:
            with served.leased():
                await asyncio.to_thread(self._loader.check, served)
        except Exception as error:  # noqa: BLE001 - a session that raises is no more intact than one that errs
            _log.error("golden rows failed", model=served.label, reason=str(error))
            self._catalog.checked(name, intact=False)
            await self._mend(name, served, error)
        else:
            self._catalog.checked(name, intact=True)

    async def _mend(self, name: str, served: ServedModel, found: Exception) -> None:
        """Reload a version whose memory went bad; without success it must not answer any more."""
        version, started = served.manifest.version, self._clock()
        try:
            fresh = await asyncio.to_thread(self._loader.load, name, version)
        except Exception as error:  # noqa: BLE001 - as in _follow
            reason = f"its golden rows failed ({found}) and reloading did not help: {error}"
            self._catalog.withdraw(name, reason)
            files = await asyncio.to_thread(self._files, name, version)
            self._failures[name] = _Failure(version, files, reason, self._clock())
            _log.error("model withdrawn", model=served.label, reason=reason)
            self._retire(served)
        else:
            self._flip(name, fresh, self._clock() - started)
