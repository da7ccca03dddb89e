"""256 rows per request, as JSON and as binary tensors, against onnxruntime's own rows per second."""

import json
from statistics import median

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks import direct
from tests.benchmarks.bundles import MADE, eight_by_256
from tests.benchmarks.load import closed_loop, generator, request
from tests.benchmarks.records import candidates
from tests.benchmarks.report import Options, Skipped, Table, ratio, spread
from tests.benchmarks.server import Server, service
from tests.benchmarks.single import bare_route, body

SIZE = 256
_CONNECTIONS = 4
_BLOCKS = 32

ALONE, WITH_STATISTICS = "onnxruntime, the network alone", "onnxruntime, the served graph"
BARE, BY_JSON, BINARY = "bare route, JSON", "service, JSON", "service, binary tensors"


def run(options: Options) -> list[Table]:
    """Everything on the server's core, in turn."""
    made = eight_by_256()
    blocks = candidates(SIZE * _BLOCKS).reshape(_BLOCKS, SIZE, 8)
    rows = np.ascontiguousarray(blocks[0], np.float32)
    plain, whole = made.plain.read_bytes(), (made.bundle / "model.onnx").read_bytes()
    as_json = [request("/predict", body(MADE, block.tolist())) for block in blocks]
    notes = ["Targets: ≥ .75 by JSON, ≥ .90 by binary tensors, of onnxruntime's own.", generator()]
    found: dict[str, list[float]] = {name: [] for name in (ALONE, WITH_STATISTICS, BARE, BY_JSON)}
    costs: dict[str, list[float]] = {name: [] for name in (*found, BINARY)}
    with (
        direct.worker() as worker,
        bare_route(made) as bare,
        service(made.models) as served,
    ):
        loads = {BARE: (bare, as_json), BY_JSON: (served, as_json)}
        try:
            loads[BINARY] = (served, [binary(served, MADE, block) for block in blocks])
            found[BINARY] = []
        except Skipped as reason:
            notes.append(str(reason))
        for number in range(options.repetitions + 1):
            seconds = options.seconds if number else 1.0
            measured = {
                ALONE: worker.do(direct.runs, plain, rows, seconds),
                WITH_STATISTICS: worker.do(direct.runs, whole, rows, seconds),
            }
            for name, (server, sent) in loads.items():
                load = closed_loop(server, sent, _CONNECTIONS, seconds)
                if load.errors:
                    raise RuntimeError(f"{name}: {load.errors} errors")
                measured[name] = load.rate, load.cost
            if number:
                for name, (rate, cost) in measured.items():
                    found[name].append(rate * SIZE)
                    costs[name].append(cost)
            options.say(f"blocks: {measured[BY_JSON][0]:.0f} of {measured[ALONE][0]:.0f} blocks/s")
    table = [
        [
            name,
            spread(rates),
            f"{ratio(rates, found[ALONE]):.3f}",
            f"{ratio(rates, found[WITH_STATISTICS]):.3f}",
            1e6 * median(costs[name]),
            f"{ratio(costs[ALONE], costs[name]):.3f}",
        ]
        for name, rates in found.items()
    ]
    columns = [
        "", "rows per second", "of the network alone", "of the served graph",
        "processor time per request, µs", "the network alone's, of it",
    ]  # fmt: skip
    title = f"{SIZE} rows of 8 per request, 8 × 256 network, {_CONNECTIONS} connections"
    return [Table(title, columns, table, notes)]


def binary(server: Server, model: str, block: NDArray[np.float64]) -> bytes:
    """A whole request of the Open Inference Protocol with binary tensors in and out."""
    status, answer = server.get(f"/v2/models/{model}")
    if status != 200:
        raise Skipped(f"Without binary tensors: /v2/models/{model} answers {status}.")
    content = np.ascontiguousarray(block, "<f4").tobytes()
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": json.loads(answer)["inputs"][0]["name"],
                    "datatype": "FP32",
                    "shape": list(block.shape),
                    "parameters": {"binary_data_size": len(content)},
                }
            ],
            "outputs": [{"name": "probability", "parameters": {"binary_data": True}}],
        }
    ).encode()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
    }
    return request(f"/v2/models/{model}/infer", head + content, headers)
