"""Live baselines: what an operator has declared to be healthy traffic, kept in ``SNN_STATE``.

There is one file per model, replaced by a rename, with one writer at a time under a lock. A baseline
belongs to one version of the model. A file that was altered is reported and ignored; the next baseline
replaces it.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.errors import NotKept

_FOLDER, _LOCK = "baselines", ".lock"
_MOST_BYTES = 1 << 24

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Means of live traffic that an operator declared to be healthy; ``features`` is (2, F) or None.

    ``centre`` and ``variance`` (E,) are those of rows of its ``requests``, every request counting alike;
    None for a baseline that was taken before they were kept.
    """

    taken_at: datetime
    offset: Array
    features: Array | None
    centre: Array | None = None
    variance: Array | None = None
    requests: int = 0


class TakenBaseline(msgspec.Struct, frozen=True):
    """A baseline: of which version, from how much traffic, when, and the means.

    ``centre`` and ``variance`` are as ``Baseline`` has them; baselines that were taken before they were
    kept have none.
    """

    model: str
    version: int
    rows: int
    requests: int
    window: str
    taken_at: datetime
    by: str
    offset: list[float]
    features: list[list[float]] | None
    centre: list[float] | None = None
    variance: list[float] | None = None

    def baseline(self) -> Baseline:
        """Return it as monitors take it."""
        features, centre, variance = (
            None if numbers is None else np.array(numbers)
            for numbers in (self.features, self.centre, self.variance)
        )
        offset = np.array(self.offset)
        return Baseline(self.taken_at, offset, features, centre, variance, self.requests)


class _Sealed(msgspec.Struct, frozen=True):
    sha256: str
    content: msgspec.Raw


class Baselines:
    """The files. One that has not changed since it was last read is not read again."""

    def __init__(self, state: Path) -> None:
        self._folder = state / _FOLDER
        self._cached: dict[str, tuple[tuple[int, int, int], TakenBaseline | None, str | None]] = {}

    def read(self, model: str) -> tuple[TakenBaseline | None, str | None]:
        """Return a model's baseline, None if there is none, and what is wrong with its file."""
        path = self._folder / f"{model}.json"
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                key = (status.st_ino, status.st_mtime_ns, status.st_size)
                cached = self._cached.get(model)
                if cached is None or cached[0] != key:
                    cached = key, *_parsed(file.read(_MOST_BYTES), f"{_FOLDER}/{path.name}")
                    self._cached[model] = cached
        except FileNotFoundError:
            return None, None
        except OSError as error:
            return None, f"{_FOLDER}/{path.name} cannot be read: {error.strerror}"
        return cached[1], cached[2]

    def write(self, taken: TakenBaseline) -> None:
        """Write a baseline; raises ``NotKept`` if the folder cannot be written, or is in use."""
        content = msgspec.json.encode(taken)
        sealed = _Sealed(hashlib.sha256(content).hexdigest(), msgspec.Raw(content))
        with self._locked():
            staging = self._folder / f".{taken.model}.{os.getpid()}"
            with staging.open("wb") as file:
                file.write(msgspec.json.encode(sealed))
                file.flush()
                os.fsync(file.fileno())
            staging.replace(self._folder / f"{taken.model}.json")

    def drop(self, model: str) -> bool:
        """Delete a baseline; return whether there was one. Raises ``NotKept`` as ``write`` does."""
        with self._locked():
            path = self._folder / f"{model}.json"
            existed = path.exists()
            path.unlink(missing_ok=True)
            return existed

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / _LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
        except BlockingIOError as error:
            raise NotKept("another baseline is being written just now; ask again") from error
        except OSError as error:
            raise NotKept(
                f"SNN_STATE cannot be written ({error.strerror}), and a baseline is kept there"
            ) from error


def _parsed(content: bytes, name: str) -> tuple[TakenBaseline | None, str | None]:
    broken = f"{name} is corrupted and ignored; take the baseline anew"
    try:
        sealed = msgspec.json.decode(content, type=_Sealed)
        if hashlib.sha256(bytes(sealed.content)).hexdigest() != sealed.sha256:
            return None, broken
        taken = msgspec.json.decode(sealed.content, type=TakenBaseline)
    except msgspec.MsgspecError:
        return None, broken
    numbers = [taken.offset, *(taken.features or []), taken.centre or [], taken.variance or []]
    if not all(np.isfinite(line).all() for line in numbers):
        return None, broken
    return taken, None
