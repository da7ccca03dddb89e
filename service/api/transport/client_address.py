"""Who sent a request: the peer of the connection, or whom trusted proxies name."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address

#: Addresses of one request that are looked at.
_MOST = 16


class ClientAddress:
    """Finds the client's address; ``X-Forwarded-For`` counts as far as it comes from ``trusted``."""

    def __init__(self, trusted: Sequence[Network] = (), *, unix: bool = False) -> None:
        """With ``unix`` a peer without an address, on a socket in the file system, is trusted."""
        self._trusted, self._unix = tuple(trusted), unix

    def __call__(
        self, peer: tuple[str, int] | None, headers: Iterable[tuple[bytes, bytes]]
    ) -> str | None:
        """Return the last address that no trusted proxy has, from the connection backwards."""
        found = None if peer is None else _parsed(peer[0])
        if not (self._unix and peer is None if found is None else self._trusts(found)):
            return None if found is None else str(found)
        values = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        for text in reversed(values.decode("latin-1").split(",")[-_MOST:]):
            named = _parsed(text.strip())
            if named is None:  # what a client may write is not repeated
                break
            found = named
            if not self._trusts(found):
                break
        return None if found is None else str(found)

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._trusted)


def _parsed(text: str) -> _Address | None:
    """Return an address, of which a port is left out; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
