"""What the headers of a request, or the metadata of a call, say of it: id, deadline, mark and trace."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

from service.api.context import (
    SANE_ID,
    SYNTHETIC_HEADER,
    TIMEOUT_HEADER,
    RequestContext,
    new_request_id,
    timeout_seconds,
)
from service.api.problems import Problem
from service.observability.tracing import TRACE_HEADER, Tracing

#: What proxies add to the requests that they pass on.
PASSED_ON = frozenset((b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"))

HeaderPairs = Iterable[tuple[bytes, bytes]]


class RequestHead(NamedTuple):
    """A request's id, a new one where the client's is not usable, and what else its head says."""

    request_id: bytes
    timeout: bytes | None
    synthetic: bool
    parent: bytes | None
    #: Whether the body has a content coding.
    coded: bool

    def seconds(self, otherwise: float | None) -> float | None:
        """Return the seconds that the request has; raises ``Problem`` 400 where they cannot be read."""
        if self.timeout is None:
            return otherwise
        seconds = timeout_seconds(self.timeout)
        if seconds is None:
            raise Problem(400, "X-Request-Timeout-Ms is not a whole number of milliseconds")
        return seconds


def read_head(headers: HeaderPairs) -> RequestHead:
    """Read the headers that every way into the service heeds."""
    request_id, timeout, synthetic, parent, coded = None, None, False, None, False
    for name, value in headers:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            request_id = bytes(value)
        elif name == TIMEOUT_HEADER:
            timeout = value
        elif name == SYNTHETIC_HEADER:
            synthetic = value == b"1"
        elif name == TRACE_HEADER:
            parent = value
        elif name == b"content-encoding":
            coded = True
    return RequestHead(request_id or new_request_id(), timeout, synthetic, parent, coded)


def begun(
    head: RequestHead, headers: HeaderPairs, peer: tuple[str, int] | None, tracing: Tracing | None
) -> RequestContext:
    """Return the context of a request that has begun; ``peer`` is the address that it came from."""
    context = RequestContext(head.request_id)
    if head.synthetic:
        context = SyntheticContext(head.request_id, peer, headers)
    if tracing is not None:
        context.trace = tracing.begin(head.parent)
    return context


class SyntheticContext(RequestContext):
    """A request that its client marked as synthetic.

    The mark counts with an API key of scope ``probe`` or ``admin`` or, where there are no keys, from
    this machine: others could hide traffic by it. What a proxy on this machine has passed on is not
    from it.
    """

    __slots__ = ("local",)

    def __init__(
        self,
        request_id: bytes,
        client: tuple[str, int] | None,
        headers: HeaderPairs,
    ) -> None:
        """``client`` is the address that the request came from."""
        super().__init__(request_id)
        passed_on = any(name in PASSED_ON for name, _ in headers)
        self.local = client is not None and not passed_on and _is_loopback(client[0])

    @property
    def synthetic(self) -> bool:  # type: ignore[override]
        """Whether the mark counts."""
        return self.local if self.key is None else self.key.may("probe")


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
