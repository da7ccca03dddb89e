"""The real server in a process of its own: start, reload, refuse, drain, and what it never logs."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from models.registry.store import Repository
from tests.support import bundles
from tests.support.server import ROOT, Server, environment, running

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model repository with one version of the small htru2."""
    root = tmp_path / "repository"
    root.mkdir()
    bundles.publish(root)
    return root


def body(rows: int = 1, seed: int = 0) -> dict:
    """A request for so many candidates."""
    return {"model": "htru2", "inputs": bundles.candidates(rows, seed).tolist()}


class Load(threading.Thread):
    """A client that posts again and again, and keeps every answer."""

    def __init__(self, server: Server, rows: int = 1) -> None:
        super().__init__()
        self.server, self.rows = server, rows
        self.answers: list[tuple[int, str]] = []
        self.failures: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        """Post until told to stop."""
        with httpx.Client(verify=False, base_url=self.server.address, timeout=30) as client:
            while not self.stopping.is_set():
                try:
                    answer = client.post("/predict", json=body(self.rows))
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    return
                self.answers.append((answer.status_code, answer.json().get("version", answer.text)))


def test_it_starts_serves_and_stops_with_status_0(repository: Path, tmp_path: Path) -> None:
    """Ready within seconds, an answer, one log line per request with its stages, a clean end."""
    started = time.monotonic()
    with running(tmp_path, models=repository) as server:
        assert server.wait_until_ready().status_code == 200
        assert time.monotonic() - started < 10
        answer = server.client.post("/predict", json=body(3), headers={"x-request-id": "mine-1"})
        assert answer.status_code == 200
        line = server.wait_for_line("request", request_id="mine-1")
        assert line["model"] == "htru2@1"
        assert line["rows"] == 3
        assert line["route"] == "/predict"
        for stage in ("read", "featurize", "queue", "infer", "encode"):
            assert 0 <= line[stage] < line["seconds"]
        assert server.stop() == 0
        assert server.lines()[-1]["event"] == "stopped"
        assert server.errors() == ""


def test_a_new_version_is_served_without_a_failed_request(repository: Path, tmp_path: Path) -> None:
    """Under load from several clients, promotions and rollbacks cost no request."""
    with running(tmp_path, models=repository) as server:
        server.wait_until_ready()
        clients = [Load(server, rows) for rows in (1, 1, 40, 600)]
        for client in clients:
            client.start()
        for seed in (1, 2):
            time.sleep(0.3)
            version = bundles.publish(repository, seed=seed)
            server.wait_for_line("model serving", model=f"htru2@{version}")
        Repository(repository).roll_back("htru2")
        time.sleep(0.5)
        for client in clients:
            client.stopping.set()
            client.join(30)
        answers = [answer for client in clients for answer in client.answers]
        assert [failure for client in clients for failure in client.failures] == []
        assert {status for status, _ in answers} == {200}
        assert {version for _, version in answers} == {"1", "2", "3"}
        assert server.client.post("/predict", json=body()).json()["version"] == "2"
        assert server.stop() == 0


def test_a_broken_version_is_refused_with_its_reason(repository: Path, tmp_path: Path) -> None:
    """The old version serves on; the reason is in readiness and, once, in the log."""
    with running(tmp_path, models=repository) as server:
        server.wait_until_ready()
        version = bundles.publish(repository, seed=1, promote=False)
        path = repository / "htru2" / str(version) / "model.onnx"
        path.write_bytes(path.read_bytes()[:1000])
        Repository(repository).promote("htru2", version)
        server.wait_for_line("model refused", serving="htru2@1")
        time.sleep(0.5)
        ready = server.client.get("/health/ready")
        assert ready.status_code == 200
        state = ready.json()["models"]["htru2"]
        assert state["version"] == "1"
        assert "version 2 was refused: model.onnx has 1000 bytes" in state["error"]
        assert server.client.post("/predict", json=body()).json()["version"] == "1"
        assert [line["event"] for line in server.lines()].count("model refused") == 1


