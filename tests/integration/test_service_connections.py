"""Connections to the real server, byte by byte: what HTTP/1.1 clients do that others do not."""

import http.client
import json
import re
import resource
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urljoin

import httpx
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
    connection.settimeout(0.05)
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


@pytest.fixture(scope="module")
def impatient(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits for a second, and keeps 40 connections open."""
    limits = {"client_seconds": 1, "idle_seconds": 2, "max_connections": 40}
    with running(tmp_path_factory.mktemp("impatient"), models=repository, **limits) as server:
        server.wait_until_ready()
        yield server


_HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
_LONG = b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
_LATE = {
    "nothing": (b"", b"", b""),
    "half a head": (_HEAD, b"", b"408"),
    "a header now and then": (_HEAD, b"a: b\r\n", b"408"),
    "blank lines": (b"\r\n", b"\r\n", b""),
    "half a body": (_HEAD + _LONG + b'{"model"', b"", b"408"),
    "a body byte by byte": (_HEAD + _LONG, b" ", b"408"),
    "a chunked body": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", b"408"),
    "trailers": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n", b"408"),
    "a body that nobody asked for": (b"GET / HTTP/1.1\r\nHost: x\r\n" + _LONG, b" ", b"200"),
    "a second request in part": (b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\nGET", b"", b"200"),
    "no second request": (b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n", b"", b"200"),
}


@pytest.mark.parametrize("kind", _LATE)
def test_a_client_that_is_late_is_closed(impatient: Server, kind: str) -> None:
    """Its answer, if it is due one, says so; the connection ends within the stated times."""
    first, more, status = _LATE[kind]
    started, received = time.monotonic(), b""
    with connected(impatient) as connection:
        connection.sendall(first)
        connection.settimeout(0.2)
        while True:
            try:
                piece = connection.recv(100_000)
                if not piece:
                    break
                received += piece
            except TimeoutError:
                with suppress(OSError):
                    connection.sendall(more)
            except ConnectionResetError:
                break
            assert time.monotonic() - started < 10
    assert received[9:12] == status
    assert time.monotonic() - started < 6
    assert received.count(b"HTTP/1.1 ") <= 2


def test_a_client_that_reads_no_answer_is_closed(impatient: Server) -> None:
    """Its answers are dropped with the connection when nothing of them was read for so long."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", int(impatient.address.rpartition(":")[2])))
        deaf.settimeout(0.5)
        body = json.dumps({"model": "htru2", "inputs": bundles.candidates(2000).tolist()}).encode()
        with suppress(OSError):
            for _ in range(40):
                deaf.sendall(request(body))
        end = time.monotonic() + 10
        while open_connections(impatient) > 1:
            assert time.monotonic() < end
            time.sleep(0.1)


def open_connections(server: Server) -> int:
    """How many of the server's connections are open; a client has one of them."""
    inodes = set()
    for path in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            inodes.add(str(path.readlink()).removeprefix("socket:[")[:-1])
    port = f":{int(server.address.rpartition(':')[2]):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(port) and line[3] == "01" and line[9] in inodes for line in lines)


def test_connections_are_capped_and_those_that_wait_give_way(impatient: Server) -> None:
    """Many silent connections never keep a client out, and no more than the limit are open."""
    silent: list[socket.socket] = []
    address = ("127.0.0.1", int(impatient.address.rpartition(":")[2]))
    try:
        for number in range(200):
            silent.append(socket.create_connection(address, timeout=5))
            if number % 3 == 0:
                silent[-1].sendall(_HEAD)
            if number % 20 == 0:
                with connected(impatient) as connection:
                    connection.sendall(request(BODY))
                    assert answers(connection, 1)[0][0] == 200
                assert open_connections(impatient) <= 40
    finally:
        for each in silent:
            each.close()


