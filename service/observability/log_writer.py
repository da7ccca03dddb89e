"""Writes lines to a file descriptor in a thread, so that a stalled reader stalls nobody here."""

import atexit
import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic, sleep

#: So many bytes are written to a pipe without another writer's in between (POSIX's PIPE_BUF).
_ATOMIC_BYTES = 4096
_LARGE_BYTES = 64 * 1024
#: Lines that wait for the reader; some two mebibytes of requests' lines.
MOST_LINES = 8192
#: Lines leave at least so often; warnings and errors at once.
_SECONDS = 0.2
#: How long to wait where the descriptor takes nothing now, and where it failed.
_RETRY_SECONDS = 0.05
#: How long the end of the process waits for the reader.
_END_SECONDS = 1.0


class LogWriter:
    """A bounded buffer of lines, and the thread that empties it.

    Where the buffer is full, or the descriptor fails, lines are dropped and counted: requests are
    answered although the disk is full, or the reader has gone or stands still.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._wake = threading.Event()
        self._writing = False
        self._process = 0
        #: Lines that were dropped, and those of them that the log has told about.
        self.dropped = self._told = 0
        #: Whether other processes write to the descriptor, too.
        self.shared = False
        #: Makes the line that tells how many were dropped.
        self.tell: Callable[[int], bytes] | None = None

    def info(self, line: bytes) -> None:
        """Write one line soon."""
        if len(self._waiting) < MOST_LINES:
            self._waiting.append(line)
        else:
            self.dropped += 1

    def warning(self, line: bytes) -> None:
        """Write one line at once."""
        self.info(line)
        self.flush()

    debug = info
    error = critical = exception = warning

    def flush(self) -> None:
        """Have the thread write what waits; it is started with the first call in a process."""
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._run, name="log", daemon=True).start()
            atexit.register(self.finish)
        self._wake.set()

    def finish(self, seconds: float = _END_SECONDS) -> None:
        """Wait until all lines are written, but not for long."""
        end = monotonic() + seconds
        while self._process == os.getpid() and (self._waiting or self._writing) and monotonic() < end:
            self._wake.set()
            sleep(0.002)

    def _run(self) -> None:
        while True:
            self._wake.wait(_SECONDS)
            self._wake.clear()
            while self._waiting:
                self._write_some()

    def _write_some(self) -> None:
        """Write as many lines as are written in one piece."""
        self._writing = True
        if self.dropped > self._told and self.tell is not None and len(self._waiting) < MOST_LINES:
            self._told = self.dropped
            self._waiting.appendleft(self.tell(self.dropped))
        most, lines, size = self._piece(), list[bytes](), 0
        while self._waiting and (not lines or size + len(self._waiting[0]) < most):
            lines.append(self._waiting.popleft())
            size += len(lines[-1]) + 1
        content = b"".join(line + b"\n" for line in lines)
        while content:
            try:
                content = content[os.write(self._descriptor, content) :]
            except BlockingIOError:
                sleep(_RETRY_SECONDS)
            except OSError:
                self.dropped += len(lines)
                sleep(_RETRY_SECONDS)
                break
        self._writing = False

    def _piece(self) -> int:
        """Return how many bytes are written at once: to a pipe of several writers, few."""
        if not self.shared:
            return _LARGE_BYTES
        try:
            regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        except OSError:
            return _ATOMIC_BYTES
        return _LARGE_BYTES if regular else _ATOMIC_BYTES
