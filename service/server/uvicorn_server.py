"""uvicorn for one worker, which handles signals and accepts connections itself."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import uvicorn

from service.api.transport.connection import ConnectionPolicy
from service.api.transport.protocol import HttpProtocol

#: Where there is no room, one of so many connections that wait for a request is closed.
_SHARE_CLOSED = 32


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, which end the process by the signal, not by 0."""

    def __init__(self, config: uvicorn.Config, policy: ConnectionPolicy) -> None:
        super().__init__(config)
        self._policy = policy

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield

    def protocol(self, ended: Callable[[], None]) -> asyncio.Protocol:
        """Return the protocol of an accepted connection; ``ended`` is called when it closes."""
        protocol = HttpProtocol(self.config, self.server_state, app_state={})
        protocol.ended, protocol.policy = ended, self._policy
        return protocol

    def make_room(self) -> bool:
        """Close some connections that wait for a request, the longest first; return whether any does."""
        waiting = [
            (since, connection)
            for connection in self.server_state.connections
            if isinstance(connection, HttpProtocol) and (since := connection.waits_since) is not None
        ]
        waiting.sort(key=lambda each: each[0])
        for _, connection in waiting[: 1 + len(waiting) // _SHARE_CLOSED]:
            connection.make_room()
        return bool(waiting)

    def drain(self) -> None:
        """Let every answer from now on say that it is the last on its connection."""
        self._policy.draining = True
        for connection in self.server_state.connections:
            if isinstance(connection, HttpProtocol):
                connection.drain()
