"""The model repository on disk: publish, resolve, promote, roll back.

    <root>/<model>/<version>/    a bundle; versions are whole numbers, never overwritten
    <root>/<model>/serving.json  {"champion": 2, "previous": [1], "generation": 2}

Crash safety: a bundle is written to a hidden staging folder, synced, and renamed to its version in
one step; ``serving.json`` is replaced in one step. A process that dies in between leaves a staging
folder that nobody reads and the next publisher removes. Two publishers take turns by a file lock;
readers need no lock and may see the repository read-only.
"""

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from models.bundle.files import NotPlain, read_plain
from models.bundle.manifest import NAME_PATTERN, RESERVED_NAMES
from models.errors import RepositoryError, UnknownModel, UnknownVersion

SERVING_FILE = "serving.json"
_STAGING = ".staging-"
_MOST_SERVING_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ServingState:
    """What ``serving.json`` says: the champion's version, and those before it, latest first."""

    champion: int
    previous: tuple[int, ...] = ()
    #: How often this was changed: tells a promotion from the one before, even of the same version.
    generation: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Repository:
    """A model repository rooted at a folder."""

    root: Path

    def models(self) -> list[str]:
        """Names of the models that have a champion, sorted."""
        if not self.root.is_dir():
            raise RepositoryError(f"the model repository {self.root} is not a folder")
        return sorted(path.parent.name for path in self.root.glob(f"*/{SERVING_FILE}"))

    def versions(self, model: str) -> list[int]:
        """Published versions of a model, ascending; empty for a model that nobody has published."""
        folder = self._folder(model)
        if not folder.is_dir():
            return []
        return sorted(int(path.name) for path in folder.iterdir() if _is_version(path))

    def serving(self, model: str) -> ServingState:
        """What is to be served; raises ``UnknownModel`` where nothing was promoted."""
        folder = self._folder(model)
        path = folder / SERVING_FILE
        try:
            if folder.is_symlink():
                raise NotPlain(f"{folder} is a link; the repository holds plain folders")
            text = read_plain(path, _MOST_SERVING_BYTES)
        except FileNotFoundError as error:
            raise UnknownModel(f"no model named {model!r} is promoted in {self.root}") from error
        except NotPlain as error:
            raise RepositoryError(f"what is promoted of {model!r} is not read: {error}") from error
        return parse_serving(text, str(path))

    def bundle(self, model: str, version: int) -> Path:
        """The folder of one published version; raises ``UnknownVersion``, or refuses a link."""
        path = self._folder(model) / str(version)
        if path.is_symlink() or path.parent.is_symlink():
            raise RepositoryError(f"{path} is a link; the repository holds plain folders")
        if not path.is_dir():
            raise UnknownVersion(f"model {model!r} has no version {version} in {self.root}")
        return path

    def publish(self, model: str, write: Callable[[Path, int], None]) -> int:
        """Publish a bundle and return its version.

        ``write(folder, version)`` fills an empty folder; whatever it raises (a full disk, say)
        leaves the repository as it was.
        """
        folder = self._folder(model)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            for stale in folder.glob(f"{_STAGING}*"):
                shutil.rmtree(stale)
            version = max(self.versions(model), default=0) + 1
            staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
            try:
                write(staging, version)
                staging.chmod(0o755)  # mkdtemp's folder is private; the service may be another user
                _sync(staging)
                staging.rename(folder / str(version))
            except BaseException:
                shutil.rmtree(staging, ignore_errors=True)
                raise
            _sync_folder(folder)
        return version

    def promote(self, model: str, version: int) -> ServingState:
        """Make a published version the champion; the old champion can be rolled back to."""
        self.bundle(model, version)
        with locked(self._folder(model)):
            try:
                now = self.serving(model)
            except UnknownModel:
                return self._replace(model, ServingState(version, (), 1))
            before = (now.champion, *now.previous)
            rest = tuple(old for old in before if old != version)
            return self._replace(model, ServingState(version, rest, now.generation + 1))

    def roll_back(self, model: str, expected: int | None = None) -> ServingState:
        """Make the champion's predecessor the champion again, if ``expected`` is what it is now."""
        self.serving(model)  # an unknown model has no folder to lock
        with locked(self._folder(model)):
            now = self.serving(model)
            if expected is not None and now.champion != expected:
                raise RepositoryError(
                    f"version {expected} of {model!r} is not the champion any more, {now.champion} is"
                )
            if not now.previous:
                raise RepositoryError(
                    f"model {model!r} has no earlier champion than version {now.champion}"
                )
            self.bundle(model, now.previous[0])
            champion, *rest = now.previous
            return self._replace(model, ServingState(champion, tuple(rest), now.generation + 1))

    def seed(self, source: "Repository") -> list[tuple[str, int]]:
        """Copy the versions that ``source`` has and this repository lacks; return them.

        For a volume that outlives the image whose bundles it hid. A version that is here stays as
        it is, and so does a champion; a model that has none gets the source's.
        """
        copied = []
        for model in source.models():
            for version in source.versions(model):
                if version in self.versions(model):
                    continue
                copied.append((model, self._adopt(source.bundle(model, version), model, version)))
            folder = self._folder(model)
            if not (folder / SERVING_FILE).exists():
                self.promote(model, source.serving(model).champion)
        return copied

    def _adopt(self, bundle: Path, model: str, version: int) -> int:
        folder = self._folder(model)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder), tempfile.TemporaryDirectory(prefix=_STAGING, dir=folder) as staging:
            copy = Path(staging) / "bundle"
            shutil.copytree(bundle, copy, symlinks=True)
            _sync(copy)
            copy.rename(folder / str(version))
        _sync_folder(folder)
        return version

    def _folder(self, model: str) -> Path:
        if not re.fullmatch(NAME_PATTERN, model):
            raise UnknownModel(
                f"{model[:80]!r} is not a model name: lower-case letters, digits, '-' and '_'"
            )
        if model in RESERVED_NAMES:
            raise UnknownModel(f"{model!r} is not a model name: a route of the service is called so")
        return self.root / model

    def _replace(self, model: str, serving: ServingState) -> ServingState:
        document = {
            "champion": serving.champion,
            "previous": list(serving.previous),
            "generation": serving.generation,
        }
        replace_file(self._folder(model) / SERVING_FILE, json.dumps(document))
        return serving


def parse_serving(text: bytes, place: str) -> ServingState:
    """Parse ``serving.json``; raises ``RepositoryError`` naming ``place``."""
    try:
        document = json.loads(text)
        champion, previous = document["champion"], document.get("previous", [])
        generation = document.get("generation", 0)
        if any(type(number) is not int for number in [champion, *previous, generation]):
            raise TypeError("versions are whole numbers")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RepositoryError(
            f'{place} is malformed ({error}); it should read {{"champion": 1, "previous": []}}'
        ) from error
    return ServingState(champion, tuple(previous), generation)


def _is_version(path: Path) -> bool:
    return re.fullmatch(r"[1-9][0-9]{0,8}", path.name) is not None and path.is_dir()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; the operating system frees it if the process dies."""
    with (folder / ".lock").open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def replace_file(path: Path, text: str) -> None:
    """Replace a file as a whole and bring it to the disk; the caller holds the folder's lock."""
    staging = path.with_name(f".{path.name}.new")
    with staging.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)
    _sync_folder(path.parent)


def _sync(folder: Path) -> None:
    """Bring a folder's files to the disk, so that the rename never outruns them."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
