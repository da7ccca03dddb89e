"""Starts several workers, replaces one that dies or hangs, and stops them all together.

The supervisor answers no request itself. The workers share the listening sockets that it opened, so
that another worker accepts what waits there when one dies. Each worker has a socket to the supervisor:
when it closes, the supervisor is gone and the worker stops, so that none is ever left running.
"""

import contextlib
import os
import selectors
import shutil
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from service.coordination.shared_folder import make_folder
from service.coordination.shared_store import SharedStore
from service.coordination.statuses import Roster, WorkerSlot
from service.errors import SettingsError
from service.observability.logs import flush, get_logger
from service.server.listener import ConnectionCounts
from service.server.sockets import address_of
from service.server.worker_process import WorkerProcess, stop_signals
from service.settings import Settings

#: Seconds: a worker that dies once is replaced at once; every further early death doubles the wait.
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0
#: A worker that ran for so long did not die because of its start.
_EARLY_SECONDS = 30.0
#: So many early deaths in a row, with no other worker running, end the service.
_MOST_EARLY_DEATHS = 3
_STOP_MARGIN_SECONDS = 10.0
_TICK_SECONDS = 0.2
#: A supervisor that did not run for so long cannot tell whether its workers did.
_PAUSE_SECONDS = 1.5


_log = get_logger()


@dataclass(slots=True)
class _Restart:
    """When the next worker of a number may start, and how many of them died early in a row."""

    due: float = 0.0
    early_deaths: int = 0


