"""32 streams of single rows by gRPC: against our own HTTP, and against KServe's gRPC server."""

import json
from collections.abc import Iterator

from tests.benchmarks import peers, processes
from tests.benchmarks.bundles import CANDIDATES, MADE, eight_by_256, readable
from tests.benchmarks.grpc_load import closed_loop as grpc_loop
from tests.benchmarks.load import closed_loop, generator, request
from tests.benchmarks.records import candidates
from tests.benchmarks.report import Options, Skipped, Table
from tests.benchmarks.server import free_port, service
from tests.benchmarks.single import body
from tests.benchmarks.turns import costs, in_turn, line, memory, rates

_STREAMS = 32


def run(options: Options) -> list[Table]:
    """Load two servers, or two ways into one, in turn."""
    results = list(_own_http(options))
    notes = [f"{_STREAMS} streams over one connection, by grpcio. HTTP: {generator()}"]
    try:
        results += _kserve(options)
    except Skipped as reason:
        notes.append(f"Without KServe's: {reason}")
    columns = ["", "gRPC", "the other", "ratio", "target"]
    return [Table("Single rows by gRPC", columns, results, notes)]


def _own_http(options: Options) -> Iterator[list[str]]:
    """32 streams of single rows by gRPC against the same over HTTP, of the same server."""
    port, rows = free_port(), readable(options)
    v2 = [
        request(
            f"/v2/models/{CANDIDATES}/infer",
            json.dumps(
                {
                    "inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 8], "data": row}],
                    "outputs": [{"name": "probability"}],
                }
            ).encode(),
        )
        for row in rows
    ]
    plain = [request("/predict", body(CANDIDATES, [row])) for row in rows]
    with service(options.models) as without:
        resident = processes.memory(without.process.pid).resident
    with service(options.models, grpc_port=port) as server:
        more = processes.memory(server.process.pid).resident
        for name, sent in (("/v2 of HTTP", v2), ("/predict of HTTP", plain)):
            loads = in_turn(
                options,
                lambda seconds: grpc_loop(server, port, CANDIDATES, rows, _STREAMS, seconds),
                lambda seconds, sent=sent: closed_loop(server, sent, _STREAMS, seconds),
            )
            yield line(f"gRPC against {name}, requests/s", rates(loads), "≥ 1")
            yield line(f"gRPC against {name}, µs of processor a request", costs(loads), "≤ 1")
    yield memory("gRPC", more, resident)
    options.say("grpc: own HTTP")


def _kserve(options: Options) -> Iterator[list[str]]:
    """The same 8 × 256 network behind both; KServe's as its documentation starts it."""
    made, ports = eight_by_256(), (free_port(), free_port())
    rows = candidates(256).tolist()
    other = peers.kserve_with_grpc(ports[1])
    with (
        service(made.models, grpc_port=ports[0]) as own,
        peers.started(other, made, options) as kserve,
    ):
        loads = in_turn(
            options,
            lambda seconds: grpc_loop(own, ports[0], MADE, rows, _STREAMS, seconds),
            lambda seconds: grpc_loop(kserve, ports[1], "net", rows, _STREAMS, seconds),
        )
    yield line("gRPC against KServe's gRPC server, requests/s", rates(loads), "≥ 2")
    yield line("gRPC against KServe's gRPC server, µs of processor a request", costs(loads), "≤ .5")
    options.say("grpc: KServe's")
