"""Starts several workers, replaces one that dies, and ends them all together.

It answers no request itself. The workers share the listening socket that it opened: what waits
there when a worker dies is taken by another. Each has a line to it whose end tells it that the
supervisor is gone, so that none is ever left behind.
"""

import contextlib
import selectors
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from time import monotonic

import msgspec

from service.coordination.shared_store import SharedStore, make_folder
from service.coordination.statuses import Roster, WorkerSlot
from service.errors import SettingsError
from service.observability.logs import flush, get_logger
from service.server.listener import ConnectionCounts
from service.settings import Settings

#: What a worker says on its line.
STARTED, FAILED = b"started", b"failed: "
SCALE = "connections"

#: The first death is answered at once; from then on each that follows soon doubles the wait.
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0
#: Who lived so long did not die of its start.
_WELL_SECONDS = 30.0
#: Successors in a row that did not start, with no other worker left, from which it is hopeless.
_HOPELESS = 3
_STOP_MARGIN_SECONDS = 10.0
_TICK_SECONDS = 0.2

_log = get_logger()


class WorkerConfig(msgspec.Struct, frozen=True):
    """What a worker is told: its number from 1, among how many, and what it shares with them."""

    number: int
    workers: int
    folder: str
    listener: int
    control: int
    first: bool


@dataclass(slots=True)
class _Worker:
    """A process, and the supervisor's end of its line."""

    process: subprocess.Popen[bytes]
    line: socket.socket
    first: bool
    born: float = field(default_factory=monotonic)
    started: bool = False
    failure: str | None = None


@dataclass(slots=True)
class _Vacancy:
    """A number whose worker died: when to start the next, and how many died soon in a row."""

    due: float = 0.0
    deaths: int = 0


class Supervisor:
    """The parent of ``settings.workers`` workers."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        """Make the workers' common folder; raises ``SettingsError`` where there is no room for it."""
        self._settings = settings
        self._listener = listener
        try:
            self._folder = make_folder()
            ConnectionCounts.make(self._folder / SCALE, settings.workers)
        except OSError as error:
            raise SettingsError(
                f"SNN_WORKERS={settings.workers}: several workers need a folder in memory or for"
                f" temporary files: {error}"
            ) from error
        self._shared_store = SharedStore(self._folder)
        self._scale = ConnectionCounts(self._folder / SCALE, settings.workers)
        self._workers: dict[int, _Worker] = {}
        self._vacancies = {number: _Vacancy() for number in range(1, settings.workers + 1)}
        self._restarts = 0
        self._told_to_stop = False
        self._ends_at: float | None = None
        self._failure: str | None = None
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Run until told to stop, and return 0; or 2 where the workers cannot start."""
        bell, clapper = socket.socketpair()
        for end in (bell, clapper):
            end.setblocking(False)
        signal.set_wakeup_fd(clapper.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # for the bell alone
        self._selector.register(bell, selectors.EVENT_READ, lambda: bell.recv(1024))
        host, port = self._listener.getsockname()[:2]
        _log.info(
            "listening",
            host=host,
            port=port,
            models=str(self._settings.models),
            workers=self._settings.workers,
        )
        try:
            while self._workers or self._ends_at is None:
                self._look_after()
                flush()
                for key, _ in self._selector.select(_TICK_SECONDS):
                    with contextlib.suppress(BlockingIOError):
                        key.data()
        finally:
            for worker in self._workers.values():
                worker.process.kill()
            for worker in self._workers.values():
                worker.process.wait()
            signal.set_wakeup_fd(-1)
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._failure is not None:
            raise SettingsError(self._failure)
        _log.info("stopped")
        return 0

    def _stop(self, *_: object) -> None:
        self._told_to_stop = True

    def _look_after(self) -> None:
        """Bury the dead, start their successors, or go on ending."""
        for number, worker in list(self._workers.items()):
            if worker.process.poll() is not None:
                self._bury(number, worker)
        if self._ends_at is None and (self._told_to_stop or self._failure is not None):
            self._end()
        if self._ends_at is None:
            for number, vacancy in self._vacancies.items():
                if number not in self._workers and monotonic() >= vacancy.due:
                    self._hire(number)
        elif monotonic() > self._ends_at:
            for worker in self._workers.values():
                worker.process.kill()

    def _hire(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        first = self._restarts == 0 and self._vacancies[number].deaths == 0
        place = WorkerConfig(
            number,
            self._settings.workers,
            str(self._folder),
            self._listener.fileno(),
            theirs.fileno(),
            first,
        )
        process = subprocess.Popen(  # noqa: S603 - this interpreter, with arguments of our own making
            [sys.executable, "-m", "service.server.worker", msgspec.json.encode(place).decode()],
            stdin=subprocess.DEVNULL,
            pass_fds=(self._listener.fileno(), theirs.fileno()),
            # A terminal's Ctrl-C is for the supervisor, which tells the workers in its turn.
            process_group=0,
        )
        theirs.close()
        ours.setblocking(False)
        worker = self._workers[number] = _Worker(process, ours, first)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(worker))
        self._call()
        _log.info("worker begins", worker=number, process=process.pid)

    def _hear(self, worker: _Worker) -> None:
        try:
            heard = worker.line.recv(4096)
        except ConnectionResetError:
            heard = b""
        if heard.startswith(STARTED):
            worker.started = True
        elif heard.startswith(FAILED):
            worker.failure = heard.removeprefix(FAILED).decode()
        elif not heard:  # its death is told by a signal; the line has nothing more to say
            self._selector.unregister(worker.line)
            worker.line.close()

    def _bury(self, number: int, worker: _Worker) -> None:
        with contextlib.suppress(OSError, KeyError, ValueError):
            self._hear(worker)  # its last words, if they are still on the line
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.line)
        worker.line.close()
        del self._workers[number]
        self._scale.put(number, -1)
        status = worker.process.returncode
        if self._ends_at is not None:
            self._call()
            return
        self._restarts += 1
        self._call()
        vacancy = self._vacancies[number]
        vacancy.deaths = 0 if monotonic() - worker.born > _WELL_SECONDS else vacancy.deaths + 1
        wait = min(_FIRST_WAIT * 2 ** (vacancy.deaths - 2), _LONGEST_WAIT)
        vacancy.due = monotonic() + (wait if vacancy.deaths > 1 else 0.0)
        _log.error("worker died", worker=number, status=status, reason=worker.failure)
        if worker.started:
            return
        refused = worker.first and status > 0
        left = any(other.started for other in self._workers.values())
        if refused or (vacancy.deaths >= _HOPELESS and not left):
            self._failure = worker.failure or (
                f"worker {number} of {self._settings.workers} cannot start:"
                f" it ended with status {status}"
            )

    def _end(self) -> None:
        """Tell all workers to stop; who has not by then is killed."""
        patience = self._settings.drain_wait_seconds + self._settings.drain_seconds
        self._ends_at = monotonic() + patience + _STOP_MARGIN_SECONDS
        self._call()  # readiness says no in all of them at once
        for worker in self._workers.values():
            worker.process.terminate()
        _log.info("draining", seconds=self._settings.drain_wait_seconds)

    def _call(self) -> None:
        slots = {
            number: WorkerSlot(worker.process.pid, worker.first)
            for number, worker in self._workers.items()
        }
        draining = self._ends_at is not None
        self._shared_store.write_roster(Roster(slots, self._settings.workers, self._restarts, draining))
