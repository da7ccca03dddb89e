"""A real Prometheus in a process of its own, from Debian's package."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "deploy" / "prometheus"


def binary(name: str) -> str:
    """Where a program of the package is; the test is skipped where it is not."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian's package prometheus has it)")
    return found


class Prometheus:
    """One that runs, and its answers."""

    def __init__(self, port: int) -> None:
        self.client = httpx.Client(verify=False, base_url=f"http://127.0.0.1:{port}", timeout=30)

    def wait_until_ready(self, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
        """Wait until it answers; it must not end before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            try:
                if self.client.get("/-/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(0.1)
        raise AssertionError("prometheus did not start")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query; fails with Prometheus' own words."""
        answer = self.client.post("/api/v1/query", data={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def wait_for(self, expression: str, seconds: float = 30) -> list[dict[str, Any]]:
        """Ask until there is an answer that is not empty."""
        end = time.monotonic() + seconds
        while not (result := self.query(expression)):
            assert time.monotonic() < end, f"no data: {expression}"
            time.sleep(0.2)
        return result


@contextmanager
def scraping(folder: Path, target: str) -> Iterator[Prometheus]:
    """Run one with the project's own configuration and rules on ``target``, every half second."""
    program = binary("prometheus")
    shutil.copytree(CONFIGURATION, folder / "prometheus")
    file = folder / "prometheus" / "prometheus.yml"
    text = file.read_text(encoding="utf-8").replace("service:8000", target)
    file.write_text(re.sub(r"(scrape|evaluation)_interval: \S+", r"\1_interval: 500ms", text))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    prometheus = Prometheus(port)
    try:
        with prometheus.client:
            prometheus.wait_until_ready(process)
            yield prometheus
    except AssertionError as error:
        raise AssertionError(f"{error}\n{(folder / 'prometheus.log').read_text()[-3000:]}") from None
    finally:
        process.terminate()
        process.wait(30)
