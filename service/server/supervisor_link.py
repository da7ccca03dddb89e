"""A worker's line to its supervisor, over which either hears of the other's end."""

import asyncio
import contextlib
import shutil
import socket

from service.observability import logs
from service.server.supervisor import STARTED, WorkerConfig

_log = logs.get_logger()


class SupervisorLink:
    """The line to the supervisor, whose end means that there is nobody to work for."""

    def __init__(self, place: WorkerConfig, stopping: asyncio.Event) -> None:
        self._socket = socket.socket(fileno=place.control)
        self._socket.setblocking(False)
        self._stopping = stopping
        self._folder = place.folder
        self._cut = False
        asyncio.get_running_loop().add_reader(self._socket, self._heard)
        with contextlib.suppress(OSError):
            self._socket.send(STARTED)

    def _heard(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                heard = self._socket.recv(64)
            except ConnectionResetError:
                heard = b""
            if not heard:
                self._cut = True
                asyncio.get_running_loop().remove_reader(self._socket)
                _log.warning("the supervisor is gone")
                self._stopping.set()

    def close(self) -> None:
        """Hang up; what the supervisor would have removed is removed in its place."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        if self._cut:
            shutil.rmtree(self._folder, ignore_errors=True)
