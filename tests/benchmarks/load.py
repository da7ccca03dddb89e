"""Closed-loop load: a number of connections, each sending its next request after the answer.

``wrk`` where it is installed, as one core of it outruns every server here; or else a generator of
our own, which does for what takes a server longer than a tenth of a millisecond.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks import client, cores, processes
from tests.benchmarks.server import HOST, Server

_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What a stretch of load met: answers per second, latencies and processor time, in seconds.

    ``cost`` is the server's processor time per answer, which other programs on the machine disturb
    far less than they do the rest.
    """

    rate: float
    p50: float
    p99: float
    worst: float
    errors: int
    cost: float = 0.0


def have_wrk() -> bool:
    """Whether ``wrk`` is installed."""
    return shutil.which("wrk") is not None


def generator() -> str:
    """A note on what makes the load."""
    return "Load: wrk." if have_wrk() else "Load: an asyncio generator, as wrk is not installed."


def request(path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A whole POST of JSON, or of what ``headers`` say, as it goes over the wire."""
    lines = {"host": HOST, "content-type": "application/json", "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in (lines | (headers or {})).items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def closed_loop(server: Server, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Load the server with these requests, over and over."""
    load = _wrk if have_wrk() else _own
    spent = processes.seconds(server.process.pid)
    found = load(server.port, requests, connections, seconds)
    spent = processes.seconds(server.process.pid) - spent
    return replace(found, cost=spent / max(1.0, found.rate * seconds))


def _wrk(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    with tempfile.NamedTemporaryFile(prefix="snn-requests-") as file:
        for content in requests:
            file.write(b"%d\n" % len(content) + content)
        file.flush()
        command = [
            "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s",
            "-s", str(_SCRIPT), f"http://{HOST}:{port}/", "--", file.name,
        ]  # fmt: skip
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds + 90,
            check=True,
            preexec_fn=cores.pinned(cores.LOAD),
        )
    count, micros, p50, p99, worst, errors = map(float, done.stdout.rpartition("RESULT ")[2].split())
    return Load(count / micros * 1e6, p50 / 1e6, p99 / 1e6, worst / 1e6, int(errors))


def _own(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    samples, elapsed = client.closed_loop(port, requests, connections, seconds=seconds)
    return summary(samples, elapsed)


def summary(samples: Sequence[client.Sample], elapsed: float) -> Load:
    """The figures of single samples."""
    latencies = [sample.seconds for sample in samples]
    return Load(
        rate=sum(sample.status == 200 for sample in samples) / elapsed,
        p50=client.percentile(latencies, 50),
        p99=client.percentile(latencies, 99),
        worst=max(latencies, default=0.0),
        errors=sum(sample.status != 200 for sample in samples),
    )
