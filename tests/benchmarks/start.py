"""How long a start takes, and how much memory a server has then and after load."""

from tests.benchmarks import client, processes
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.load import request
from tests.benchmarks.records import Molecules, candidates
from tests.benchmarks.report import Options, Skipped, Table, spread
from tests.benchmarks.server import Server, service

_MOLECULE_REQUESTS, _CANDIDATE_REQUESTS = 16, 200


def run(options: Options) -> list[Table]:
    """Start the service with everything that is committed, load it, and look at its memory."""
    served = [CANDIDATES]
    champion(options, CANDIDATES)
    notes = ["From the start of the process to the first 200 of /health/ready; one start before it."]
    try:
        champion(options, MOLECULES)
        served.append(MOLECULES)
    except Skipped as reason:
        notes.append(f"Without {MOLECULES}: {reason}")
    with service(options.models, device="auto"):
        pass  # the first start reads the files from the disk
    ready, before, after = [], [], []
    for _ in range(options.repetitions):
        with service(options.models, device="auto") as server:
            ready.append(server.ready_seconds)
            before.append(processes.memory(server.process.pid))
            _load(server, served)
            after.append(processes.memory(server.process.pid))
        options.say(f"start: {ready[-1]:.2f} s, {after[-1].resident:.0f} MiB")
    notes.append(
        f"Load: {_CANDIDATE_REQUESTS} requests of 256 candidates, and {_MOLECULE_REQUESTS} of 256"
        " molecules where that model is served. RSS counts pages shared by processes once for each."
    )
    rows: list[list[str]] = [
        ["ready after start, s", spread(ready), "≤ 3"],
        ["resident when ready, MiB", spread([one.resident for one in before]), "≤ 450"],
        ["resident after load, MiB", spread([one.resident for one in after]), "≤ 450"],
        ["proportional (PSS) when ready, MiB", spread([one.proportional for one in before]), ""],
        ["proportional (PSS) after load, MiB", spread([one.proportional for one in after]), ""],
    ]
    title = f"Start and memory, serving {' and '.join(served)}"
    return [Table(title, ["", "median (range)", "target"], rows, notes)]


def _load(server: Server, served: list[str]) -> None:
    import msgspec

    block = candidates(256).tolist()
    body = msgspec.json.encode({"model": CANDIDATES, "inputs": block})
    bodies = [request("/predict", body)] * _CANDIDATE_REQUESTS
    if MOLECULES in served:
        bodies += [
            request("/predict", msgspec.json.encode({"smiles": smiles}))
            for smiles in Molecules().bodies(_MOLECULE_REQUESTS, 256)
        ]
    samples, _ = client.closed_loop(server.port, bodies, 8)
    client.require_answers(samples)
