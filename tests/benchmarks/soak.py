"""Many minutes of mixed load: whether memory stays where it was and every file is closed again."""

import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from time import monotonic

import msgspec

from tests.benchmarks import client, processes
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.client import Sample, percentile
from tests.benchmarks.load import request
from tests.benchmarks.molecules import bodies
from tests.benchmarks.records import Molecules, candidates
from tests.benchmarks.report import Options, Skipped, Table
from tests.benchmarks.server import HOST, service
from tests.benchmarks.single import body

_PER_SECOND = 60
_LEVEL_MINUTES = 2.0


def run(options: Options) -> list[Table]:
    """Sixty requests a second of all kinds, good and bad, and clients that hang up."""
    champion(options, CANDIDATES)
    notes = []
    try:
        champion(options, MOLECULES)
        supply: Molecules | None = Molecules()
    except Skipped as reason:
        supply = None
        notes.append(f"Without molecules: {reason}.")
    seconds = 60 * options.minutes
    slice_seconds = min(60.0, seconds / 10)
    sent = _mixed(supply)
    rows: list[list[str | float | int]] = []
    statuses: Counter[int] = Counter()
    with service(options.models) as server, _Quitters(server.port):
        started = monotonic()
        while monotonic() - started < seconds:
            samples = client.open_loop(server.port, sent, _PER_SECOND, slice_seconds)
            statuses.update(sample.status for sample in samples)
            rows.append(_row(samples, (monotonic() - started) / 60, server.process.pid))
            options.say(f"soak: minute {rows[-1][0]:.1f}, {rows[-1][4]:.0f} MiB")
        ready = server.get("/health/ready")[0]
    notes += _verdict(rows, statuses, ready)
    columns = ["minute", "requests", "p50, ms", "p99, ms", "resident, MiB", "descriptors"]
    return [Table(f"{options.minutes:g} minutes of mixed load", columns, rows, notes)]


def _row(samples: list[Sample], minute: float, process: int) -> list[str | float | int]:
    latencies = [1e3 * sample.seconds for sample in samples]
    p50, p99 = percentile(latencies, 50), percentile(latencies, 99)
    resident = processes.memory(process).resident
    return [minute, len(samples), p50, p99, resident, processes.descriptors(process)]


def _verdict(rows: list[list], statuses: Counter[int], ready: int) -> list[str]:
    settled = [row for row in rows if row[0] >= _LEVEL_MINUTES] or rows
    level, last = settled[0][4], settled[-1][4]
    most = max(row[4] for row in settled)
    return [
        f"Memory at the end is {last / level - 1:+.1%} of its level after {settled[0][0]:.1f} minutes,"
        f" at most {most / level - 1:+.1%} (target: within 5 %); descriptors went from"
        f" {settled[0][5]} to {settled[-1][5]}.",
        f"Answers by status: {dict(sorted(statuses.items()))}; /health/ready afterwards: {ready}.",
    ]


def _mixed(supply: Molecules | None) -> Iterator[bytes]:
    """Requests at random, the same sequence every time."""
    chance = random.Random(0)
    rows = candidates(2048).tolist()
    fixed = [_get(path) for path in ("/health/ready", "/metrics", "/health/activations/htru2", "/")]
    wrong = [
        request("/predict", b'{"model": "htru2", "inputs": [[1, 2], [NaN, 1, 1, 1, 1, 1, 1, 1]]}'),
        request("/predict", b'{"model": "nobody", "inputs": [[1]]}'),
        request("/predict", b'{"model": "htru2", "inp'),
        request("/predict", b"[" * 5000),
        request("/predict", b"x" * 100_000, {"content-type": "text/plain"}),
        request("/nowhere", b"{}"),
    ]
    while True:
        kind = chance.random()
        if kind < 0.60:
            yield request("/predict", body(CANDIDATES, [chance.choice(rows)]))
        elif kind < 0.80:
            first = chance.randrange(len(rows) - 256)
            yield request("/predict", body(CANDIDATES, rows[first : first + 256]))
        elif kind < 0.86 and supply is not None:
            yield bodies(supply.bodies(1, chance.choice((1, 4, 64))))[0]
        elif kind < 0.90 and supply is not None:
            smiles = ["CCO", "CC[Na", "CCO.Cl", ""]
            yield request("/predict", msgspec.json.encode({"smiles": smiles}))
        elif kind < 0.95:
            yield chance.choice(fixed)
        else:
            yield chance.choice(wrong)


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()


class _Quitters:
    """Clients that hang up, in the middle of a body or before the answer: five a second."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        whole = request("/predict", body(CANDIDATES, candidates(256).tolist()))
        number = 0
        while not self._stop.wait(0.2):
            number += 1
            with socket.create_connection((HOST, self._port)) as one:
                one.sendall(whole[: 2000 if number % 2 else len(whole)])

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
