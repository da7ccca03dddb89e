"""Loads that failed: of which version, with which files, why, and when to try again."""

from collections.abc import Callable
from dataclasses import dataclass

from models.errors import ModelError
from models.registry.store import Repository

#: A load that failed is tried again when the bundle's files change, and after this many seconds in
#: any case: the cause may have been outside it.
_RETRY_SECONDS = 30.0

#: Names, sizes and times of a version's files: tells one state of it from another, without reading.
Files = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Failure:
    files: Files
    at: float
    reason: str


class LoadFailures:
    """The latest failure of each version. ``files`` reads the disk and belongs in a thread."""

    def __init__(self, repository: Repository, clock: Callable[[], float]) -> None:
        self._repository = repository
        self._clock = clock
        self._failures: dict[str, dict[int, _Failure]] = {}

    def files(self, name: str, version: int) -> Files:
        """The state of a version's files now; empty where they cannot be looked at."""
        try:
            folder = self._repository.bundle(name, version)
            stats = [(path.name, path.lstat()) for path in sorted(folder.iterdir())]
        except (ModelError, OSError):
            return ()
        return tuple((file, status.st_size, status.st_mtime_ns) for file, status in stats)

    def note(self, name: str, version: int, files: Files, reason: str) -> bool:
        """Note why a version could not be loaded from these files; False if that was known."""
        failures = self._failures.setdefault(name, {})
        before = failures.get(version)
        failures[version] = _Failure(files, self._clock(), reason)
        return before is None or before.reason != reason

    def forget(self, name: str, version: int | None = None) -> None:
        """Let the next load of a version be tried, or that of any; whatever failed before."""
        if version is None:
            self._failures.pop(name, None)
        else:
            self._failures.get(name, {}).pop(version, None)

    def reason(self, name: str) -> str | None:
        """Why versions of a model do not serve that should, the one first that failed first."""
        return "; ".join(failure.reason for failure in self._failures.get(name, {}).values()) or None

    def hold(self, name: str, version: int, files: Files) -> bool:
        """Whether this very load has failed a moment ago."""
        failure = self._failures.get(name, {}).get(version)
        return (
            failure is not None
            and failure.files == files
            and self._clock() < failure.at + _RETRY_SECONDS
        )
