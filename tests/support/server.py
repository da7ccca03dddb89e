"""The real server in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A running ``python -m service``, its client, and what it logged."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, errors: Path) -> None:
        self.process = process
        self._log = log
        self._errors = errors
        self.address = f"http://127.0.0.1:{self.wait_for_line('listening')['port']}"
        # Nothing here is TLS, and to load the certificates costs more than many requests do.
        self.client = httpx.Client(verify=False, base_url=self.address, timeout=30)

    def lines(self) -> list[dict]:
        """Everything that was logged so far; a line that is still being written is left out."""
        complete = self._log.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in complete.splitlines()]

    def wait_for_line(self, event: str, seconds: float = 30, **fields: object) -> dict:
        """Wait for a log line with these fields."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.lines():
                if line["event"] == event and fields.items() <= line.items():
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no line {event!r} {fields}: {self._log.read_text()} {self.errors()}")

    def errors(self) -> str:
        """What went to standard error: nothing, if all is well."""
        return self._errors.read_text()

    def wait_until_ready(self, seconds: float = 30) -> httpx.Response:
        """Wait for readiness."""
        end = time.monotonic() + seconds
        while True:
            answer = self.client.get("/health/ready")
            if answer.status_code == 200 or time.monotonic() > end:
                return answer
            time.sleep(0.02)

    def stop(self) -> int:
        """Ask the server to stop, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment with other settings, each without its prefix."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SNN_")}
    named = {f"SNN_{name.upper()}": str(value) for name, value in settings.items()}
    return own | {"PYTHONPATH": str(ROOT)} | named


def refused_start(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Start a service that cannot run, in ``folder``; it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "service"],
        check=False,
        cwd=folder,
        env=environment(**({"port": 0} | settings)),
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def running(folder: Path, before: Sequence[str] = (), **settings: object) -> Iterator[Server]:
    """Run the server with its log in ``folder``; the process is gone at the end.

    ``before`` are a command and arguments that start the server's own command.
    """
    log, errors = folder / "stdout.log", folder / "stderr.log"
    defaults = {"port": 0, "device": "cpu", "poll_seconds": 0.1, "drain_wait_seconds": 0.2}
    with log.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "service"],
            stdout=out,
            stderr=err,
            cwd=folder,
            env=environment(**(defaults | settings)),
        )
    try:
        server = Server(process, log, errors)
        with server.client:
            yield server
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
