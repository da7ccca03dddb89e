"""The log of the real server: readers that stall or leave, and what it tells of clients."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support import bundles
from tests.support.server import environment, running

pytestmark = pytest.mark.slow

#: More than the server keeps, and than the pipe takes.
REQUESTS = 9_500


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with one version of the small htru2."""
    root = tmp_path_factory.mktemp("repository")
    bundles.publish(root)
    return root


@contextmanager
def piped(repository: Path, folder: Path, workers: int) -> Iterator[tuple[subprocess.Popen, int, int]]:
    """A server that logs into a pipe; yields it, its port, and the pipe's end, which nobody reads."""
    reader, writer = os.pipe()
    settings = {"models": repository, "port": 0, "device": "cpu", "drain_wait_seconds": 0}
    process = subprocess.Popen(
        [sys.executable, "-m", "service"],
        stdout=writer,
        cwd=folder,
        env=environment(workers=workers, state=folder / "state", **settings),
    )
    os.close(writer)
    port, content = None, b""
    try:
        while port is None:
            content += os.read(reader, 1)
            if content.endswith(b"\n"):
                line, content = json.loads(content), b""
                port = line["port"] if line["event"] == "listening" else None
        yield process, port, reader
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(reader)


def pipeline(port: int, count: int) -> int:
    """Send so many requests on one connection; return how many were answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        found, content = 0, b""
        for start in range(0, count, 200):
            number = min(200, count - start)
            connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n" * number)
            while content.count(b"HTTP/1.1 200 ") < number:
                piece = connection.recv(1 << 20)
                if not piece:
                    return found
                content += piece
            found, content = found + number, b""
        return found


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reader_that_stalls_stalls_nobody(repository: Path, tmp_path: Path, workers: int) -> None:
    """Requests, probes and metrics are answered, and SIGTERM ends it at once."""
    with piped(repository, tmp_path, workers) as (process, port, _):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, verify=False) as client:
            while client.get("/health/ready").status_code != 200:
                time.sleep(0.05)
            for _ in range(workers):
                assert pipeline(port, 600) == 600
            for path in ("/health/live", "/metrics"):
                assert client.get(path).status_code == 200
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - started < 8


def test_a_reader_that_goes_on_is_told_how_much_is_missing(repository: Path, tmp_path: Path) -> None:
    """What the buffer cannot hold is counted; every line is whole, and one says how many are missing."""
    with piped(repository, tmp_path, 1) as (process, port, reader):
        assert pipeline(port, REQUESTS) == REQUESTS
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
        counted = re.search(r"^snn_log_lines_dropped_total (\S+)$", metrics, re.M)
        assert counted is not None
        assert float(counted[1]) > 100
        content = b""
        end = time.monotonic() + 60
        asked = False
        while b'"stopped"' not in content and time.monotonic() < end:
            content += os.read(reader, 1 << 20)
            if b"log lines dropped" in content and not asked:
                asked = pipeline(port, 1) == 1
                process.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in content.splitlines()]
        (told,) = [line for line in lines if line["event"] == "log lines dropped"]
        logged = sum(line["event"] == "request" for line in lines)
        assert logged + told["lines"] == pytest.approx(REQUESTS + 2, abs=20)


def test_a_reader_that_leaves_is_no_failure(repository: Path, tmp_path: Path) -> None:
    """Without a reader the service answers on, and ends with status 0."""
    with piped(repository, tmp_path, 1) as (process, port, reader):
        os.dup2(os.open(os.devnull, os.O_RDONLY), reader)
        assert pipeline(port, 500) == 500
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_lines_of_several_workers_are_whole(repository: Path, tmp_path: Path) -> None:
    """Under load from all sides each line of the shared log is JSON."""
    with running(tmp_path, models=repository, workers=2) as server:
        server.wait_until_ready()
        for _ in range(4):
            assert pipeline(int(server.address.rpartition(":")[2]), 1000) == 1000
        assert server.stop() == 0
        assert sum(line["event"] == "request" for line in server.lines()) >= 4000


def test_probes_are_logged_at_debug_alone(repository: Path, tmp_path: Path) -> None:
    """What asks every few seconds whether the service lives does not fill the log; a refusal is told."""
    probes = ["/health/live", "/health/ready", "/healthz", "/v2/health/live", "/v2/health/ready"]
    for level in ("info", "debug"):
        folder = tmp_path / level
        folder.mkdir()
        with running(folder, models=repository, log_level=level, drain_wait_seconds=1) as server:
            server.wait_until_ready()
            for path in probes:
                assert server.client.get(path, headers={"x-request-id": "probe"}).status_code == 200
                assert server.client.head(path, headers={"x-request-id": "probe"}).status_code == 200
            server.client.get("/v2", headers={"x-request-id": "other"})
            server.wait_for_line("request", request_id="other")
            found = [line for line in server.lines() if line.get("request_id") == "probe"]
            assert len(found) == (10 if level == "debug" else 0)
            assert {line["level"] for line in found} <= {"debug"}
            server.process.send_signal(signal.SIGTERM)
            server.wait_for_line("draining")
            assert server.client.get("/health/ready").status_code == 503
            server.wait_for_line("request", route="/health/ready", status=503, level="info")


def test_a_state_folder_that_cannot_be_written_is_told_at_the_start(
    repository: Path, tmp_path: Path
) -> None:
    """A file in its place stops the start; a folder that takes nothing is a warning."""
    file = tmp_path / "file"
    file.touch()
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=tmp_path,
        env=environment(models=repository, port=0, state=file),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"SNN_STATE={file}: {file} is not a folder\n"
    with running(tmp_path, models=repository, state="/proc/nothing/state") as server:
        line = server.wait_for_line("state not writable", level="warning")
        assert "/proc/nothing" in line["reason"]
        assert server.wait_until_ready().status_code == 200


def test_the_log_has_clients_addresses_where_it_is_asked_to(repository: Path, tmp_path: Path) -> None:
    """On both paths and for refusals; a trusted proxy names the client, otherwise it is the peer."""
    body = json.dumps({"model": "htru2", "inputs": bundles.candidates(1).tolist()})
    cases = {"off": ({}, None), "on": ({"log_client": True}, "127.0.0.1")}
    cases["proxy"] = ({"log_client": True, "trusted_proxies": "10.0.0.0/8,127.0.0.1"}, "203.0.113.9")
    for name, (options, expected) in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        with running(folder, models=repository, **options) as server:
            server.wait_until_ready()
            forwarded = {"x-forwarded-for": "1.2.3.4, 203.0.113.9", "content-type": "application/json"}
            for path, kind in (("fast", "application/json"), ("usual", "application/json;x=1")):
                headers = forwarded | {"x-request-id": path, "content-type": kind}
                answer = server.client.post("/predict", content=body, headers=headers)
                assert answer.status_code == 200
                line = server.wait_for_line("request", request_id=path)
                assert line.get("client") == expected
            address = ("127.0.0.1", int(server.address.rpartition(":")[2]))
            with socket.create_connection(address) as connection:
                connection.sendall(b"GET / HTTP/9.9\r\n\r\n")
                connection.recv(1000)
            assert server.wait_for_line("refused").get("client") == (expected and "127.0.0.1")
