"""How a request brings its API key along."""

#: The first of these that a request has is the one that counts.
KEY_HEADERS = (b"x-api-key", b"authorization")


def key_of(name: bytes, value: bytes) -> bytes:
    """The key in one of ``KEY_HEADERS``; empty where there is none, as in ``Basic`` authorization."""
    if name == b"x-api-key":
        return value
    kind, _, key = value.partition(b" ")
    return key.strip() if kind.lower() == b"bearer" else b""
