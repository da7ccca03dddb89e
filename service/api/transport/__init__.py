"""The connection: HTTP/1.1 framing and the fast path of plain requests."""
