"""Mirrors a model repository in an object store into a folder, from which it is served as any other.

A version is fetched into a hidden folder, verified against the hashes of its manifest, and renamed in
one step; only then is it promoted in the folder. So what is half fetched, altered or missing never is
a version, and the champion serves on while the store is slow or gone, after a restart too.
"""

import asyncio
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from models.bundle.loading import check_names, verify_files
from models.bundle.manifest import MANIFEST_FILE, parse_manifest
from models.errors import ModelError, RepositoryError, UnknownModel
from models.registry.durable_files import locked, replace_file
from models.registry.serving_state import Challenger, ServingState, parse_serving
from models.registry.store import RETIRED_FILE, SERVING_FILE, Repository, is_model_name
from service.errors import StoreFailed
from service.observability.logs import get_logger, place_of
from service.settings import Settings
from service.stores.objects import ObjectPrefix

_MOST_SERVING_BYTES, _MOST_MANIFEST_BYTES = 1 << 20, 8 << 20
#: Bytes of a version's files together.
_MOST_BYTES = 2 << 30
#: A version that could not be fetched is tried again after so many seconds, then twice as many.
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 60.0

#: Why the store could not be mirrored last, for all processes of the folder.
_TROUBLE_FILE = ".trouble"
_NO_MODELS = "the store has no models below the address of SNN_MODELS"

_log = get_logger()


class MirroredRepository(Repository):
    """The mirror's folder; only the mirror changes it, and others promote in the store."""

    def models(self) -> list[str]:
        """As ``Repository``; raises ``RepositoryError`` where nothing could be mirrored yet."""
        found = super().models()
        trouble = self.root / _TROUBLE_FILE
        if not found and trouble.exists():
            raise RepositoryError(trouble.read_text("utf-8").strip())
        return found

    def promote(self, model: str, version: int) -> ServingState:
        """Refuse, as a read-only file system does."""
        raise _read_only(self.root / model)

    def challenge(self, model: str, challenger: Challenger | None) -> ServingState:
        """Refuse, as a read-only file system does."""
        raise _read_only(self.root / model)

    def retire(self, model: str) -> ServingState:
        """Refuse, as a read-only file system does."""
        raise _read_only(self.root / model)

    def roll_back(self, model: str, expected: int | None = None) -> ServingState:
        """Refuse, as a read-only file system does, so that the state folder keeps an exemption."""
        raise _read_only(self.root / model)


def repository_of(settings: Settings) -> Repository:
    """Return the repository that the settings name."""
    kind = Repository if isinstance(settings.models, Path) else MirroredRepository
    return kind(settings.repository)


@dataclass(slots=True)
class _Attempts:
    """When a model is looked at again after a failure, and what the failure was."""

    due: float = 0.0
    wait: float = 0.0
    reason: str = ""


