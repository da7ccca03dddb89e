"""The headers in which a request has its API key."""

#: Whichever of these holds a key of this service counts.
KEY_HEADERS = (b"x-api-key", b"authorization")


def key_of(name: bytes, value: bytes) -> bytes:
    """Return the key in one of ``KEY_HEADERS``; empty without one, as in ``Basic`` authorization."""
    if name == b"x-api-key":
        return value
    kind, _, key = value.partition(b" ")
    return key.strip() if kind.lower() == b"bearer" else b""