class Supervisor:
    """The parent process of ``settings.workers`` workers."""

    def __init__(self, settings: Settings, listeners: list[socket.socket]) -> None:
        """Make the workers' shared folder; raises ``SettingsError`` where that is not possible."""
        self._settings = settings
        self._listeners = listeners
        try:
            self._folder, self._counts_file = _make_shared(settings.workers)
        except OSError as error:
            raise SettingsError(
                f"SNN_WORKERS={settings.workers}: several workers need a folder in memory or for"
                f" temporary files: {error}"
            ) from error
        self._shared_store = SharedStore(self._folder)
        self._counts = ConnectionCounts(os.dup(self._counts_file), settings.workers)
        self._workers: dict[int, WorkerProcess] = {}
        self._next = {number: _Restart() for number in range(1, settings.workers + 1)}
        self._restarts = 0
        self._stop_requested = False
        self._silent: set[int] = set()
        self._watched_at = monotonic()
        #: When workers that still run are killed, by the monotonic clock; None before the stop.
        self._kill_at: float | None = None
        self._failure: str | None = None
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Run until a signal asks to stop, and return 0; raises ``SettingsError`` if none starts."""
        wakeup, signals = socket.socketpair()
        for end in (wakeup, signals):
            end.setblocking(False)
        signal.set_wakeup_fd(signals.fileno(), warn_on_full_buffer=False)
        for number in stop_signals():
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # so that it wakes the selector
        self._selector.register(wakeup, selectors.EVENT_READ, lambda: wakeup.recv(1024))
        for listener in self._listeners:
            _log.info(
                "listening",
                **address_of(listener),
                models=str(self._settings.models),
                workers=self._settings.workers,
            )
        try:
            while self._workers or self._kill_at is None:
                self._step()
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

    def _request_stop(self, *_: object) -> None:
        """Stop; a second signal ends all workers at once."""
        if self._stop_requested:
            self._kill_at = monotonic()
        self._stop_requested = True

    def _step(self) -> None:
        """Remove workers that died and start their successors, or go on stopping."""
        for number, worker in list(self._workers.items()):
            if worker.process.poll() is not None:
                self._remove(number, worker)
        if self._kill_at is None and (self._stop_requested or self._failure is not None):
            self._stop()
        if self._kill_at is None:
            self._watch()
            for number, restart in self._next.items():
                if number not in self._workers and monotonic() >= restart.due:
                    self._start(number)
        elif monotonic() >= self._kill_at:
            for worker in self._workers.values():
                worker.process.kill()
        self._shared_store.restore()

    def _start(self, number: int) -> None:
        restart = self._next[number]
        first = self._restarts == 0 and restart.early_deaths == 0
        try:
            worker = WorkerProcess.start(
                number,
                self._settings.workers,
                str(self._folder),
                tuple(listener.fileno() for listener in self._listeners),
                self._counts_file,
                first=first,
            )
        except OSError as error:  # no descriptor, process or memory is left: there may be some soon
            reason = error.strerror or str(error)
            _log.error("worker not started", worker=number, reason=reason)
            self._restarts += 1
            self._put_off(number, f"worker {number} of {self._settings.workers} cannot start: {reason}")
            return
        self._workers[number] = worker
        self._selector.register(worker.control, selectors.EVENT_READ, lambda: self._receive(worker))
        self._write_roster()
        _log.info("worker begins", worker=number, process=worker.process.pid)

    def _receive(self, worker: WorkerProcess) -> None:
        if not worker.receive():  # a signal will tell that it died
            self._selector.unregister(worker.control)
            worker.control.close()

    def _watch(self) -> None:
        """Tell the others whom not to wait for, and replace a worker that hangs."""
        now, paused = monotonic(), monotonic() > self._watched_at + _PAUSE_SECONDS
        self._watched_at = now
        for number, worker in self._workers.items():
            if paused:  # this process did not run either, and what workers sent is still to be read
                worker.heard_at = now
            elif worker.hangs and worker.process.returncode is None:
                _log.error("worker hangs", worker=number, seconds=round(now - worker.heard_at, 1))
                worker.process.kill()
        silent = {number for number, worker in self._workers.items() if worker.silent}
        if silent != self._silent:
            self._silent = silent
            self._write_roster()

    def _remove(self, number: int, worker: WorkerProcess) -> None:
        """Forget a worker that died, and decide when its successor starts, if at all."""
        with contextlib.suppress(OSError, KeyError, ValueError):
            self._receive(worker)  # its last message may not have been read yet
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.control)
        worker.control.close()
        del self._workers[number]
        self._counts.put(number, -1)
        status = worker.process.returncode
        if self._kill_at is not None:
            self._write_roster()
            return
        self._restarts += 1
        self._write_roster()
        _log.error("worker died", worker=number, status=status, reason=worker.failure)
        reason = worker.failure or (
            f"worker {number} of {self._settings.workers} cannot start: it ended with status {status}"
        )
        early = monotonic() - worker.started_at <= _EARLY_SECONDS
        self._put_off(number, None if worker.started else reason, early=early)
        if worker.first and status > 0 and not worker.started:
            self._failure = reason

    def _put_off(self, number: int, reason: str | None, *, early: bool = True) -> None:
        """Decide when to try again; ``reason`` ends the service if that is in vain, and none runs."""
        restart = self._next[number]
        restart.early_deaths = restart.early_deaths + 1 if early else 0
        wait = min(_FIRST_WAIT * 2 ** (restart.early_deaths - 2), _LONGEST_WAIT)
        restart.due = monotonic() + (wait if restart.early_deaths > 1 else 0.0)
        others_run = any(other.started for other in self._workers.values())
        if reason is not None and restart.early_deaths >= _MOST_EARLY_DEATHS and not others_run:
            self._failure = reason

    def _stop(self) -> None:
        """Ask all workers to stop; those that run on past their time are killed."""
        patience = self._settings.drain_wait_seconds + self._settings.drain_seconds
        self._kill_at = monotonic() + patience + _STOP_MARGIN_SECONDS
        self._write_roster()  # readiness says no in all of them at once
        for worker in self._workers.values():
            worker.process.terminate()
        _log.info("draining", seconds=self._settings.drain_wait_seconds)

    def _write_roster(self) -> None:
        slots = {
            number: WorkerSlot(worker.process.pid, worker.first, number in self._silent)
            for number, worker in self._workers.items()
        }
        draining = self._kill_at is not None
        self._shared_store.write_roster(Roster(slots, self._settings.workers, self._restarts, draining))


def _make_shared(workers: int) -> tuple[Path, int]:
    """Make the folder and the file of counts, among temporary files where shared memory is full.

    Raises ``OSError`` if that is not possible either.
    """
    folder = make_folder()
    try:
        return folder, ConnectionCounts.make(folder, workers)
    except OSError as error:
        folder.rmdir()
        _log.warning("shared memory unusable", folder=str(folder.parent), reason=error.strerror)
    folder = make_folder(in_memory=False)
    return folder, ConnectionCounts.make(folder, workers)
