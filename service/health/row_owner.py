"""Whose rows are in a batch, for those who judge requests and not rows."""

import msgspec


class RowOwner(msgspec.Struct, frozen=True, gc=False):
    """The next ``rows`` rows of a batch are of this request.

    ``request`` is the id under which the request is logged and answered, so that rows can be traced
    to it; a request that is split has the same id in several batches. It is empty where nobody
    asked by a request.
    """

    request: bytes
    rows: int
