"""The model repository on disk: publish, look up, promote, roll back.

    <root>/<model>/<version>/    a bundle; versions are integers and never overwritten
    <root>/<model>/serving.json  {"champion": 2, "previous": [1], "generation": 2,
                                  "challenger": null}, or a version on trial
    <root>/<model>/retired.json  the same, of a model that is not to be served any more

Crash safety: a bundle is written to a hidden staging folder, synced to the disk, and renamed to its
version in one step; ``serving.json`` is replaced in one step. A process that dies in between leaves a
staging folder that is never read and that the next publisher removes. Writers of a model exclude each
other by a file lock. Readers need no lock, and may have read-only access.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from models.bundle.files import read_plain
from models.bundle.manifest import NAME_PATTERN, RESERVED_NAMES
from models.errors import BundleRefused, RepositoryError, UnknownModel, UnknownVersion
from models.registry.durable_files import locked, replace_file, sync, sync_folder
from models.registry.serving_state import Challenger, ServingState, parse_serving

SERVING_FILE, RETIRED_FILE = "serving.json", "retired.json"
_STAGING = ".staging-"
_MOST_SERVING_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Repository:
    """A model repository rooted at a folder."""

    root: Path

    def models(self) -> list[str]:
        """Names of the models that have a champion, sorted.

        Raises ``RepositoryError`` if the repository is not a folder.
        """
        return sorted(
            name for name in self._folders() if is_model_name(name) and self._has(name, SERVING_FILE)
        )

    def strays(self) -> dict[str, str]:
        """Folders that are no served models, sorted, each with the reason; raises as ``models``."""
        found = {}
        for name in sorted(self._folders()):
            if not is_model_name(name):
                found[name] = "its name is no model's"
            elif not self._has(name, SERVING_FILE):
                retired = self._has(name, RETIRED_FILE)
                found[name] = "it is retired" if retired else "no version of it is promoted"
        return found

    def versions(self, model: str) -> list[int]:
        """Published versions of a model, ascending; empty if there are none.

        Raises ``UnknownModel`` if ``model`` is not a valid name, as all methods do.
        """
        folder = self._folder(model)
        if not folder.is_dir():
            return []
        return sorted(int(path.name) for path in folder.iterdir() if _is_version(path))

    def serving(self, model: str) -> ServingState:
        """The promoted champion and its predecessors.

        Raises ``UnknownModel`` if no version was promoted, and ``RepositoryError`` if ``serving.json``
        is malformed, or it or the folder is a link.
        """
        folder = self._folder(model)
        path = folder / SERVING_FILE
        try:
            if folder.is_symlink():
                raise BundleRefused(f"{folder} is a link; the repository holds plain folders")
            text = read_plain(path, _MOST_SERVING_BYTES)
        except FileNotFoundError as error:
            raise UnknownModel(f"no model named {model!r} is promoted in {self.root}") from error
        except BundleRefused as error:
            raise RepositoryError(f"what is promoted of {model!r} is not read: {error}") from error
        return parse_serving(text, str(path))

    def bundle(self, model: str, version: int) -> Path:
        """The folder of one published version.

        Raises ``UnknownVersion`` if there is none, and ``RepositoryError`` if it is a link.
        """
        path = self._folder(model) / str(version)
        if path.is_symlink() or path.parent.is_symlink():
            raise RepositoryError(f"{path} is a link; the repository holds plain folders")
        if not path.is_dir():
            raise UnknownVersion(f"model {model!r} has no version {version} in {self.root}")
        return path

    def publish(self, model: str, write: Callable[[Path, int], None]) -> int:
        """Publish a bundle and return its version, one above the highest.

        ``write(folder, version)`` fills an empty folder. If it raises (the disk is full, say), the
        error is passed on and the repository is unchanged.
        """
        return self.add(model, None, write)

    def promote(self, model: str, version: int) -> ServingState:
        """Make a published version the champion; a rollback returns to the old champion.

        Raises ``UnknownVersion`` if the version is not published.
        """
        self.bundle(model, version)
        with locked(self._folder(model)):
            now = self._last_promoted(model)
            if now is None:
                return self._replace(model, ServingState(version, (), 1))
            earlier = tuple(old for old in (now.champion, *now.previous) if old != version)
            return self._replace(model, ServingState(version, earlier, now.generation + 1))

    def retire(self, model: str) -> ServingState:
        """Promote no version of a model any more, until the next promotion; return what was promoted.

        Its versions stay. Raises as ``serving``.
        """
        folder = self._folder(model)
        self.serving(model)  # an unknown model has no folder to lock
        with locked(folder):
            now = self.serving(model)
            (folder / SERVING_FILE).replace(folder / RETIRED_FILE)
            sync_folder(folder)
        return now

    def roll_back(self, model: str, expected: int | None = None) -> ServingState:
        """Make the champion's predecessor the champion again.

        Raises ``RepositoryError`` if there is none, or if ``expected`` is given and is not the
        champion; ``UnknownModel`` and ``UnknownVersion`` as ``serving`` and ``bundle``.
        """
        self.serving(model)  # an unknown model has no folder to lock
        with locked(self._folder(model)):
            now = self.serving(model)
            if expected is not None and now.champion != expected:
                raise RepositoryError(
                    f"version {expected} of {model!r} is not the champion any more, {now.champion} is"
                )
            earlier = now.rolled_back(model)
            self.bundle(model, earlier.champion)
            return self._replace(model, earlier)

    def challenge(self, model: str, challenger: Challenger | None) -> ServingState:
        """Put a version on trial beside the champion, or with None end the trial.

        Raises as ``serving`` and ``bundle``, and ``RepositoryError`` where the champion is challenged by
        itself, or none is on trial that could be dropped.
        """
        self.serving(model)  # an unknown model has no folder to lock
        if challenger is not None:
            self.bundle(model, challenger.version)
        with locked(self._folder(model)):
            now = self.serving(model)
            if challenger is not None and challenger.version == now.champion:
                raise RepositoryError(f"version {now.champion} of {model!r} is the champion itself")
            if challenger is None and now.challenger is None:
                raise RepositoryError(f"no version of {model!r} is on trial")
            return self._replace(model, replace(now, challenger=challenger))

    def seed(self, source: "Repository") -> list[tuple[str, int]]:
        """Copy the versions that ``source`` has and this repository lacks; return models and versions.

        For a volume that is older than the image that is mounted with it. Existing versions and
        champions stay as they are; a model without one gets that of ``source``, unless it is retired.
        """
        copied = []
        for model in source.models():
            for version in source.versions(model):
                if version not in self.versions(model):
                    self.add(model, version, partial(_copy, source.bundle(model, version)))
                    copied.append((model, version))
            if not any(self._has(model, file) for file in (SERVING_FILE, RETIRED_FILE)):
                self.promote(model, source.serving(model).champion)
        return copied

    def add(self, model: str, version: int | None, write: Callable[[Path, int], None]) -> int:
        """Add a version, the next one if it is None, in one step; return it. As ``publish``."""
        folder = self._folder(model)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            for stale in folder.glob(f"{_STAGING}*"):
                shutil.rmtree(stale)
            number = version or max(self.versions(model), default=0) + 1
            staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
            try:
                write(staging, number)
                staging.chmod(0o755)  # mkdtemp makes it private; the service may be another user
                sync(staging)
                staging.rename(folder / str(number))
            except BaseException:
                shutil.rmtree(staging, ignore_errors=True)
                raise
            sync_folder(folder)
        return number

    def _folders(self) -> list[str]:
        if not self.root.is_dir():
            raise RepositoryError(f"the model repository {self.root} is not a folder")
        return [path.name for path in self.root.iterdir() if path.is_dir()]

    def _has(self, model: str, file: str) -> bool:
        return os.path.lexists(self.root / model / file)

    def _last_promoted(self, model: str) -> ServingState | None:
        """What is promoted, or was when the model was retired; None if nothing ever was."""
        path = self._folder(model) / RETIRED_FILE
        try:
            return self.serving(model)
        except UnknownModel:
            if not path.exists():
                return None
            return parse_serving(read_plain(path, _MOST_SERVING_BYTES), str(path))

    def _folder(self, model: str) -> Path:
        if not re.fullmatch(NAME_PATTERN, model):
            raise UnknownModel(
                f"{model[:80]!r} is not a model name: lower-case letters, digits, '-' and '_'"
            )
        if model in RESERVED_NAMES:
            raise UnknownModel(f"{model!r} is not a model name: a route of the service is called so")
        return self.root / model

    def _replace(self, model: str, serving: ServingState) -> ServingState:
        folder = self._folder(model)
        replace_file(folder / SERVING_FILE, json.dumps(asdict(serving)))
        (folder / RETIRED_FILE).unlink(missing_ok=True)
        return serving


def _copy(bundle: Path, folder: Path, _: int) -> None:
    shutil.copytree(bundle, folder, symlinks=True, dirs_exist_ok=True)


def is_model_name(name: str) -> bool:
    """Whether a model may be called so."""
    return re.fullmatch(NAME_PATTERN, name) is not None and name not in RESERVED_NAMES


def _is_version(path: Path) -> bool:
    return re.fullmatch(r"[1-9][0-9]{0,8}", path.name) is not None and path.is_dir()
