"""Whether a client that ended its sending waits for its answer, or has left.

TCP says the same of both, until something is sent: the machine of a client that has left refuses it. So
where an answer takes long, 100 (Continue) is sent ahead of it, which any client of HTTP/1.1 passes over
(RFC 9110, section 15.2).
"""

import asyncio
import socket
from collections.abc import Callable

#: An answer that comes sooner is its own probe.
_FIRST_SECONDS = 0.05
#: When to look for a refusal after the probe: at once on this machine, later across an ocean.
_LOOKS = (0.01, 0.05, 0.2, 1.0)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def watch_presence(transport: asyncio.Transport, may_probe: Callable[[], bool]) -> None:
    """Abort a connection whose client has left; ``may_probe`` says whether an answer is still due."""
    asyncio.get_running_loop().call_later(_FIRST_SECONDS, _probe, transport, may_probe)


def _probe(transport: asyncio.Transport, may_probe: Callable[[], bool]) -> None:
    if transport.is_closing() or not may_probe():
        return
    transport.write(_CONTINUE)
    for seconds in _LOOKS:
        asyncio.get_running_loop().call_later(seconds, _look, transport)


def _look(transport: asyncio.Transport) -> None:
    connection: socket.socket = transport.get_extra_info("socket")
    if not transport.is_closing() and connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        transport.abort()
