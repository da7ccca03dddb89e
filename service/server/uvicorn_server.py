"""uvicorn for one worker, which handles signals and accepts connections itself."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import uvicorn

from service.api.transport.protocol import HttpProtocol


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, which end the process by the signal, not by 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield

    def protocol(self, ended: Callable[[], None]) -> asyncio.Protocol:
        """Return the protocol of an accepted connection; ``ended`` is called when it closes."""
        protocol = HttpProtocol(self.config, self.server_state, app_state={})
        protocol.ended = ended
        return protocol
