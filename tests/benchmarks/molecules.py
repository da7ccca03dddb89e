"""Requests of 256 molecules, against featurizing and inference without a server around them."""

import msgspec

from tests.benchmarks import client, direct
from tests.benchmarks.bundles import MOLECULES, champion
from tests.benchmarks.load import request
from tests.benchmarks.records import Molecules, source_of_molecules
from tests.benchmarks.report import Options, Table, ratio, spread
from tests.benchmarks.server import service

SIZE = 256
_REQUESTS = 8
_CONNECTIONS = 4


def run(options: Options) -> list[Table]:
    """Both do the same molecules in turn, on the same core; the server has never seen them."""
    bundle = champion(options, MOLECULES)
    supply = Molecules()
    served: list[float] = []
    alone: list[float] = []
    with direct.worker() as worker, service(options.models) as server:
        warm = bodies(supply.bodies(2, SIZE))
        client.closed_loop(server.port, warm, 2)
        worker.do(direct.predict_seconds, bundle, supply.bodies(1, SIZE))
        for number in range(options.repetitions):
            lists = supply.bodies(_REQUESTS, SIZE)
            count = sum(map(len, lists))
            order = ("served", "alone") if number % 2 else ("alone", "served")
            for which in order:  # whichever is first finds the processor cooler
                if which == "alone":
                    alone.append(count / worker.do(direct.predict_seconds, bundle, lists))
                else:
                    samples, elapsed = client.closed_loop(server.port, bodies(lists), _CONNECTIONS)
                    client.require_answers(samples)
                    served.append(count / elapsed)
            options.say(f"molecules: {served[-1]:.0f} of {alone[-1]:.0f} molecules/s")
    rows = [
        ["featurizing and inference alone", spread(alone), "1", ""],
        ["POST /predict", spread(served), f"{ratio(served, alone):.3f}", "≥ .90"],
    ]
    title = f"Requests of {SIZE} molecules, {_CONNECTIONS} connections"
    columns = ["", "molecules per second", "ratio", "target"]
    return [Table(title, columns, rows, [source_of_molecules()])]


def bodies(lists: list[list[str]]) -> list[bytes]:
    """Whole requests for these lists of SMILES."""
    return [request("/predict", msgspec.json.encode({"smiles": smiles})) for smiles in lists]
