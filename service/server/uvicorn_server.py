"""uvicorn, as a worker has it: told when to stop by the worker, its connections made by the door."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import uvicorn

from service.api.transport.protocol import HttpProtocol


class Server(uvicorn.Server):
    """uvicorn's server, whose signals are ours: it would end the process by the signal, not with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield

    def protocol(self, ended: Callable[[], None]) -> asyncio.Protocol:
        """Make the protocol of one connection that a door has taken."""
        protocol = HttpProtocol(self.config, self.server_state, app_state={})
        protocol.ended = ended
        return protocol
