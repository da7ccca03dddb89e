"""uvicorn for one worker, which handles signals and accepts connections itself."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import uvicorn

from service.api.transport.connection import ConnectionPolicy
from service.api.transport.protocol import HttpProtocol


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, which end the process by the signal, not by 0."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._policy = ConnectionPolicy()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield

    def protocol(self, ended: Callable[[], None]) -> asyncio.Protocol:
        """Return the protocol of an accepted connection; ``ended`` is called when it closes."""
        protocol = HttpProtocol(self.config, self.server_state, app_state={})
        protocol.ended, protocol.policy = ended, self._policy
        return protocol

    def drain(self) -> None:
        """Let every answer from now on say that it is the last on its connection."""
        self._policy.draining = True
        for connection in self.server_state.connections:
            if isinstance(connection, HttpProtocol):
                connection.drain()
