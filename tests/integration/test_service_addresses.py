"""Listening on several addresses, and on a socket in the file system, as one worker and as two."""

import socket
from pathlib import Path

import httpx
import pytest

from tests.support import bundles
from tests.support.server import Server, refused_start, running

ROW = {"model": "htru2", "inputs": [[1.0] * 8]}


def ask(server: Server, socket_file: Path | None = None) -> list[httpx.Response]:
    """Ask by IPv4, IPv6 and the socket in the file system."""
    port = httpx.URL(server.address).port
    answers = []
    for address, path in (
        (f"127.0.0.1:{port}", None),
        (f"[::1]:{port}", None),
        ("localhost", socket_file),
    ):
        transport = httpx.HTTPTransport(uds=None if path is None else str(path))
        with httpx.Client(transport=transport, base_url=f"http://{address}", timeout=30) as client:
            answers.append(client.post("/predict", json=ROW))
    return answers


@pytest.mark.parametrize("workers", [1, 2])
def test_all_addresses_answer_alike(tmp_path: Path, workers: int) -> None:
    """A free port is the same for both families; the file is gone after the stop."""
    bundles.publish(tmp_path / "models")
    path = tmp_path / "snn.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))  # what a killed service leaves
    stale.close()
    with running(
        tmp_path,
        models=tmp_path / "models",
        state=tmp_path / "state",
        workers=workers,
        host=f"127.0.0.1, ::1,unix:{path}",
        log_client=True,
    ) as server:
        assert server.wait_until_ready().status_code == 200
        for _ in range(8):
            answers = ask(server, path)
            assert [answer.status_code for answer in answers] == [200, 200, 200]
            assert len({answer.content for answer in answers}) == 1
        hosts = [line["host"] for line in server.lines() if line["event"] == "listening"]
        assert hosts == ["127.0.0.1", "::1", f"unix:{path}"]
        second = refused_start(tmp_path, host=f"unix:{path}", models=tmp_path / "models")
        assert "another service listens there" in second.stderr
        assert server.stop() == 0
        assert server.errors() == ""
    assert not path.exists()


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("unix:/nowhere/snn.sock", "SNN_HOST=unix:/nowhere/snn.sock: cannot listen: No such file"),
        ("unix:occupied", "SNN_HOST=unix:occupied: cannot listen: the file is there and is no socket"),
        (f"unix:{'x' * 200}", "cannot listen: AF_UNIX path too long"),
        ("127.0.0.1,203.0.113.1", "cannot listen on 203.0.113.1"),
        (",", "SNN_HOST="),
    ],
)
def test_an_address_that_cannot_be_used_ends_the_start(tmp_path: Path, host: str, message: str) -> None:
    """One line names the address and the reason; a file that is no socket stays."""
    (tmp_path / "occupied").write_text("mine")
    bundles.publish(tmp_path / "models")
    done = refused_start(tmp_path, host=host, models=tmp_path / "models")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "occupied").read_text() == "mine"
