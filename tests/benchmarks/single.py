"""One row per request, as JSON, against the bare route."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import msgspec
import numpy as np

from models.networks.outputs import INPUT
from tests.benchmarks import cores, direct
from tests.benchmarks.bundles import CANDIDATES, MADE, Made, eight_by_256
from tests.benchmarks.load import Load, closed_loop, generator, request
from tests.benchmarks.records import candidates
from tests.benchmarks.report import Options, Table, ratio, spread
from tests.benchmarks.server import Server, free_port, process, service

CONNECTIONS = (1, 32, 128)
#: Different rows, so that nothing answers from memory.
_ROWS = 512

BARE, SERVED, COMMITTED = "bare route", "service", "service, committed htru2"
CEILING = "uvicorn, a constant answer"


def run(options: Options) -> list[Table]:
    """Load both with the same bodies in turn, at each number of connections."""
    made = eight_by_256()
    rows = candidates(_ROWS).tolist()
    bodies = [request("/predict", body(MADE, [row])) for row in rows]
    committed = [request("/predict", body(CANDIDATES, [row])) for row in rows]
    results: dict[int, dict[str, list[Load]]] = {}
    with (
        bare_route(made) as bare,
        service(made.models) as served,
        service(options.models) as real,
        hello() as constant,
    ):
        check(bare, served, made)
        loads = {
            CEILING: (constant, bodies),
            BARE: (bare, bodies),
            SERVED: (served, bodies),
            COMMITTED: (real, committed),
        }
        for connections in CONNECTIONS:
            found: dict[str, list[Load]] = {name: [] for name in loads}
            for number in range(options.repetitions + 1):
                for name, (server, sent) in loads.items():
                    seconds = options.seconds if number else 1.0  # the first round warms up
                    load = closed_loop(server, sent, connections, seconds)
                    if number:
                        found[name].append(load)
                    if load.errors:
                        raise RuntimeError(f"{name}, {connections} connections: {load.errors} errors")
            results[connections] = found
            options.say(f"single: {connections} connections done")
    return [_table(results)]


def _table(results: dict[int, dict[str, list[Load]]]) -> Table:
    rows = []
    for connections, found in results.items():
        for name, loads in found.items():
            p50, p99 = (median(getattr(load, key) for load in loads) for key in ("p50", "p99"))
            bare = median(load.p50 for load in found[BARE])
            rates = [load.rate for load in loads]
            rows.append(
                [
                    connections,
                    name,
                    spread(rates),
                    f"{ratio(rates, [load.rate for load in found[BARE]]):.3f}",
                    1e6 * median(load.cost for load in loads),
                    1e6 * p50,
                    1e6 * (p50 - bare),
                    1e6 * p99,
                    f"{p99 / p50:.2f}",
                    1e3 * max(load.worst for load in loads),
                ]
            )
    columns = [
        "connections", "", "requests per second", "of the bare route", "processor time, µs", "p50, µs",
        "p50 over the bare route's, µs", "p99, µs", "p99 / p50", "worst, ms",
    ]  # fmt: skip
    notes = [
        "8 × 256 network, 8 inputs. Targets: at 32 connections ≥ 1.00 of the bare route; at 1, p50"
        " within 150 µs of it; at 128, p99 ≤ 2 × p50.",
        "The bare route computes the network alone, row by row; the service computes its exported"
        " graph, with squashing and layer statistics.",
        generator(),
    ]
    return Table("Single rows by JSON", columns, rows, notes)


def body(model: str, rows: list[list[float]]) -> bytes:
    """The body that both the service and the bare route are sent."""
    return msgspec.json.encode({"model": model, "inputs": rows})


@contextmanager
def bare_route(made: Made) -> Iterator[Server]:
    """Run the bare route over a made network, on the server's core."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.bare", str(made.plain), str(port)]
    with process(command, port, "/health/ready", cores.SERVER) as server:
        yield server


@contextmanager
def hello() -> Iterator[Server]:
    """Run uvicorn with an answer that never changes, on the server's core: the ceiling of HTTP."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.bare", str(port)]
    with process(command, port, "/health/ready", cores.SERVER) as server:
        yield server


def check(bare: Server, served: Server, made: Made) -> None:
    """See that both compute what onnxruntime computes of their graphs."""
    rows = candidates(16)
    sent = body(MADE, rows.tolist())
    features = rows.astype(np.float32)
    shown = [
        result["probability"]["target"]
        for result in msgspec.json.decode(served.post("/predict", sent)[1])["results"]
    ]
    expected = direct.opened(made.bundle)[1].run(["probability"], {INPUT: features})[0][:, 0]
    np.testing.assert_allclose(shown, expected, atol=1e-5)
    shown = msgspec.json.decode(bare.post("/predict", sent)[1])["probability"]
    expected = direct.session(made.plain.read_bytes()).run(None, {INPUT: features})[0]
    np.testing.assert_allclose(shown, expected, atol=1e-5)
