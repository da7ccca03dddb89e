"""Whose rows are in a batch, for those who judge requests and not rows."""

from typing import Protocol

import msgspec


class Named(Protocol):
    """What has a name, as API keys have."""

    @property
    def name(self) -> str:
        """The name."""


class Requester(Protocol):
    """One request of a client. It is told apart from others by identity.

    ``request_id`` is the id under which it is logged and answered. A client may choose it, and may send
    the same one with every request, so it says nothing of which rows came together.
    """

    request_id: bytes

    @property
    def synthetic(self) -> bool:
        """Whether the rows are examples or probes, which tell nothing of the traffic."""

    @property
    def key(self) -> Named | None:
        """The API key that the request came with; None without one."""


class RowOwner(msgspec.Struct, frozen=True, gc=False):
    """The next ``rows`` rows of a batch are of this request, or of nobody's.

    A request that is split has parts in several batches.
    """

    request: Requester | None
    rows: int

    @property
    def synthetic(self) -> bool:
        """Whether the rows tell nothing of the traffic."""
        return self.request is not None and self.request.synthetic
