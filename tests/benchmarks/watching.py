"""What taps and the monitor cost: the service against itself without them, end to end."""

import msgspec

from tests.benchmarks.blocks import binary
from tests.benchmarks.bundles import CANDIDATES, MADE, MOLECULES, champion, eight_by_256
from tests.benchmarks.load import closed_loop, generator, request
from tests.benchmarks.records import Molecules, candidates
from tests.benchmarks.report import Options, Skipped, Table, ratio, spread
from tests.benchmarks.server import service
from tests.benchmarks.single import body

_MOLECULES = 64


def run(options: Options) -> list[Table]:
    """Load both with the same requests in turn."""
    made = eight_by_256()
    rows = candidates(256 * 16).reshape(16, 256, 8)
    notes = [
        "Off: the same service serving the same graph with everything cut off that only the layer"
        " statistics need, and without the monitor (tests/benchmarks/unwatched.py). Target: ≤ 5 %.",
        generator(),
    ]
    results = []
    with (
        service(made.models) as made_on,
        service(made.models, module="tests.benchmarks.unwatched") as made_off,
        service(options.models) as real_on,
        service(options.models, module="tests.benchmarks.unwatched") as real_off,
    ):
        made_pair, real_pair = (made_on, made_off), (real_on, real_off)
        singles = [[row] for row in rows[:, 0].tolist()]
        loads = {
            "one row, 8 × 256 network, 32 connections": (
                made_pair, [request("/predict", body(MADE, one)) for one in singles], 32,
            ),
            "one row, committed htru2, 32 connections": (
                real_pair, [request("/predict", body(CANDIDATES, one)) for one in singles], 32,
            ),
            "256 rows by JSON, 8 × 256 network": (
                made_pair, [request("/predict", body(MADE, block.tolist())) for block in rows], 4,
            ),
        }  # fmt: skip
        try:
            sent = [binary(made_on, MADE, block) for block in rows]
            loads["256 rows by binary tensors, 8 × 256 network"] = (made_pair, sent, 4)
        except Skipped as reason:
            notes.append(str(reason))
        try:
            champion(options, MOLECULES)
            lists = Molecules().bodies(_MOLECULES, 16)
            sent = [request("/predict", msgspec.json.encode({"smiles": one})) for one in lists]
            loads["16 molecules, committed tox21"] = (real_pair, sent, 4)
        except Skipped as reason:
            notes.append(f"Without molecules: {reason}.")
        for name, (servers, sent, connections) in loads.items():
            rates: tuple[list[float], list[float]] = ([], [])
            for number in range(options.repetitions + 1):
                for which in (0, 1) if number % 2 else (1, 0):
                    seconds = options.seconds if number else 1.0
                    load = closed_loop(servers[which], sent, connections, seconds)
                    if load.errors:
                        raise RuntimeError(f"{name}: {load.errors} errors")
                    if number:
                        rates[which].append(load.rate)
            cost = 1 - ratio(*rates)
            results.append([name, spread(rates[0]), spread(rates[1]), f"{cost:.1%}"])
            options.say(f"watching: {name}: {cost:.1%}")
    columns = ["", "requests per second, on", "off", "cost"]
    return [Table("Taps and monitor", columns, results, notes)]
