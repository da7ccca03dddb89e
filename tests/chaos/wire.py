"""Talking to a server byte by byte, as no well-behaved client would."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np

from tests.support import bundles
from tests.support.server import Server

HOST = "127.0.0.1"
#: Nothing here takes a server this long; what does is a hang.
PATIENCE = 20.0
#: The made bundle's graph, which answers are compared with.
_ORACLE = bundles.graph()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> dict:
        """The body as JSON, strictly: neither NaN nor Infinity."""
        return json.loads(self.body, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise AssertionError(f"the answer holds {name}, which is not JSON")


def head(length: int | None, path: str = "/predict", **headers: str) -> bytes:
    """The head of a POST; ``length`` is what it claims for its body."""
    lines = {"host": HOST, "content-type": "application/json"}
    if length is not None:
        lines["content-length"] = str(length)
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{text}\r\n".encode("latin-1")


def post(body: bytes, path: str = "/predict", **headers: str) -> bytes:
    """A whole POST."""
    return head(len(body), path, **headers) + body


@contextmanager
def connected(server: Server, patience: float = PATIENCE) -> Iterator[socket.socket]:
    """A connection to the server."""
    port = int(server.address.rpartition(":")[2])
    with socket.create_connection((HOST, port), timeout=patience) as connection:
        yield connection


def receive(connection: socket.socket) -> Answer:
    """The next answer on a connection; ``TimeoutError`` if there is none in time."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return Answer(response.status, response.headers, response.read())


def ask(server: Server, content: bytes, patience: float = PATIENCE) -> Answer:
    """Send bytes on a connection of their own and return the answer.

    A server may answer, and hang up, before it has heard all of it.
    """
    with connected(server, patience) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(content)
        return receive(connection)


def predict_body(rows: np.ndarray) -> bytes:
    """The body that asks for these candidates."""
    return json.dumps({"model": "htru2", "inputs": rows.tolist()}).encode()


def expected(rows: np.ndarray) -> np.ndarray:
    """The right probabilities of these candidates."""
    return bundles.run(_ORACLE, rows)["probability"][:, 0]


def check_right(answer: Answer, rows: np.ndarray) -> None:
    """See that an answer holds the right probability for each of these candidates."""
    assert answer.status == 200, answer.body[:300]
    shown = [result["probability"]["pulsar"] for result in answer.json()["results"]]
    np.testing.assert_allclose(shown, expected(rows), atol=1e-6)


def check_refused(answer: Answer, *statuses: int) -> str:
    """See that an answer is an error of the service's shape with one of these statuses; return it."""
    assert answer.status in statuses, (answer.status, answer.body[:300])
    document = answer.json()
    assert set(document) == {"error", "code", "request_id"}
    assert document["request_id"] == answer.headers["x-request-id"]
    for trace in ("Traceback", 'File "', "site-packages", ".py:"):
        assert trace not in document["error"]
    return document["error"]


def check_well(server: Server, since: int = 0) -> None:
    """See that the server lives, answers right, and has logged no failure after so many lines."""
    rows = bundles.candidates(16, seed=3)
    check_right(ask(server, post(predict_body(rows))), rows)
    assert server.client.get("/health/ready").status_code == 200
    assert server.errors() == ""
    failures = failed(server, since)
    assert not failures, failures[:3]


def failed(server: Server, since: int = 0) -> list[dict]:
    """What was logged as a failure of the server's own."""
    lines = server.lines()[since:]
    return [line for line in lines if "kind" in line or line["level"] == "error"]


def resident(server: Server) -> int:
    """The server's resident memory in bytes."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]) * 1024
