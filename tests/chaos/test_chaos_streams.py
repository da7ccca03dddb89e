"""Listeners to the event stream: many, deaf ones, and ones that leave."""

import json
import socket

from tests.chaos import wire
from tests.support import bundles
from tests.support.server import Server

_ASK = b"GET /health/activations/stream HTTP/1.1\r\nhost: x\r\n\r\n"


def _listener(server: Server) -> socket.socket:
    connection = socket.create_connection(
        (wire.HOST, int(server.address.rpartition(":")[2])), timeout=wire.PATIENCE
    )
    connection.sendall(_ASK)
    return connection


def _documents(connection: socket.socket, count: int) -> list[dict]:
    """The next so many documents, each with the id of its event."""
    found: list[dict] = []
    with connection.makefile("rb") as file:
        number = 0
        while len(found) < count:
            line = file.readline()
            assert line, "the stream ended"
            if line.startswith(b"id: "):
                number = int(line.removeprefix(b"id: "))
            elif line.startswith(b"data: "):
                found.append({"id": number, **json.loads(line.removeprefix(b"data: "))})
    return found


def test_a_hundred_listeners_hear_the_same_document(server: Server) -> None:
    """All are told what was computed once for them, and what others ask for is still right."""
    listeners = [_listener(server) for _ in range(100)]
    try:
        rows = bundles.candidates(3, seed=21)
        wire.check_right(wire.ask(server, wire.post(wire.predict_body(rows))), rows)
        heard = [_documents(connection, 3) for connection in listeners]
        by_id: dict[int, list[dict]] = {}
        for documents in heard:
            for document in documents:
                by_id.setdefault(document["id"], []).append(document)
        # All began within a second or two: one computation each, not one for each listener.
        assert len(by_id) <= 10
        assert all(one == same[0] for same in by_id.values() for one in same)
        assert heard[0][-1]["models"]["htru2"]["windows"]["start"]["rows"] >= 3
    finally:
        for connection in listeners:
            connection.close()


def test_listeners_that_never_read_or_leave_at_once_cost_nobody_anything(server: Server) -> None:
    """Fifty deaf ones and two hundred that hang up, and the server is as well as before."""
    before = wire.resident(server)
    deaf = [_listener(server) for _ in range(50)]
    try:
        for _ in range(200):
            _listener(server).close()
        hearing = _listener(server)
        first, *_, last = _documents(hearing, 4)
        assert last["id"] > first["id"]
        hearing.close()
        rows = bundles.candidates(3, seed=22)
        wire.check_right(wire.ask(server, wire.post(wire.predict_body(rows))), rows)
        assert wire.resident(server) - before < 64 * (1 << 20)
    finally:
        for connection in deaf:
            connection.close()