def test_it_drains_when_told_to_stop(repository: Path, tmp_path: Path) -> None:
    """After SIGTERM readiness says no at once; requests are answered until the end."""
    with running(tmp_path, models=repository, drain_wait_seconds=1) as server:
        server.wait_until_ready()
        client = Load(server, rows=200)
        client.start()
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_line("draining")
        ready = server.client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["draining"] is True
        assert server.client.post("/predict", json=body()).status_code == 200
        client.stopping.set()
        client.join(30)
        assert client.failures == []
        assert {status for status, _ in client.answers} == {200}
        assert server.process.wait(20) == 0


def test_a_request_in_flight_is_answered_after_the_signal(repository: Path, tmp_path: Path) -> None:
    """A body that was half sent when the signal came is read, answered, and only then it ends."""
    with running(tmp_path, models=repository, drain_wait_seconds=0) as server:
        server.wait_until_ready()
        content = json.dumps(body(5)).encode()
        with socket.create_connection(("127.0.0.1", int(server.address.rsplit(":", 1)[1]))) as wire:
            head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
            wire.sendall(head.encode() + content[:50])
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            wire.sendall(content[50:])
            wire.settimeout(10)
            assert wire.recv(1000).startswith(b"HTTP/1.1 200")
        assert server.process.wait(20) == 0


def test_no_feature_and_no_text_of_a_request_is_logged(repository: Path, tmp_path: Path) -> None:
    """Numbers, strings, paths and queries of requests, good and bad, stay out of log and metrics."""
    secret, number = "C1CC1NOSECRET", 31337.125
    with running(tmp_path, models=repository, log_level="debug") as server:
        server.wait_until_ready()
        for inputs in ([[number] * 8], [secret], [{secret: 1}], [[secret] * 8]):
            server.client.post("/predict", json={"model": "htru2", "inputs": inputs})
        server.client.post("/predict", json={"model": secret, "inputs": [[number]]})
        server.client.post("/predict", json={"smiles": [secret]})
        server.client.post("/predict", content=f'{{"smiles": ["{secret}'.encode())
        server.client.post("/predict", json={"smiles": secret, "inputs": number})
        server.client.get(f"/predict/{secret}?smiles={secret}")
        server.client.get(f"/health/activations/{secret}")
        metrics = server.client.get("/metrics").text
        assert server.stop() == 0
        logged = json.dumps(server.lines()) + server.errors() + metrics
        assert len([line for line in server.lines() if line["event"] == "request"]) > 8
        for trace in (secret, "SECRET", "31337"):
            assert trace not in logged


def test_a_port_in_use_is_one_line_that_names_the_variable(repository: Path) -> None:
    """Status 2 and what to change, without a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "service"],
            cwd=ROOT,
            env=environment(models=repository, device="cpu", port=taken.getsockname()[1]),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("SNN_PORT=")
    assert "Address already in use" in done.stderr
    assert done.stderr.count("\n") == 1


def test_disconnects_bad_bytes_and_slow_clients_leave_it_serving(
    repository: Path, tmp_path: Path
) -> None:
    """Whatever is left half-sent or half-read, the next request is answered."""
    with running(tmp_path, models=repository) as server:
        server.wait_until_ready()
        address = ("127.0.0.1", int(server.address.rsplit(":", 1)[1]))
        content = json.dumps(body(500)).encode()
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n".encode()
        for sent in (b"", b"\x00\xff" * 100, b"GET", head, head + content[:100], head + content):
            for _ in range(5):
                with socket.create_connection(address) as wire:
                    wire.sendall(sent)
        half_open = [socket.create_connection(address) for _ in range(20)]
        for wire in half_open:
            wire.sendall(head + content[:10])
        answer = server.client.post("/predict", json=body())
        assert answer.status_code == 200
        for wire in half_open:
            wire.close()
        assert server.client.get("/health/ready").status_code == 200
        assert server.stop() == 0


def test_a_body_far_too_large_is_answered_while_it_is_sent(repository: Path, tmp_path: Path) -> None:
    """The client reads 413 although it went on sending, and the memory does not grow with it."""
    with running(tmp_path, models=repository, max_bytes=10_000) as server:
        server.wait_until_ready()
        answer = server.client.post("/predict", content=b" " * 20_000_000)
        assert answer.status_code == 413
        assert "10000 bytes" in answer.json()["error"]
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 300_000
