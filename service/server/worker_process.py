"""One worker as the supervisor sees it: process, socket, when it was last heard, what stops it."""

import contextlib
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from time import monotonic

import msgspec

#: What a worker sends to the supervisor: that it runs, why it cannot, and twice a second that it lives.
STARTED, FAILED, HEARTBEAT = b"started", b"failed: ", b"."
HEARTBEAT_SECONDS = 0.5
#: Nobody waits for a worker that has been silent for so long, and after the second time it is replaced.
#: One that is starting is replaced after the third.
_SILENT_SECONDS, HUNG_SECONDS, _START_SECONDS = 2.0, 10.0, 120.0


class WorkerConfig(msgspec.Struct, frozen=True):
    """A worker's number, from 1, of how many, and the folder and descriptors that it inherits."""

    number: int
    workers: int
    folder: str
    listeners: tuple[int, ...]
    control: int
    #: The file of ``ConnectionCounts``.
    counts: int
    first: bool


@dataclass(slots=True)
class WorkerProcess:
    """A running worker, and the supervisor's end of the socket to it."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    first: bool
    started_at: float = field(default_factory=monotonic)
    heard_at: float = field(default_factory=monotonic)
    started: bool = False
    failure: str | None = None

    @classmethod
    def start(
        cls,
        number: int,
        workers: int,
        folder: str,
        listeners: tuple[int, ...],
        counts: int,
        *,
        first: bool,
    ) -> "WorkerProcess":
        """Start worker ``number``; raises ``OSError``, such as where no descriptor or memory is left."""
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as stack:
            stack.enter_context(ours)
            config = WorkerConfig(number, workers, folder, listeners, theirs.fileno(), counts, first)
            process = subprocess.Popen(  # noqa: S603 - this interpreter, with arguments of our own making
                [sys.executable, "-m", "service.server.worker", msgspec.json.encode(config).decode()],
                stdin=subprocess.DEVNULL,
                pass_fds=(*listeners, theirs.fileno(), counts),
                # A terminal's Ctrl-C is for the supervisor, which then stops the workers.
                process_group=0,
            )
            stack.pop_all()
        ours.setblocking(False)
        return cls(process, ours, first)

    def receive(self) -> bool:
        """Take in what the worker sends; return False once it has closed the connection."""
        try:
            message = self.control.recv(4096)
        except ConnectionResetError:
            return False
        self.heard_at = monotonic()
        if message.startswith(STARTED):
            self.started = True
        _, failed, reason = message.partition(FAILED)
        if failed:
            self.failure = reason.decode()
        return bool(message)

    @property
    def silent(self) -> bool:
        """Whether the worker runs, and has not been heard for so long that nobody waits for it."""
        return self.started and monotonic() > self.heard_at + _SILENT_SECONDS

    @property
    def hangs(self) -> bool:
        """Whether the worker has been silent for so long that it is to be replaced."""
        return monotonic() > self.heard_at + (HUNG_SECONDS if self.started else _START_SECONDS)


def stop_signals() -> list[signal.Signals]:
    """Signals that ask for a drain; the second one ends everything at once.

    A hangup is not among them where it is ignored, as ``nohup`` has it.
    """
    asking = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        asking.append(signal.SIGHUP)
    return asking
