"""Connections to the real server, byte by byte: what HTTP/1.1 clients do that others do not."""

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import bundles
from tests.support.server import Server, running

pytestmark = pytest.mark.slow

BODY = json.dumps({"model": "htru2", "inputs": bundles.candidates(1).tolist()}).encode()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with one version of the small htru2."""
    root = tmp_path_factory.mktemp("repository")
    bundles.publish(root)
    return root


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the small htru2."""
    with running(tmp_path_factory.mktemp("server"), models=repository) as server:
        server.wait_until_ready()
        yield server


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    """A connection to the server."""
    address = ("127.0.0.1", int(server.address.rpartition(":")[2]))
    with socket.create_connection(address, timeout=20) as connection:
        yield connection


def request(body: bytes, *lines: str, path: str = "/predict") -> bytes:
    """A ``POST`` with these header lines."""
    head = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *lines]
    return ("\r\n".join([*head, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body


def answers(connection: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """The statuses and bodies of the next answers, and of no more."""
    file, found = connection.makefile("rb"), []
    for _ in range(count):
        status = int(file.readline().split()[1])
        headers = http.client.parse_headers(file)
        if status == 100:
            status = int(file.readline().split()[1])
            headers = http.client.parse_headers(file)
        found.append((status, file.read(int(headers["content-length"]))))
    return found


def nothing_more(connection: socket.socket) -> bool:
    """Whether nothing comes for a while; the connection may be closed."""
    connection.settimeout(0.3)
    try:
        return connection.recv(1000) == b""
    except TimeoutError:
        return True


_JAVA = (
    "Connection: Upgrade, HTTP2-Settings",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk",
    "Upgrade: h2c",
)
_OFFERS = [
    _JAVA,
    ("Upgrade: websocket", "Connection: keep-alive, UPGRADE", "Sec-WebSocket-Version: 13"),
    ("connection:upgrade", "upgrade: TLS/1.0"),
    (*_JAVA, "Expect: 100-continue"),
]


@pytest.mark.parametrize("offer", _OFFERS)
@pytest.mark.parametrize("path", ["/predict", "/v2/models/htru2/infer"])
def test_an_offer_of_another_protocol_is_ignored(server: Server, offer: tuple, path: str) -> None:
    """The body is read wherever it is cut, and a request within the body is never answered."""
    inner = b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"
    plain, status = (BODY, 200) if path == "/predict" else (b"{}", 400)
    for body, expected in ((plain, status), (inner, 400)):
        content = request(body, *offer, path=path)
        for place in (len(content), len(content) - len(body), len(content) - 2, 40, 5):
            with connected(server) as connection:
                connection.sendall(content[:place])
                if place < len(content):
                    time.sleep(0.03)
                    connection.sendall(content[place:] + request(BODY))
                else:
                    connection.sendall(request(BODY))
                first, second = answers(connection, 2)
                assert (first[0], second[0]) == (expected, 200), (offer, place, first)
                assert nothing_more(connection)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_answer_of_a_draining_service_is_the_last_of_its_connection(
    repository: Path, tmp_path: Path, workers: int
) -> None:
    """After SIGTERM each answer says so, on either path; no client loses one, and new ones may come."""
    content = json.dumps({"model": "htru2", "inputs": bundles.candidates(1).tolist()})
    asks = [
        ("POST", "/predict", content, {"Content-Type": "application/json"}),
        ("POST", "/predict", content, {"Content-Type": "application/json; charset=utf-8"}),
        ("POST", "/predict", "{", {}),
        ("GET", "/health/live", None, {}),
        ("GET", "/nowhere", None, {}),
    ]
    answered: list[tuple[float, bool, str | None]] = []
    failures: list[Exception] = []
    stopping = threading.Event()

    def client(server: Server, ask: tuple) -> None:
        address = server.address.rpartition("/")[2]
        connection = http.client.HTTPConnection(address, timeout=20)
        try:
            while not stopping.is_set():
                method, path, body, headers = ask
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                response.read()
                answered.append(
                    (time.monotonic(), response.status < 500, response.getheader("connection"))
                )
        except OSError as error:
            failures.append(error)

    settings = {"models": repository, "drain_wait_seconds": 1, "workers": workers}
    with running(tmp_path, **settings) as server:
        server.wait_until_ready()
        threads = [threading.Thread(target=client, args=(server, ask)) for ask in asks]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        for _ in range(workers):
            server.wait_for_line("draining")
        time.sleep(0.2)
        drained = time.monotonic()
        time.sleep(0.3)
        stopping.set()
        for thread in threads:
            thread.join()
        assert server.process.wait(20) == 0
    assert failures == []
    assert all(fine for _, fine, _ in answered)
    during = {connection for when, _, connection in answered if when > drained}
    assert during == {"close"}
    assert sum(connection == "close" for *_, connection in answered) > 20
