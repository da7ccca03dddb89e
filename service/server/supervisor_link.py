"""A worker's connection to its supervisor, through which each learns that the other has ended."""

import asyncio
import contextlib
import shutil
import socket

from service.observability import logs
from service.server.worker_process import HEARTBEAT, HEARTBEAT_SECONDS, STARTED, WorkerConfig

_log = logs.get_logger()


class SupervisorLink:
    """The worker's end; when the supervisor's end closes, the worker stops."""

    def __init__(self, config: WorkerConfig, stopping: asyncio.Event) -> None:
        """Report that the worker runs; ``stopping`` is set once the supervisor is gone."""
        self._socket = socket.socket(fileno=config.control)
        self._socket.setblocking(False)
        self._stopping = stopping
        self._folder = config.folder
        self._orphaned = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)
        self._send(STARTED)
        self._timer = self._loop.call_later(HEARTBEAT_SECONDS, self._beat)

    def _send(self, message: bytes) -> None:
        with contextlib.suppress(OSError):  # full, or the supervisor is gone: reading tells
            self._socket.send(message)

    def _beat(self) -> None:
        """Tell that the event loop runs."""
        self._send(HEARTBEAT)
        self._timer = self._loop.call_later(HEARTBEAT_SECONDS, self._beat)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                received = self._socket.recv(64)
            except ConnectionResetError:
                received = b""
            if not received:
                self._orphaned = True
                self._loop.remove_reader(self._socket)
                _log.warning("the supervisor is gone")
                self._stopping.set()

    def close(self) -> None:
        """Close the connection; remove the shared folder if the supervisor cannot do it any more."""
        self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if self._orphaned:
            shutil.rmtree(self._folder, ignore_errors=True)
