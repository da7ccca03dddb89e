"""Clients that hang up, dawdle, say nothing, talk too much, or come all at once."""

import asyncio
import json
import resource
import socket
import struct
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

from tests.chaos import wire
from tests.chaos.conftest import MAX_ROWS
from tests.support import bundles
from tests.support.server import Server


def reset(connection: socket.socket) -> None:
    """Hang up with a reset instead of a farewell."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("how", ["close", "reset", "shut down writing"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_disconnects_harm_nobody_else(server: Server, how: str, share: float) -> None:
    """Clients that leave amid their head, body or wait leave the neighbours' answers right."""
    rows = bundles.candidates(200, seed=5)
    whole = wire.post(wire.predict_body(bundles.candidates(4000)))
    for _ in range(20):
        with wire.connected(server) as leaving:
            leaving.sendall(whole[: max(20, int(len(whole) * share))])
            if how == "reset":
                reset(leaving)
            elif how == "shut down writing":
                leaving.shutdown(socket.SHUT_WR)
    wire.check_right(wire.ask(server, wire.post(wire.predict_body(rows))), rows)


def test_a_client_that_stops_sending_still_gets_its_answer(server: Server) -> None:
    """Half a connection is enough: who has shut down writing after the body is answered."""
    rows = bundles.candidates(2)
    with wire.connected(server) as connection:
        connection.sendall(wire.post(wire.predict_body(rows)))
        connection.shutdown(socket.SHUT_WR)
        content = connection.recv(100_000)
    assert content.startswith(b"HTTP/1.1 200 ")


def test_a_body_that_trickles_in_is_answered_and_holds_nobody_up(server: Server) -> None:
    """Thirty bodies arrive a byte at a time; meanwhile a quick client sees no delay to speak of."""
    rows = bundles.candidates(1, seed=8)
    content = wire.post(wire.predict_body(rows))
    answers: list[wire.Answer] = []

    def trickle() -> None:
        with wire.connected(server) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in content:
                connection.sendall(bytes([byte]))
                time.sleep(0.004)
            answers.append(wire.receive(connection))

    threads = [threading.Thread(target=trickle) for _ in range(30)]
    for thread in threads:
        thread.start()
    quick = []
    while any(thread.is_alive() for thread in threads):
        started = time.monotonic()
        wire.check_right(wire.ask(server, wire.post(wire.predict_body(rows))), rows)
        quick.append(time.monotonic() - started)
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert len(answers) == 30
    for answer in answers:
        wire.check_right(answer, rows)
    assert sorted(quick)[len(quick) // 2] < 0.5


def test_many_half_open_connections_take_no_room_from_others(server: Server) -> None:
    """Hundreds of connections that say nothing, or half a head, leave the rest as it was."""
    rows = bundles.candidates(3, seed=9)
    silent = []
    try:
        for number in range(400):
            connection = socket.create_connection(
                (wire.HOST, int(server.address.rpartition(":")[2])), timeout=5
            )
            silent.append(connection)
            if number % 2:
                connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-le")
        for _ in range(20):
            wire.check_right(wire.ask(server, wire.post(wire.predict_body(rows))), rows)
    finally:
        for connection in silent:
            connection.close()


def _deaf(server: Server, count: int) -> list[socket.socket]:
    """Connections that ask for large answers, again and again, and read none of them."""
    request = wire.post(wire.predict_body(bundles.candidates(MAX_ROWS)))
    made = []
    for _ in range(count):
        connection = socket.create_connection((wire.HOST, int(server.address.rpartition(":")[2])))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.2)
        made.append(connection)
        with suppress(TimeoutError):
            connection.sendall(request * 20)
    return made


def test_clients_that_never_read_their_answers_fill_no_memory(server: Server) -> None:
    """Thirty of them cost no more than their sockets' buffers, and nobody else an answer."""
    before = wire.resident(server)
    deaf = _deaf(server, 30)
    try:
        rows = bundles.candidates(3, seed=10)
        wire.check_right(wire.ask(server, wire.post(wire.predict_body(rows))), rows)
        assert wire.resident(server) - before < 128 * (1 << 20)
    finally:
        for connection in deaf:
            connection.close()


def test_clients_that_leave_their_answers_unread_are_no_failure(server: Server) -> None:
    """Who hangs up amid large answers is a closed connection, and no error in the log."""
    before = len(server.lines())
    for connection in _deaf(server, 30):
        connection.close()
    time.sleep(1.0)
    assert not wire.failed(server, before)


def _connections() -> int:
    """2,000 where this process and the server may have so many files, or else 500."""
    return 2000 if resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 4096 else 500


def test_thousands_of_clients_at_once_each_get_their_own_answer(server: Server) -> None:
    """Every connection asks for rows of its own at the same moment, and gets theirs."""
    count = _connections()
    rows = bundles.candidates(count, seed=11)
    right = wire.expected(rows)

    async def client(index: int, gate: asyncio.Event) -> float:
        reader, writer = await asyncio.open_connection(wire.HOST, int(server.address.rpartition(":")[2]))
        await gate.wait()
        writer.write(wire.post(wire.predict_body(rows[index : index + 1])))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        document = json.loads(await reader.readexactly(length))
        writer.close()
        await writer.wait_closed()
        return document["results"][0]["probability"]["pulsar"]

    async def everyone() -> list[float]:
        gate = asyncio.Event()
        tasks = [asyncio.create_task(client(index, gate)) for index in range(count)]
        await asyncio.sleep(1.0)
        gate.set()
        async with asyncio.timeout(60):
            return await asyncio.gather(*tasks)

    np.testing.assert_allclose(asyncio.run(everyone()), right, atol=1e-6)


def test_pipelined_requests_are_answered_in_their_order(server: Server) -> None:
    """Requests sent at once on one connection, large and small, good and bad, keep their order."""
    small, large = bundles.candidates(1, seed=1), bundles.candidates(MAX_ROWS // 2, seed=2)
    with wire.connected(server) as connection:
        sent = [
            wire.post(wire.predict_body(large)),
            wire.post(b"{"),
            wire.post(wire.predict_body(small)),
        ]
        threading.Thread(target=connection.sendall, args=(b"".join(sent * 3),)).start()
        file = connection.makefile("rb")
        for _ in range(3):
            wire.check_right(_next(file), large)
            wire.check_refused(_next(file), 400)
            wire.check_right(_next(file), small)


def _next(file) -> wire.Answer:
    """The next answer of a stream that may already hold the one after it."""
    import http.client

    status = int(file.readline().split()[1])
    headers = http.client.parse_headers(file)
    return wire.Answer(status, headers, file.read(int(headers["content-length"])))
