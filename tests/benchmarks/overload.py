"""Three times as many requests of 256 molecules as can be answered, for a minute, come what may."""

import threading
from collections import Counter
from itertools import chain
from time import perf_counter

from service.settings import Settings
from tests.benchmarks import client, processes
from tests.benchmarks.bundles import MOLECULES, champion
from tests.benchmarks.client import Sample, percentile
from tests.benchmarks.molecules import SIZE, bodies
from tests.benchmarks.records import Molecules, source_of_molecules
from tests.benchmarks.report import Options, Table
from tests.benchmarks.server import service

_FACTOR = 3
_SECONDS = 60
_CAPACITY_SECONDS = 10


def run(options: Options) -> list[Table]:
    """Measure the capacity by a closed loop, then send three times that, open loop."""
    champion(options, MOLECULES)
    supply = Molecules()
    seconds = _SECONDS * min(1.0, options.seconds / 5)  # --seconds 1 for a quick look
    with service(options.models) as server:
        client.closed_loop(server.port, bodies(supply.bodies(4, SIZE)), 4)
        ready = (bodies(supply.bodies(1, SIZE))[0] for _ in iter(int, 1))
        samples, elapsed = _timed(server.port, [next(ready) for _ in range(16)])
        rounds = max(1, round(_CAPACITY_SECONDS / elapsed))
        samples, elapsed = _timed(server.port, [next(ready) for _ in range(16 * rounds)])
        capacity = len(samples) / elapsed
        options.say(f"overload: capacity {capacity * SIZE:.0f} molecules/s")
        rate = _FACTOR * capacity
        sent = chain(bodies(supply.bodies(round(rate * seconds) + 1, SIZE)))
        memory = _Watch(server.process.pid)
        started = perf_counter()
        with memory:
            samples = client.open_loop(server.port, sent, rate, seconds)
        status, _ = server.get("/health/ready")
    return [_table(samples, started, seconds, capacity, memory, status)]


def _timed(port: int, requests: list[bytes]) -> tuple[list[Sample], float]:
    samples, elapsed = client.closed_loop(port, requests, 8)
    client.require_answers(samples)
    return samples, elapsed


class _Watch:
    """Looks at a server's memory once a second."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: list[float] = []

    def _look(self) -> None:
        while not self._stop.wait(1.0):
            self.seen.append(processes.memory(self._number).resident)

    def __enter__(self) -> None:
        self.seen.append(processes.memory(self._number).resident)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _table(
    samples: list[Sample], started: float, seconds: float, capacity: float, memory: _Watch, ready: int
) -> Table:
    good = [one for one in samples if one.status == 200]
    turned_away = [one.seconds for one in samples if one.status == 429]
    other = Counter(one.status for one in samples if one.status not in (200, 429))
    ends = started + seconds
    done = [one.due + one.seconds for one in good]
    # What waits at the end is answered afterwards, and what is answered then is no loss: the first
    # figure counts what was finished within the minute, the second what was once queues had filled.
    goodput = sum(moment <= ends for moment in done) / seconds
    steady = sum(started + seconds / 2 < moment <= ends for moment in done) / (seconds / 2)
    took = [one.seconds for one in good]
    deadline = _deadline()
    late = "–" if deadline is None else sum(one > deadline for one in took)
    half = len(memory.seen) // 2
    rows = [
        ["capacity, requests per second", capacity, ""],
        ["sent, requests per second", len(samples) / seconds, f"{_FACTOR} × capacity"],
        ["goodput, requests per second", goodput, ""],
        ["goodput / capacity", goodput / capacity, "≥ .90"],
        ["the same in the second half", steady / capacity, "≥ .90"],
        ["answers 200", len(good), ""],
        ["answers 429", len(turned_away), ""],
        ["any other", str(dict(other)) if other else 0, "0"],
        ["200: p50, s", percentile(took, 50), ""],
        ["200: slowest, s", max(took, default=0.0), f"≤ {deadline} s" if deadline else ""],
        ["200 after the deadline", late, "0"],
        ["429: p50, ms", 1e3 * percentile(turned_away, 50), ""],
        ["429: p99, ms", 1e3 * percentile(turned_away, 99), "≤ 50"],
        ["429 with Retry-After", sum(one.retry_after is not None for one in samples), "all"],
        ["memory before, MiB", memory.seen[0], ""],
        ["memory, most in the first half, MiB", max(memory.seen[: half + 1]), ""],
        ["memory, most in the second half, MiB", max(memory.seen[half:]), "flat"],
        ["/health/ready afterwards", ready, "200"],
    ]
    title = f"Open loop at {_FACTOR} × capacity for {seconds:.0f} s, requests of {SIZE} molecules"
    return Table(title, ["", "", "target"], rows, [source_of_molecules()])


def _deadline() -> float | None:
    """The default deadline in seconds, where the service has such a setting."""
    for name, setting in Settings.model_fields.items():
        if "deadline" in name:
            return float(setting.default)
    return None
