"""Servers under load: each a process of its own on its own core."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.benchmarks import cores

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
_START_SECONDS = 120
_STOP_SECONDS = 30


class Server:
    """A process that answers HTTP on a port of this machine."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        #: From its start to the first 200 of its readiness.
        self.ready_seconds = 0.0

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        return self.send("GET", path, b"", {})

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        """Status and body of a POST of JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", path, body, {"content-type": "application/json"} | named)

    def predict(self, document: object) -> dict:
        """The answer to ``POST /predict``, which has to be a good one."""
        status, body = self.post("/predict", json.dumps(document).encode())
        if status != 200:
            raise RuntimeError(f"/predict answered {status}: {body[:300]!r}")
        return json.loads(body)

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Status and body of any request, on a connection of its own."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=120)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def service(
    models: Path,
    *,
    on: frozenset[int] = cores.SERVER,
    module: str = "service",
    log: Path | None = None,
    root: Path = ROOT,
    environment: dict[str, str] | None = None,
    **settings: object,
) -> Iterator[Server]:
    """Run the service over a model repository; settings are named without their prefix.

    ``log`` is a file for what it logs, ``root`` the checkout that is run, ``environment`` has variables
    of others.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="snn-state-") as state:
        given = {"models": models, "port": port, "state": state, "device": "cpu"} | settings
        named = {f"SNN_{name.upper()}": str(value) for name, value in given.items()}
        command = [sys.executable, "-m", module]
        named |= environment or {}
        with process(command, port, "/health/ready", on, named, log, root) as server:
            yield server


@contextmanager
def process(
    command: Sequence[str],
    port: int,
    ready_path: str,
    on: frozenset[int],
    environment: dict[str, str] | None = None,
    log: Path | None = None,
    root: Path = ROOT,
) -> Iterator[Server]:
    """Run any server until it says that it is ready, and end it afterwards.

    Without a ``log`` what it says goes to /dev/null: written all the same, and no disk takes part.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("SNN_")}
    with tempfile.TemporaryFile() as errors, (log or Path(os.devnull)).open("wb") as output:
        started = time.monotonic()
        child = subprocess.Popen(
            command,
            cwd=root,
            env=own | (environment or {}),
            stdout=output,
            stderr=errors,
            preexec_fn=cores.pinned(on),  # noqa: PLW1509 - a system call
            start_new_session=True,
        )
        server = Server(child, port)
        try:
            _wait_until_ready(server, ready_path)
            server.ready_seconds = time.monotonic() - started
            yield server
        except BaseException:
            errors.seek(0)
            sys.stderr.write(errors.read()[-4000:].decode(errors="replace"))
            raise
        finally:
            _end(child)


def _wait_until_ready(server: Server, path: str) -> None:
    end = time.monotonic() + _START_SECONDS
    status, body = 0, b"nothing"
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended by itself with status {server.process.returncode}")
        try:
            status, body = server.get(path)
        except (OSError, http.client.HTTPException):
            status = 0
        if status == 200:
            return
        time.sleep(0.01)
    raise RuntimeError(f"not ready after {_START_SECONDS} s; the last answer was {status} {body!r}")


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask it to stop; what does not within half a minute is killed, with what it started."""
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
