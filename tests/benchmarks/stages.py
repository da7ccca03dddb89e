"""Where the microseconds of a request go: by the service's own log, and the clock of its client."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks import client
from tests.benchmarks.bundles import MADE, MOLECULES, champion, eight_by_256
from tests.benchmarks.load import request
from tests.benchmarks.records import Molecules, candidates, source_of_molecules
from tests.benchmarks.report import Options, Skipped, Table
from tests.benchmarks.server import service
from tests.benchmarks.single import body

_STAGES = ("read", "featurize", "queue", "infer", "encode")
_REQUESTS = 400


def run(options: Options) -> list[Table]:
    """One connection, one request after the other; medians of each stage."""
    made = eight_by_256()
    lone = [request("/predict", body(MADE, [row])) for row in candidates(_REQUESTS).tolist()]
    blocks = candidates(256 * 32).reshape(32, 256, 8)
    block = [request("/predict", body(MADE, rows.tolist())) for rows in blocks]
    columns = {"1 row": _measured(made.models, lone), "256 rows": _measured(made.models, block)}
    crowd = [lone[number % len(lone)] for number in range(20 * _REQUESTS)]
    columns["1 row, in a crowd of 32"] = _measured(made.models, crowd, connections=32)
    notes = [
        "Medians, µs; 8 × 256 network with 8 inputs, by JSON; molecules by the committed tox21. The rest"
        " is parsing the head, the event loop, the socket, the kernel and the client. In a crowd a"
        " request waits for its batch, whose time counts for each that shares it.",
    ]
    try:
        champion(options, MOLECULES)
        lists = Molecules().bodies(60, 16)
        sent = [request("/predict", msgspec.json.encode({"smiles": smiles})) for smiles in lists]
        columns["16 molecules"] = _measured(options.models, sent)
        notes.append(source_of_molecules())
    except Skipped as reason:
        notes.append(f"Without molecules: {reason}.")
    rows = [
        [stage, *(found[stage] for found in columns.values())] for stage in (*_STAGES, "rest", "all")
    ]
    return [Table("Where a request's time goes", ["stage, µs", *columns], rows, notes)]


def _measured(models: Path, sent: Sequence[bytes], connections: int = 1) -> dict[str, float]:
    """Medians in microseconds of each stage, of all, and of what no stage has."""
    with tempfile.NamedTemporaryFile(prefix="snn-log-") as log:
        with service(models, log=Path(log.name)) as server:
            client.closed_loop(server.port, sent[: max(8, len(sent) // 8)], connections)  # warms up
            samples, _ = client.closed_loop(server.port, sent, connections)
            client.require_answers(samples)
        lines = [json.loads(line) for line in Path(log.name).read_text().splitlines()]
    requests = [line for line in lines if line.get("route") == "/predict"][-len(sent) :]
    found = {stage: 1e6 * median(line[stage] for line in requests) for stage in _STAGES}
    found["all"] = 1e6 * median(sample.seconds for sample in samples)
    found["rest"] = found["all"] - sum(found[stage] for stage in _STAGES)
    return found
