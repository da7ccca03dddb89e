"""The files in a private folder through which the workers of one service exchange their statuses.

Every file is replaced by a rename, so that no reader sees half of one, and lies in shared memory where
the machine has it. A worker writes its own status and the supervisor writes the roster; decisions and
verdicts are changed by all workers, under a lock that the operating system frees if its holder dies.

A file that cannot be read or written is no error. The process then goes on with what it knows, says so
once in the log, and writes what is missing as soon as it can: ``restore`` is called again and again.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any, TypeVar

import msgspec

from service.coordination.history import Histories
from service.coordination.shared_folder import locked, status_file
from service.coordination.statuses import (
    CutoverDecisions,
    Roster,
    VerdictRecords,
    WorkerSlot,
    WorkerStatus,
    decode,
    encode,
)
from service.errors import ServiceError
from service.observability.logs import get_logger

T = TypeVar("T")

_ROSTER, _DECISIONS, _VERDICTS, _LOCK, _TURN = "roster", "decisions", "verdicts", "lock", "turn"
_HISTORY = "history"
#: How long a process waits for the others' turns.
_TURN_SECONDS = 60.0

_log = get_logger()


class SharedStore:
    """The files, or, without a folder, the memory of a worker that is alone.

    Reading a file that has not changed costs a look at its inode.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        #: What was read last, by file: the file's identity and its content.
        self._read_last: dict[str, tuple[tuple[int, int, int], Any]] = {}
        #: What this process alone writes, by file.
        self._own: dict[str, bytes] = {}
        #: Entries of decisions and verdicts that could not be written yet, by file.
        self._unwritten: dict[str, dict[str, Any]] = {}
        #: The files that could not be written the last time.
        self._failing: set[str] = set()

    @property
    def alone(self) -> bool:
        """Whether there are no other workers, and no folder."""
        return self._folder is None

    def roster(self) -> Roster:
        """Return which workers run; raises ``ServiceError`` for a file that no worker wrote."""
        if self._folder is None:
            return Roster({1: WorkerSlot(os.getpid(), first=True)})
        return self._read(_ROSTER, Roster) or Roster()

    def write_roster(self, roster: Roster) -> None:
        """Tell which workers run."""
        self._write_own(_ROSTER, encode(roster))

    def status(self, number: int) -> WorkerStatus | None:
        """Return the last status of worker ``number``, or of the one that had this number before.

        Raises ``ServiceError`` for a file that no worker wrote.
        """
        return self._read(status_file(number), WorkerStatus)

    def post(self, number: int, status: bytes) -> None:
        """Write the encoded status of worker ``number``."""
        self._write_own(status_file(number), status)

    def histories(self) -> Histories:
        """Return what was written down of each model; raises as ``status``."""
        return self._read(_HISTORY, Histories) or {}

    def post_histories(self, histories: Histories) -> None:
        """Write down what happened to each model; one worker does it for all."""
        if self.alone:
            self._read_last[_HISTORY] = (0, 0, 0), histories
        else:
            self._write_own(_HISTORY, encode(histories))

    def decisions(self) -> CutoverDecisions:
        """Return which version is agreed upon, by model."""
        return self._read_shared(_DECISIONS, CutoverDecisions)

    def change_decisions(self, change: Callable[[CutoverDecisions], None]) -> bool:
        """Change the decisions; return False if another worker changes something at this moment."""
        return self._change(_DECISIONS, CutoverDecisions, change)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other process has its turn; go on after a minute, or without a folder."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                if self._folder is not None:
                    lock = stack.enter_context(self._open(_TURN, "a"))
                    end = monotonic() + _TURN_SECONDS
                    while not locked(lock) and monotonic() < end:
                        sleep(0.05)
            yield

    @contextlib.contextmanager
    def noted(self, name: str) -> Iterator[bool]:
        """Tell whether a name was noted before, by any process; note it at the end."""
        yield self._folder is not None and not self._is_missing(name)
        with contextlib.suppress(OSError):
            if self._folder is not None:
                self._open(name, "w").close()

    def verdicts(self) -> VerdictRecords:
        """Return the verdict on each model's version, by model."""
        return self._read_shared(_VERDICTS, VerdictRecords)

    def change_verdicts(self, change: Callable[[VerdictRecords], None]) -> bool:
        """Change the verdicts; return False if another worker changes something at this moment."""
        return self._change(_VERDICTS, VerdictRecords, change)

    def restore(self) -> None:
        """Write what this process wrote before and what is missing in the folder, if it can.

        The other workers' statuses are read here as well, so that the folder may go at any time.
        """
        for number in self.roster().slots:
            if status_file(number) not in self._own:
                self._latest(status_file(number))
        for name, content in self._own.items():
            if name in self._failing or self._is_missing(name):
                self._write(name, content)
        for name, change in ((_DECISIONS, self.change_decisions), (_VERDICTS, self.change_verdicts)):
            if name in self._unwritten or (name in self._read_last and self._is_missing(name)):
                change(_nothing)

    def _is_missing(self, name: str) -> bool:
        try:
            return self._folder is not None and not (self._folder / name).exists()
        except OSError:
            return True

    def _read_shared(self, name: str, kind: type[dict[str, T]]) -> dict[str, T]:
        return (self._read(name, kind) or {}) | self._unwritten.get(name, {})

    def _change(
        self, name: str, kind: type[dict[str, T]], change: Callable[[dict[str, T]], None]
    ) -> bool:
        """Change the entries of a file under the lock, or in memory where that cannot be had."""
        with contextlib.ExitStack() as stack:
            held = False
            try:
                if self._folder is not None:
                    # Never waited for: this is the event loop's thread, and the holder may be stopped.
                    if not locked(stack.enter_context(self._open(_LOCK, "a"))):
                        return False
                    held = True
            except OSError as error:
                self._note_failure(name, error)
            before = self._read_shared(name, kind)
            entries = dict(before)
            change(entries)
            changed = {key: value for key, value in entries.items() if before.get(key) != value}
            unwritten = self._unwritten.pop(name, {}) | changed
            if held and not unwritten and not (before and self._is_missing(name)):
                return True
            if not (held and self._write(name, encode(entries))) and unwritten:
                self._unwritten[name] = unwritten
        return True

    def _read(self, name: str, kind: type[T]) -> T | None:
        """Return what a file holds, or held when it could last be read; None if it never could."""
        identity, value = self._latest(name)
        if isinstance(value, bytes):
            try:
                value = decode(value, kind)
            except msgspec.MsgspecError as error:
                text = f"{self._folder}/{name} is not what a worker writes: {error}"
                raise ServiceError(text) from error
            self._read_last[name] = identity, value
        return value  # type: ignore[no-any-return]

    def _latest(self, name: str) -> tuple[tuple[int, int, int], Any]:
        """Return a file's identity and content: bytes that are not decoded yet, or None for no file."""
        last = self._read_last.get(name, ((0, 0, 0), None))
        try:
            if self._folder is None:
                return last
            with (self._folder / name).open("rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_ino, status.st_mtime_ns, status.st_size)
                if last[0] != identity:
                    last = self._read_last[name] = identity, file.read()
        except OSError:
            pass  # what is known holds
        return last

    def _write_own(self, name: str, content: bytes) -> None:
        self._own[name] = content
        self._write(name, content)

    def _write(self, name: str, content: bytes) -> bool:
        """Replace a file as a whole; return whether that worked."""
        if self._folder is None:
            return False
        staging = f".{name}.{os.getpid()}"
        try:
            with self._open(staging, "wb") as file:
                file.write(content)
            (self._folder / staging).replace(self._folder / name)
        except OSError as error:
            with contextlib.suppress(OSError):  # half a file takes room that is needed
                (self._folder / staging).unlink()
            self._note_failure(name, error)
            return False
        if self._failing:
            self._failing.discard(name)
            if not self._failing:
                _log.info("shared store writable again", folder=str(self._folder))
        return True

    def _open(self, name: str, mode: str) -> IO[Any]:
        """Open a file of the folder to write it; make the folder if it is gone."""
        assert self._folder is not None
        try:
            return (self._folder / name).open(mode)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                self._folder.mkdir(mode=0o700)
                _log.error("shared store was gone and is made anew", folder=str(self._folder))
            status = self._folder.lstat()
            if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
                raise
            return (self._folder / name).open(mode)

    def _note_failure(self, name: str, error: OSError) -> None:
        if not self._failing:
            _log.error(
                "shared store cannot be written; going on from memory",
                folder=str(self._folder),
                reason=error.strerror,
            )
        self._failing.add(name)


def _nothing(entries: object) -> None:
    """Leave the entries of a file as they are; what is not written yet is written."""
