"""``snn models pull``: fetch a release's bundles, resumed where they broke off, verified by hash."""

import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from models.registry.archive import INDEX, Archive, read_index, unpack
from models.registry.store import Repository
from service.errors import ServiceError

VARIABLE = "SNN_RELEASE_URL"
_PIECE, _MAX_INDEX_BYTES = 1 << 18, 1 << 20
_SECONDS = 60
#: How often a transfer that broke off is gone on with at once.
_TRIES = 3


class PullFailed(ServiceError):
    """A bundle could not be fetched; the text says what to do."""


def pull(
    names: list[str], repository: Repository, state: Path, say: Callable[[str], None]
) -> list[tuple[str, int]]:
    """Fetch the newest release's bundles of these models, all of them if none is named.

    Versions that the repository has are left as they are. What has arrived of a transfer that broke off
    is kept below ``state``. Returns models and versions that are new. Raises ``PullFailed``,
    ``ModelError`` for a bundle that is not what was released, and ``OSError``.
    """
    base = os.environ.get(VARIABLE, "").rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise PullFailed(
            f"{VARIABLE} names no release: set it to the address that has {INDEX}, beginning with http;"
            " without the internet copy the model's folder from a clone's models/repository"
        )
    index = read_index(_small(f"{base}/{INDEX}"))
    listed = {each.model: each for each in index.bundles}
    for name in names:
        if name not in listed:
            raise PullFailed(f"the release has no model {name!r}; it has {', '.join(sorted(listed))}")
    new: list[tuple[str, int]] = []
    for archive in (listed[name] for name in names or sorted(listed)):
        if archive.version in repository.versions(archive.model):
            say(f"{archive.model}: version {archive.version} is there already")
            continue
        path = _fetched(base, archive, state / "downloads", say)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            try:
                new += repository.seed(unpack(archive, path, Path(folder)))
            finally:
                path.unlink()  # what is wrong is not gone on with
    return new


def _small(url: str) -> bytes:
    try:
        with _open(url, 0) as answer:
            return bytes(answer.read(_MAX_INDEX_BYTES))
    except (OSError, HTTPException) as error:
        raise PullFailed(_unreachable(url, error)) from error


def _fetched(base: str, archive: Archive, folder: Path, say: Callable[[str], None]) -> Path:
    """Return the archive's file, fetched or gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{archive.sha256}.part"
    url, failure = f"{base}/{archive.file}", "it broke off"
    for _ in range(_TRIES):
        have = path.stat().st_size if path.exists() else 0
        if have >= archive.bytes:
            return path
        rest = f", {have:,} of them are here" if have else ""
        say(f"{archive.model}: version {archive.version}, {archive.bytes:,} bytes{rest}")
        try:
            with _open(url, have) as answer, path.open("ab" if answer.status == 206 else "wb") as file:
                have = have if answer.status == 206 else 0
                while have < archive.bytes and (piece := answer.read(_PIECE)):
                    file.write(piece[: archive.bytes - have])
                    have += len(piece)
        except urllib.error.HTTPError as error:
            raise PullFailed(_unreachable(url, error)) from error
        except (urllib.error.URLError, ConnectionError, TimeoutError, HTTPException) as error:
            failure = str(error) or failure
    if path.exists() and path.stat().st_size >= archive.bytes:
        return path
    raise PullFailed(
        f"{url}: {failure}; what has arrived is kept, and the same command goes on from there"
    )


def _open(url: str, start: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - urllib has no type for it
    headers = {"range": f"bytes={start}-"} if start else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - pull() has checked the scheme
    return urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310


def _unreachable(url: str, error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return (
        f"{url} cannot be had: {reason}. Is this machine online, and {VARIABLE} right? Without the"
        " internet copy the model's folder from a clone's models/repository into SNN_MODELS"
    )
