"""Where the workers of one service tell each other how they are: files in a private folder.

Every file is replaced as a whole by a rename, so that no reader meets half of one, and lives in
memory where the machine has a place for that. A worker writes its own notice; the supervisor writes
the roster; decisions and verdicts are everybody's, changed by one at a time under a lock that the
operating system frees if its holder dies.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from service.errors import ServiceError
from service.health.outliers import OutlierRow
from service.health.sequential_state import Watch
from service.health.windows import History
from service.inference.integrity import Fault
from service.observability.counters import Telemetry

T = TypeVar("T")

_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
_ROSTER, _DECISIONS, _VERDICTS, _LOCK = "roster", "decisions", "verdicts", "lock"


class WorkerSlot(msgspec.Struct, frozen=True):
    """A worker that runs. ``first`` is one of those that the service began with."""

    pid: int
    first: bool


class Roster(msgspec.Struct, frozen=True):
    """Who runs, by number from 1, as the supervisor sees it."""

    slots: dict[int, WorkerSlot] = {}
    #: How many there should be.
    wanted: int = 1
    restarts: int = 0
    draining: bool = False


class ModelStatus(msgspec.Struct, frozen=True):
    """What one worker knows of one model."""

    version: int | None
    provider: str | None
    error: str | None
    unloaded: bool
    intact: bool | None
    checked_at: datetime | None
    fault: Fault | None
    files_error: str | None
    waiting: int
    history: History | None
    departing: list[OutlierRow] = []


class WorkerStatus(msgspec.Struct, frozen=True):
    """What one worker says of itself."""

    pid: int
    #: Whether it takes connections.
    serving: bool
    trouble: str | None
    models: dict[str, ModelStatus]
    #: Versions that it could serve at once, and those that it could not load.
    prepared: dict[str, int]
    refused: dict[str, int]
    counted: Telemetry
    #: Of the process: seconds of processor, bytes of memory and the like.
    process: dict[str, float]


class CutoverDecision(msgspec.Struct, frozen=True):
    """Which version all serve from ``at``, a time of the monotonic clock, or that none is served."""

    version: int
    at: float
    unloaded: bool = False
    #: When all were last asked to check their model, by the monotonic clock.
    check: float = 0.0


class VerdictRecord(msgspec.Struct, frozen=True):
    """The verdict of one version, and since when; ``watch`` is the keeper's."""

    version: int
    verdict: str
    since: datetime
    watch: Watch | None = None


CutoverDecisions = dict[str, CutoverDecision]
VerdictRecords = dict[str, VerdictRecord]


def make_folder() -> Path:
    """Make a private folder, in memory where possible; raises ``OSError``."""
    usable = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK | os.X_OK)
    return Path(tempfile.mkdtemp(prefix="snn-", dir=_MEMORY if usable else None))


class SharedStore:
    """The files. Reading one that has not changed costs a look at its inode."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[tuple[int, int, int], Any]] = {}

    def roster(self) -> Roster:
        """Who runs."""
        return self._read(_ROSTER, Roster) or Roster()

    def call(self, roster: Roster) -> None:
        """Write who runs."""
        self._write(_ROSTER, _encode(roster))

    def notice(self, number: int) -> WorkerStatus | None:
        """What worker ``number``, or the one that had this number before, said last."""
        return self._read(f"worker-{number}", WorkerStatus)

    def post(self, number: int, content: bytes) -> None:
        """Write a notice that ``encode_status`` made."""
        self._write(f"worker-{number}", content)

    def decisions(self) -> CutoverDecisions:
        """Which versions are agreed upon, by model."""
        return self._read(_DECISIONS, CutoverDecisions) or {}

    def decide(self, change: Callable[[CutoverDecisions], None]) -> bool:
        """Change the decisions, or return False because another worker is at it."""
        return self._change(_DECISIONS, CutoverDecisions, change)

    def verdicts(self) -> VerdictRecords:
        """The verdicts, by model."""
        return self._read(_VERDICTS, VerdictRecords) or {}

    def stand(self, change: Callable[[VerdictRecords], None]) -> bool:
        """Change the verdicts, or return False because another worker is at it."""
        return self._change(_VERDICTS, VerdictRecords, change)

    def _change(
        self, name: str, kind: type[dict[str, T]], change: Callable[[dict[str, T]], None]
    ) -> bool:
        with (self._folder / _LOCK).open("a") as lock:
            try:
                # Never waited for: this is the event loop's thread, and the holder may be asleep.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            held = dict(self._read(name, kind) or {})
            before = dict(held)
            change(held)
            if held != before:
                self._write(name, _encode(held))
        return True

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self._folder / name
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                key = (status.st_ino, status.st_mtime_ns, status.st_size)
                known = self._known.get(name)
                if known is not None and known[0] == key:
                    return known[1]  # type: ignore[no-any-return]
                content = file.read()
        except FileNotFoundError:
            return None
        try:
            value = _decoder(kind).decode(content)
        except msgspec.MsgspecError as error:
            raise ServiceError(f"{path} is not what a worker writes: {error}") from error
        self._known[name] = (key, value)
        return value

    def _write(self, name: str, content: bytes) -> None:
        staging = self._folder / f".{name}.{os.getpid()}"
        staging.write_bytes(content)
        staging.replace(self._folder / name)


def _plain(value: object) -> object:
    """A numpy array as its kind, its shape and its bytes."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    raise TypeError(type(value))


def _array(_: type, value: tuple[str, list[int], bytes]) -> object:
    kind, shape, content = value
    return np.frombuffer(content, kind).reshape(shape)


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def encode_status(notice: WorkerStatus) -> bytes:
    """Write a notice as ``SharedStore.post`` takes it."""
    return _encode(notice)


def _decoder(kind: type[T]) -> msgspec.msgpack.Decoder[T]:
    # Made once each: building one costs a thousand times what it then does.
    if kind not in _decoders:
        _decoders[kind] = msgspec.msgpack.Decoder(kind, dec_hook=_array)
    return _decoders[kind]
