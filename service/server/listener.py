"""Takes connections from a listening socket that several workers share.

The kernel wakes whoever waits, and without more ado the first to run would take all that is there:
of eight lasting connections one worker of two would get six as often as not. So each takes one
connection per turn of its loop, and one that has more than another leaves the next to that one for
some milliseconds. What is still there then, it takes: nobody waits for a worker that is busy.
"""

import asyncio
import errno
import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path

#: How long a worker that is ahead leaves a connection to the others.
_COURTESY_SECONDS = 0.02
#: With many connections, one in so many more than another has is no reason to wait.
_SLACK = 8
#: Taken at once when the others go on taking none.
_MOST_AT_ONCE = 64
#: How long not to try again when the process or the machine has no room for a connection.
_FULL_SECONDS = 0.5
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class ConnectionCounts:
    """How many connections each worker has, in memory that all of them see."""

    _WIDTH = 8

    def __init__(self, path: Path, workers: int) -> None:
        """Open the file that ``make`` made."""
        self._workers = workers
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), workers * self._WIDTH)
        self._counts = memoryview(self._memory).cast("q")

    @classmethod
    def make(cls, path: Path, workers: int) -> None:
        """Make the file; -1 stands for a worker that takes no connections."""
        path.write_bytes((-1).to_bytes(cls._WIDTH, "little", signed=True) * workers)

    def put(self, number: int, connections: int) -> None:
        """Say how many connections worker ``number``, from 1, has; -1 if it takes none."""
        self._counts[number - 1] = connections

    def ahead(self, number: int) -> bool:
        """Whether a worker has so many more than another that it should leave the next to it."""
        own = self._counts[number - 1]
        others = [count for count in self._counts if count >= 0]
        least = min(others, default=own)
        return own > least + least // _SLACK


class SharedListener:
    """One worker's share in the listening socket."""

    def __init__(
        self,
        listener: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        connections: Callable[[], int],
        scale: ConnectionCounts,
        number: int,
    ) -> None:
        """``factory`` makes a protocol per connection; ``connections`` tells how many there are."""
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._factory = factory
        self._connections = connections
        self._scale = scale
        self._number = number
        self._open = False
        self._at_once = 1
        self._opening: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to take connections."""
        self._open = True
        self.settle()
        self._listen()

    def close(self) -> None:
        """Take no more; those that are there stay."""
        self._open = False
        self._loop.remove_reader(self._listener)
        self._scale.put(self._number, -1)

    def settle(self) -> None:
        """Say how many connections there are now."""
        if self._open:
            self._scale.put(self._number, self._connections() + len(self._opening))

    def _listen(self) -> None:
        if self._open:
            self._loop.add_reader(self._listener, self._knock)

    def _knock(self) -> None:
        if self._scale.ahead(self._number):
            self._loop.remove_reader(self._listener)
            self._loop.call_later(_COURTESY_SECONDS, self._take_what_is_left)
        else:
            self._at_once = 1
            self._take()

    def _take_what_is_left(self) -> None:
        """Take one, or more each time that this happens in a row: the others are not taking any."""
        if not self._open:
            return
        taken = 0
        while taken < self._at_once and self._take():
            taken += 1
        self._at_once = min(2 * self._at_once, _MOST_AT_ONCE) if taken == self._at_once else 1
        self._listen()

    def _take(self) -> bool:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._loop.remove_reader(self._listener)
            self._loop.call_later(_FULL_SECONDS, self._listen)
            return False
        connection.setblocking(False)
        task = self._loop.create_task(self._welcome(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        self.settle()
        return True

    async def _welcome(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:  # the client has gone already
            connection.close()


def inherited(descriptor: int) -> socket.socket:
    """Take over a listening socket that the parent process opened."""
    listener = socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    listener.setblocking(False)
    return listener
