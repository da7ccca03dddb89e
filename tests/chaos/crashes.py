"""Publishers that die at their file-system calls.

    python -m tests.chaos.crashes TEMPLATES FOLDER POINTS SEED

Every function of ``os``, and every file's ``write``, that changes or syncs something is wrapped. A
child process publishes, promotes, publishes, promotes and rolls back, and ends as by ``kill -9`` at
one of those calls: before it, after it, or, if it writes, with half of the bytes written. Then this
process looks at what is left, and gives the next commands. ``TEMPLATES`` holds bundles as they are
published, by version. Prints one JSON object.
"""

import builtins
import io
import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.bundle.loading import verify_files
from models.errors import UnknownModel
from models.registry.releases import Releases
from models.registry.store import Repository

_CHANGES = ("chmod", "fsync", "link", "mkdir", "open", "rename", "replace", "rmdir", "unlink")
_MODES = ("before", "after", "half")
_KILLED = 137
MODEL = "htru2"


class Crash:
    """Counts the calls, and ends the process at one of them."""

    def __init__(self, at: int, mode: str) -> None:
        self.at, self.mode = at, mode
        self.count = 0

    def install(self) -> None:
        """Wrap everything, in this process alone."""
        for name in _CHANGES:
            setattr(os, name, self._called(getattr(os, name)))
        builtins.open = io.open = self._opened(builtins.open)  # type: ignore[assignment]

    def _due(self) -> bool:
        self.count += 1
        return self.count == self.at

    def _called(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            if self._due():
                try:
                    if self.mode != "before":
                        function(*arguments, **options)
                finally:
                    os._exit(_KILLED)
            return function(*arguments, **options)

        return called

    def _opened(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            changes = bool(set("wax+") & set(mode))
            if changes and self._due() and self.mode == "before":
                os._exit(_KILLED)
            file = function(path, mode, *arguments, **options)
            if changes:
                if self.count == self.at:
                    os._exit(_KILLED)
                file.write = self._written(file, file.write)
            return file

        return opened

    def _written(self, file: Any, function: Callable[..., Any]) -> Callable[..., Any]:
        def written(content: Any) -> Any:
            if not self._due():
                return function(content)
            if self.mode != "before":
                function(content if self.mode == "after" else content[: len(content) // 2])
                file.flush()
            os._exit(_KILLED)

        return written


def publish(releases: Releases, templates: Path) -> int:
    """Publish the template of the next version."""

    def write(folder: Path, version: int) -> None:
        for file in sorted((templates / str(version)).iterdir()):
            (folder / file.name).write_bytes(file.read_bytes())

    return releases.repository.publish(MODEL, write)


def steps(releases: Releases, templates: Path) -> None:
    """What a life of releases has: publish and promote twice, and roll back."""
    for _ in range(2):
        releases.promote(MODEL, publish(releases, templates), "cli:crash", "a step")
    releases.roll_back(MODEL, "cli:crash", "a step")


def left_whole(releases: Releases) -> int | None:
    """Check that all that is left is whole; return the champion, None before there is one."""
    repository = releases.repository
    for version in repository.versions(MODEL):
        verify_files(repository.bundle(MODEL, version), MODEL, version)
    try:
        champion = releases.serving(MODEL).champion
    except UnknownModel:
        return None
    assert champion in repository.versions(MODEL), champion
    return champion


def crashed(releases: Releases, templates: Path, at: int, mode: str) -> bool:
    """Take the steps in a child that dies at a call; return whether it got as far."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            Crash(at, mode).install()
            steps(releases, templates)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, _KILLED):
        raise AssertionError(f"the child failed by itself at call {at}, {mode}: {status}")
    return status == _KILLED


def counted(releases: Releases, templates: Path) -> int:
    """How many calls the steps make."""
    read, write = os.pipe()
    if os.fork() == 0:
        crash = Crash(0, "")
        crash.install()
        steps(releases, templates)
        os.write(write, str(crash.count).encode())
        os._exit(0)
    os.close(write)
    os.wait()
    return int(os.read(read, 32))


def main(templates: Path, folder: Path, points: int, seed: int) -> dict[str, object]:
    """Crash at so many random calls, each in a repository of its own; raises where one is not whole."""
    rng = random.Random(seed)
    folder.mkdir(parents=True)  # a call less for each of them

    def fresh(name: str) -> Releases:
        return Releases(Repository(folder / name / "models"), folder / name / "state")

    calls = counted(fresh("count"), templates)
    champions: dict[str, int] = {}
    for point in range(points):
        releases = fresh(str(point))
        at, mode = rng.randint(1, calls), rng.choice(_MODES)
        assert crashed(releases, templates, at, mode), (at, mode)
        try:
            champion = left_whole(releases)
            # The next command, of whichever kind, succeeds.
            version = publish(releases, templates)
            releases.promote(MODEL, version, "cli:next", "after the crash")
            assert left_whole(releases) == version
            log = releases.log.entries(MODEL)
            assert (log[-1].before, log[-1].after) == (champion, version), log
            if champion is not None:
                assert releases.roll_back(MODEL, "cli:next", "and back").champion == champion
            hidden = [path.name for path in (releases.repository.root / MODEL).glob(".staging-*")]
            assert not hidden, hidden
        except Exception as error:
            raise AssertionError(f"after a crash at call {at} of {calls}, {mode}: {error!r}") from error
        champions[str(champion)] = champions.get(str(champion), 0) + 1
    return {"points": points, "calls": calls, "champions": champions}


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.write(json.dumps(found) + "\n")
