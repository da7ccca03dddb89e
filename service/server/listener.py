"""Accepts connections from listening sockets that several workers may share.

The kernel wakes every worker that waits, and the first to run could accept all connections: of eight
lasting ones, one worker of two would often get six. So each accepts one connection per turn of its
event loop, and a worker that has more than another leaves the next one to it for some milliseconds.
What still waits then it accepts: no connection waits for a worker that is busy.
"""

import asyncio
import contextlib
import errno
import mmap
import os
import resource
import socket
import ssl
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from service.observability.logs import get_logger

#: How long a worker that has more connections than another leaves one to it.
_YIELD_SECONDS = 0.02
#: A worker yields only if it has more than another by over one in so many.
_SLACK = 8
#: Connections accepted at once while the other workers accept none.
_MOST_AT_ONCE = 64
#: How long not to try again when there is no room for a connection, and when some was just made.
_FULL_SECONDS, _FREED_SECONDS = 0.5, 0.01
#: Where files ran out nevertheless: so many fewer connections leave some for all else, for so long.
_SPARE_FILES, _SPARE_SECONDS = 16, 60.0
#: Open files that are kept for all else: models, logs, the repository, other processes.
_OTHER_FILES = 128
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = get_logger()


class ConnectionCounts:
    """The number of connections of each worker, in memory that all of them share."""

    _BYTES = 8

    def __init__(self, descriptor: int, workers: int) -> None:
        """Map a file that ``make`` made, and close its descriptor."""
        with open(descriptor, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), workers * self._BYTES)
        self._counts = memoryview(self._memory).cast("q")

    @classmethod
    def make(cls, folder: Path, workers: int) -> int:
        """Make the file without a name, so that it cannot be removed; return its descriptor.

        Raises ``OSError``. A count of -1 stands for a worker that accepts no connections.
        """
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write((-1).to_bytes(cls._BYTES, "little", signed=True) * workers)
            file.flush()
            return os.dup(file.fileno())

    def put(self, number: int, connections: int) -> None:
        """Set the connections of worker ``number``, from 1; -1 if it accepts none."""
        self._counts[number - 1] = connections

    def ahead(self, number: int) -> bool:
        """Return whether a worker has so many more than another that it should yield the next."""
        own = self._counts[number - 1]
        least = min((count for count in self._counts if count >= 0), default=own)
        return own > least + least // _SLACK


class SharedListener:
    """One worker's access to the shared listening sockets."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        factory: Callable[[], asyncio.Protocol],
        connections: Callable[[], int],
        counts: ConnectionCounts | None = None,
        number: int = 1,
        *,
        most: int = 2**31,
        make_room: Callable[[], bool] = lambda: False,
        tls: Callable[[], ssl.SSLContext] | None = None,
        handshake_seconds: float = 30.0,
    ) -> None:
        """``factory`` makes a protocol per connection; ``connections`` returns how many are open.

        ``number`` is the worker's own, from 1; ``counts`` is None for a worker that is alone. ``most``
        is how many connections it keeps open. ``make_room`` closes some that wait for a request, and
        returns whether there were any. ``tls`` returns the context of the next connection, which has
        ``handshake_seconds`` to begin.
        """
        self._loop = asyncio.get_running_loop()
        self._listeners = listeners
        self._factory = factory
        self._connections = connections
        self._counts = counts
        self._number = number
        self._most, self._make_room = most, make_room
        self._tls, self._handshake_seconds = tls, handshake_seconds
        self._most_now = most
        self._closed = self._accepting = self._full = False
        self._at_once = 1
        self._opening: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to accept connections, unless it is closed already."""
        if self._closed:
            return
        self._accepting = True
        self.update_count()
        self._listen()

    def close(self) -> None:
        """Accept no more connections; open ones stay open."""
        self._closed, self._accepting = True, False
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        if self._counts is not None:
            self._counts.put(self._number, -1)

    def update_count(self) -> None:
        """Tell the other workers how many connections are open now."""
        if self._accepting and self._counts is not None:
            self._counts.put(self._number, self._open_connections())

    def _open_connections(self) -> int:
        return self._connections() + len(self._opening)

    def _listen(self) -> None:
        if self._accepting and not self._full:
            for listener in self._listeners:
                self._loop.add_reader(listener, self._accept_or_yield, listener)

    def _accept_or_yield(self, listener: socket.socket) -> None:
        if self._counts is None:
            for _ in range(_MOST_AT_ONCE):
                if not self._accept(listener):
                    return
        elif self._counts.ahead(self._number):
            self._loop.remove_reader(listener)
            self._loop.call_later(_YIELD_SECONDS, self._accept_what_waits, listener)
        else:
            self._at_once = 1
            self._accept(listener)

    def _accept_what_waits(self, listener: socket.socket) -> None:
        """Accept one, or twice as many each time in a row: the other workers accept none."""
        if not self._accepting:
            return
        accepted = 0
        while accepted < self._at_once and self._accept(listener):
            accepted += 1
        self._at_once = min(2 * self._at_once, _MOST_AT_ONCE) if accepted == self._at_once else 1
        self._listen()

    def _accept(self, listener: socket.socket) -> bool:
        if self._open_connections() >= self._most_now:
            self._wait_for_room()
            return False
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._spare_files()
            self._wait_for_room()
            return False
        connection.setblocking(False)
        task = self._loop.create_task(self._connect(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        self.update_count()
        return True

    def _wait_for_room(self) -> None:
        """Accept no more until some connections were closed, or some time has passed."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
        self._full = True
        self._loop.call_later(_FREED_SECONDS if self._make_room() else _FULL_SECONDS, self._try_again)

    def _spare_files(self) -> None:
        """Keep fewer connections open for a while: the repository is read by files, too."""
        most = max(1, self._open_connections() - _SPARE_FILES)
        if self._most_now == self._most:
            _log.warning("no free files", connections=self._open_connections(), most=most)
            self._loop.call_later(_SPARE_SECONDS, self._spare_no_files)
        self._most_now = min(most, self._most_now)

    def _spare_no_files(self) -> None:
        self._most_now = self._most

    def _try_again(self) -> None:
        self._full = False
        self._listen()

    async def _connect(self, connection: socket.socket) -> None:
        try:
            if self._tls is None:
                await self._loop.connect_accepted_socket(self._factory, connection)
            else:
                await self._loop.connect_accepted_socket(
                    self._factory,
                    connection,
                    ssl=self._tls(),
                    ssl_handshake_timeout=self._handshake_seconds,
                )
        except OSError:  # the client has closed it already, or speaks another TLS or none
            connection.close()


def most_connections(wanted: int) -> int:
    """Return how many connections this process may have, of as many as are wanted.

    The limit on open files is raised to what they need, as far as the system lets it be raised.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 2**31
    needed = min(hard, wanted + _OTHER_FILES)
    if soft != resource.RLIM_INFINITY and soft < needed:
        with contextlib.suppress(OSError, ValueError):  # as many as there are, then
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (needed, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
            soft = needed
    files = hard if soft == resource.RLIM_INFINITY else soft
    return max(1, min(wanted, files - min(_OTHER_FILES, files // 2)))