def _open_documents(server: Server) -> list[str]:
    """Paths that are answered to GET without a key, from the OpenAPI document and beside it."""
    paths = server.client.get("/openapi.json").json()["paths"]
    plain = [path.replace("{model}", "htru2").replace("{version}", "1") for path in paths]
    own = ["/", "/docs", "/openapi.json", "/web/api.js", "/swagger/swagger-ui.css", "/favicon.ico"]
    streams = {"/health/activations/stream"}
    return [path for path in [*plain, *own] if path in streams or server_gets(server, path)]


def server_gets(server: Server, path: str) -> bool:
    """Whether the path takes GET."""
    return server.client.get(path, timeout=30).status_code not in (404, 405, 422)


def test_head_is_taken_wherever_get_is(server: Server) -> None:
    """Status and headers are those of GET, and no byte of a body follows; streams end at once."""
    paths = [path for path in _open_documents(server) if not path.endswith("/stream")]
    assert {"/", "/health/live", "/health/ready", "/healthz", "/metrics", "/v2", "/docs"} <= set(paths)
    varying = {"date", "x-request-id", "content-length"}  # documents tell times of varying length
    for path in paths:
        got = server.client.get(path, headers={"accept-encoding": "identity"})
        headers = {name: value for name, value in got.headers.items() if name not in varying}
        with connected(server) as connection:
            lines = f"HEAD {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n"
            connection.sendall(lines.encode() + b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            file = connection.makefile("rb")
            assert int(file.readline().split()[1]) == got.status_code, path
            head = http.client.parse_headers(file)
            shown = {name.lower(): value for name, value in head.items() if name.lower() not in varying}
            assert shown == {n: v for n, v in headers.items() if n != "transfer-encoding"}, path
            assert file.readline().startswith(b"HTTP/1.1 200 "), path
    stream = server.client.head("/health/activations/stream")
    assert (stream.status_code, stream.content) == (200, b"")
    refused = server.client.head("/predict")
    assert (refused.status_code, refused.headers["allow"], refused.content) == (405, "POST", b"")
    assert server.client.put("/health/live").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/v2/", "/docs/", "/health/live/", "/web", "/swagger", "//x/", "//x"])
def test_nothing_leads_to_where_the_host_header_says(server: Server, path: str) -> None:
    """There is no redirect to an address of the client's choosing."""
    with connected(server) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
        ((status, body),) = answers(connection, 1)
    assert status == 404
    assert b"evil" not in body


@pytest.mark.parametrize("stays", [True, False])
def test_pages_hold_behind_the_prefix_of_a_proxy(repository: Path, tmp_path: Path, stays: bool) -> None:
    """Every address of the pages resolves below the prefix, which the proxy may take off or leave."""
    prefix = "/models/snn"
    with running(tmp_path, models=repository, root_path=prefix) as server:
        server.wait_until_ready()

        def get(address: str) -> httpx.Response:
            path = address if stays else address.removeprefix(prefix)
            return server.client.get(path)

        for page in (f"{prefix}/docs", f"{prefix}/"):
            text = get(page).text
            links = re.findall(r"(?:href|src)=\"([^\"#]+)\"|url: '([^']+)'", text)
            found = {
                urljoin(page, one or two) for one, two in links if not (one or two).startswith("data:")
            }
            assert len(found) >= 3
            for address in found:
                assert address.startswith(f"{prefix}/"), (page, address)
                assert get(address).status_code == 200 or address.endswith("/metadata"), address
        assert get(f"{prefix}/openapi.json").json()["servers"] == [{"url": prefix}]
        sent = server.client.post(f"{prefix if stays else ''}/predict", content=BODY)
        assert sent.status_code == 200
        assert server.client.get(f"{prefix}x/docs").status_code == 404
        bare = server.client.get(prefix)
        assert (bare.status_code, bare.headers["location"]) == (307, "snn/")


def _without_free_files(pid: int, free: int) -> None:
    """Let a process open only so many more files."""
    most = len(list(Path(f"/proc/{pid}/fd").iterdir())) + free
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))


def _asks(server: Server) -> int:
    """The status of a prediction on a new connection; 0 without an answer in time."""
    try:
        with connected(server) as connection:
            connection.settimeout(3)
            connection.sendall(request(BODY))
            return answers(connection, 1)[0][0]
    except (OSError, ValueError, IndexError):
        return 0


