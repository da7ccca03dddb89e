"""Joins the writes of one turn of the event loop.

uvicorn writes an answer's head and body separately. Each write is a system call, and the two took
almost a quarter of the time of a single row.
"""

import asyncio
from typing import Any

#: Larger pieces are written at once, since a copy costs more than a call.
_COPIED_BYTES = 64 * 1024


class CoalescingTransport:
    """A transport that holds small writes back until the event loop's next turn."""

    __slots__ = ("_loop", "_transport", "held")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        #: What the next turn writes.
        self.held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        """Return the transport's own attribute."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write in the next turn, after earlier writes."""
        if self._transport.is_closing() or len(data) > _COPIED_BYTES:
            self.flush()
            self._transport.write(data)  # a closed transport raises its own error
            return
        if not self.held:
            self._loop.call_soon(self.flush)
        self.held.append(data)

    def is_closing(self) -> bool:
        """Return whether it is closed or closing."""
        return self._transport.is_closing()

    def write_eof(self) -> None:
        """End the writing, after earlier writes."""
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Close, after earlier writes."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Write what was held back."""
        held, self.held = self.held, []
        if held and not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
