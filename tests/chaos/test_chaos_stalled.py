"""What was begun before all other tests here, and never finished."""

import socket

from tests.chaos import wire
from tests.support.server import Server


def test_a_body_that_never_ends_is_given_up(server: Server, stalled: socket.socket) -> None:
    """After half a minute without the rest of a body the server says so and hangs up."""
    wire.check_refused(wire.receive(stalled), 408)
    assert stalled.recv(1) == b""