@pytest.mark.parametrize(
    ("workers", "sent"),
    [(1, b""), (1, _HEAD), (1, _HEAD + _LONG), (2, b"")],
    ids=["idle", "half a head", "half a body", "two workers"],
)
def test_listener_and_reloader_recover_where_no_file_is_free(
    repository: Path, tmp_path: Path, workers: int, sent: bytes
) -> None:
    """Connections that wait give way at once; in any case all is well once the others are closed."""
    root = shutil.copytree(repository, tmp_path / "repository")
    with running(tmp_path, models=root, workers=workers, drain_wait_seconds=0) as server:
        server.wait_until_ready()
        lines = server.lines()
        begun = [line["process"] for line in lines if line["event"] == "worker begins"]
        for pid in begun or [server.process.pid]:
            _without_free_files(pid, 30)
        held: list[socket.socket] = []
        address = ("127.0.0.1", int(server.address.rpartition(":")[2]))
        for _ in range(100 * workers):
            held.append(socket.create_connection(address, timeout=5))
            held[-1].sendall(sent)
        server.wait_for_line("no free files")
        if not sent.startswith(_HEAD + _LONG):
            assert [_asks(server) for _ in range(5)] == [200] * 5
        for each in held:
            each.close()
        end = time.monotonic() + 15
        while _asks(server) != 200:
            assert time.monotonic() < end
        version = bundles.publish(root, seed=1)
        server.wait_for_line("model serving", model=f"htru2@{version}")
        server.client.close()  # it may have been one of those that gave way
        assert server.stop() == 0


_HALVES = {
    "the fast path": (request(BODY), [200]),
    "the usual path": (request(BODY.replace(b"htru2", b"none")), [404]),
    "two requests": (request(BODY) + b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", [200, 200]),
    "a table": (
        request(b"[1,2,3,4,5,6,7,8]\n", path="/predict?model=htru2").replace(b"/json", b"/x-ndjson"),
        [200],
    ),
    "half a head": (_HEAD, [400]),
    "half a body": (_HEAD + _LONG + b"{", [400]),
    "one and a half": (request(BODY) + _HEAD, [200, 400]),
    "half a chunk": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", [400]),
}  # fmt: skip


@pytest.mark.parametrize("kind", _HALVES)
@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_a_client_that_only_ended_its_sending_gets_its_answers(
    server: Server, kind: str, pause: float
) -> None:
    """Each request is answered, one that is cut short by 400, and then the connection is closed."""
    sent, expected = _HALVES[kind]
    with connected(server) as connection:
        connection.sendall(sent)
        time.sleep(pause)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(1 << 20):
            received += piece
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received)]
    assert [status for status in statuses if status != 100] == expected  # 100 where the answer is late


def test_a_client_that_ended_its_sending_without_a_request_is_closed(server: Server) -> None:
    """There is nothing to wait for."""
    with connected(server) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_a_body_that_is_too_large_is_not_asked_for(server: Server) -> None:
    """A client that waits for 100 (Continue) gets 413 in its place, and the connection ends."""
    lines = b"Expect: 100-continue\r\nContent-Length: 900000000\r\n\r\n"
    with connected(server) as connection:
        connection.sendall(_HEAD + b"Content-Type: application/json\r\n" + lines)
        started = time.monotonic()
        received = b""
        while piece := connection.recv(1 << 20):
            received += piece
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in received
    assert time.monotonic() - started < 1.5


def test_a_body_is_asked_for_where_the_client_waits_for_that(server: Server) -> None:
    """100 (Continue) comes before the body, on a path that would be the fast one; not for HTTP/1.0."""
    head, _, body = request(BODY, "Expect: 100-continue").partition(b"\r\n\r\n")
    with connected(server) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answers(connection, 1)[0][0] == 200
    with connected(server) as connection:
        connection.sendall(head.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n\r\n" + body)
        received = b""
        while piece := connection.recv(1 << 20):
            received += piece
    assert received.startswith(b"HTTP/1.1 200 ")