@dataclass(slots=True)
class Mirror:
    """One store and the folder ``root`` that mirrors it."""

    objects: ObjectPrefix
    root: Path
    _failed: dict[str, _Attempts] = field(default_factory=dict)

    @property
    def repository(self) -> Repository:
        """The folder, as the mirror changes it."""
        return Repository(self.root)

    async def follow(self, seconds: float) -> None:
        """Look at the store every so many seconds, until cancelled; log what goes wrong once."""
        while True:
            await asyncio.sleep(seconds)
            await self.look()

    async def look(self) -> None:
        """Look at the store once, in a thread; raises nothing."""
        now = asyncio.get_running_loop().time()
        try:
            await asyncio.to_thread(self.sync, now)
        except Exception as error:  # noqa: BLE001 - the next look may succeed
            self._note("", f"{type(error).__name__} in {place_of(error)}", now)

    def sync(self, now: float) -> None:
        """Bring the folder to what the store promotes; what fails is logged and tried again.

        Of several processes with one folder only one does it. ``now`` is a clock's time in seconds.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with _alone(self.root) as first:
            if not first or now < self._due(""):
                return
            try:
                names = [name for name in self.objects.folders() if is_model_name(name)]
            except StoreFailed as error:
                self._note("", str(error), now)
                replace_file(self.root / _TROUBLE_FILE, str(error))
                return
            self._failed.pop("", None)
            if names:
                (self.root / _TROUBLE_FILE).unlink(missing_ok=True)
            else:  # so answers a store that is empty, and a proxy that answers with a page of its own
                replace_file(self.root / _TROUBLE_FILE, _NO_MODELS)
            for model in sorted({*names, *self.repository.models()}):
                if now < self._due(model):
                    continue
                try:
                    self._sync(model)
                except (StoreFailed, ModelError, OSError) as error:
                    self._note(model, str(error), now)
                else:
                    self._failed.pop(model, None)

    def _sync(self, model: str) -> None:
        content = self.objects.read(f"{model}/{SERVING_FILE}", _MOST_SERVING_BYTES)
        if content is None:
            self._retire(model)
            return
        wanted = parse_serving(content, f"{model}/{SERVING_FILE}")
        mirrored = self._mirrored(model)
        new = mirrored is None or _promotion(mirrored) != _promotion(wanted)
        challenger = None if mirrored is None or new else mirrored.challenger
        champion = ServingState(wanted.champion, wanted.previous[:1], wanted.generation, challenger)
        if new:
            self._fetch(model, champion.champion)
            self._replace(model, replace(champion, previous=()))
            _log.info("promoted in the store", model=model, version=champion.champion)
            mirrored = None
        if champion.previous and champion != mirrored:  # for a rollback; the champion does not wait
            self._fetch(model, champion.previous[0])
            self._replace(model, champion)
        if wanted.challenger != challenger:
            if wanted.challenger is not None:
                self._fetch(model, wanted.challenger.version)
            self._replace(model, replace(champion, challenger=wanted.challenger))

    def _retire(self, model: str) -> None:
        """Promote a model no more that the store has retired.

        One that is gone from the store without a word serves on: a store that lost its content, or
        shows another folder, looks the same.
        """
        if model not in self.repository.models():
            return
        if self.objects.read(f"{model}/{RETIRED_FILE}", _MOST_SERVING_BYTES) is None:
            raise StoreFailed(f"the store has no {model}/{SERVING_FILE} any more, and no {RETIRED_FILE}")
        self.repository.retire(model)
        _log.info("retired in the store", model=model)

    def _mirrored(self, model: str) -> ServingState | None:
        """What the folder promotes of a model."""
        try:
            return self.repository.serving(model)
        except UnknownModel:
            return None

    def _replace(self, model: str, serving: ServingState) -> None:
        with locked(self.root / model):
            replace_file(self.root / model / SERVING_FILE, json.dumps(asdict(serving)))

    def _fetch(self, model: str, version: int) -> None:
        """Fetch a version that is not there; raises ``StoreFailed`` and ``ModelError``."""
        if version not in self.repository.versions(model):
            self.repository.add(model, version, partial(self._fill, model))
            _log.info("fetched", model=model, version=version)

    def _fill(self, model: str, folder: Path, version: int) -> None:
        place = f"{model}/{version}"
        content = self.objects.read(f"{place}/{MANIFEST_FILE}", _MOST_MANIFEST_BYTES)
        if content is None:
            raise StoreFailed(f"{place} has no {MANIFEST_FILE}")
        manifest = parse_manifest(content)
        check_names(manifest)
        if (size := sum(entry.bytes for entry in manifest.files.values())) > _MOST_BYTES:
            raise StoreFailed(f"{place} has {size:,} bytes, of {_MOST_BYTES:,} at most")
        (folder / MANIFEST_FILE).write_bytes(content)
        for name, entry in manifest.files.items():
            self.objects.fetch(f"{place}/{name}", folder / name, entry.bytes)
        verify_files(folder, model, version)

    def _due(self, model: str) -> float:
        return self._failed[model].due if model in self._failed else 0.0

    def _note(self, model: str, reason: str, now: float) -> None:
        """Keep when to try again; log a reason that is new."""
        attempts = self._failed.setdefault(model, _Attempts())
        attempts.wait = min(2 * attempts.wait or _FIRST_WAIT, _LONGEST_WAIT)
        attempts.due = now + attempts.wait
        if reason != attempts.reason:
            about = {"model": model} if model else {}
            _log.error("store failed", reason=reason, **about)
        attempts.reason = reason


def open_mirror(settings: Settings) -> Mirror | None:
    """Return the mirror of the store that the settings name, None for a folder.

    Raises ``SettingsError``.
    """
    if isinstance(settings.models, Path):
        return None
    settings.repository.mkdir(parents=True, exist_ok=True)
    return Mirror(ObjectPrefix(settings.models), settings.repository)


@contextmanager
def _alone(root: Path) -> Iterator[bool]:
    """Whether no other process mirrors into the folder now; the system lets go of a dead one's lock."""
    descriptor = os.open(root / ".mirror.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _promotion(serving: ServingState) -> tuple[int, int]:
    return serving.champion, serving.generation


def _read_only(path: Path) -> OSError:
    return OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
