"""Clients that are slow, silent or deaf, many at once, beside one that is none of it.

``make slow-clients`` has 2,000 of each kind; the suite fewer.
"""

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.chaos import wire
from tests.support import bundles
from tests.support.server import Server, running

CLIENTS = int(os.environ.get("SNN_TEST_CLIENTS", "200"))
#: Requests of the other client, of which the 99th percentile is taken.
_REQUESTS = 600

_ROWS = bundles.candidates(1, seed=9)
_POST = wire.post(wire.predict_body(_ROWS))
_LINE = b"POST /predict HTTP/1.1\r\nhost: x\r\n"

#: What each client sends at once, and what each second.
KINDS = {
    "silent": (b"", b""),
    "half a head": (_LINE + b"content-le", b""),
    "a header now and then": (_LINE, b"a: b\r\n"),
    "half a body": (_POST[:-20], b""),
    "a body byte by byte": (_POST[:-60], b" "),
    "idle": (b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n", b""),
    "deaf": (b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n", b""),
}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, since its connections are all in use here."""
    folder = tmp_path_factory.mktemp("slow")
    root = folder / "repository"
    root.mkdir()
    bundles.publish(root)
    with running(folder, models=root, poll_seconds=2) as server:
        server.wait_until_ready()
        yield server


@contextmanager
def crowd(server: Server, kind: str) -> Iterator[None]:
    """So many clients of a kind, which stay as they are until the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CLIENTS + 500), hard))
    first, more = KINDS[kind]
    address = ("127.0.0.1", int(server.address.rpartition(":")[2]))
    made: list[socket.socket] = []
    stopping = threading.Event()

    def dawdle() -> None:
        while more and not stopping.wait(1):
            for each in made:
                with suppress(OSError):
                    each.send(more)

    try:
        for _ in range(CLIENTS):
            each = socket.socket()
            made.append(each)
            if kind == "deaf":
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.settimeout(20)
            each.connect(address)
            each.sendall(first)
        dawdling = threading.Thread(target=dawdle)
        dawdling.start()
        _settle(server)
        yield
        stopping.set()
        dawdling.join()
    finally:
        stopping.set()
        for each in made:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _settle(server: Server) -> None:
    """Wait until what the crowd asked for is done, and only its connections are left."""
    end = time.monotonic() + 60
    quick = 0
    while quick < 5:
        started = time.monotonic()
        assert started < end
        assert wire.ask(server, _POST, 60).status == 200
        quick = quick + 1 if time.monotonic() - started < 0.05 else 0
        time.sleep(0.1)


def percentile(server: Server) -> float:
    """The 99th percentile of the seconds that a request takes, each answered rightly."""
    taken = []
    with wire.connected(server) as connection:
        for _ in range(_REQUESTS):
            started = time.perf_counter()
            connection.sendall(_POST)
            answer = wire.receive(connection)
            taken.append(time.perf_counter() - started)
            assert answer.status == 200
        wire.check_right(answer, _ROWS)
    return sorted(taken)[len(taken) * 99 // 100]


@pytest.mark.parametrize("kind", KINDS)
def test_a_crowd_of_slow_clients_delays_nobody_else(patient: Server, kind: str) -> None:
    """The 99th percentile of a quick client is at most twice what it is alone."""
    before = percentile(patient)
    with crowd(patient, kind):
        beside = min(percentile(patient) for _ in range(3))
    alone = max(before, percentile(patient))
    print(f"{kind}: {CLIENTS} clients, p99 {beside * 1e3:.2f} ms, alone {alone * 1e3:.2f} ms")  # noqa: T201
    assert beside <= 2 * alone
    assert not wire.failed(patient)
    assert patient.errors() == ""
