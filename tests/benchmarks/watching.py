"""What watching costs, end to end: the service by ``SNN_WATCH``, in processor time for each request."""

from contextlib import ExitStack

import msgspec

from tests.benchmarks.blocks import binary
from tests.benchmarks.bundles import CANDIDATES, MADE, MOLECULES, champion, eight_by_256
from tests.benchmarks.load import closed_loop, generator, request
from tests.benchmarks.records import Molecules, candidates
from tests.benchmarks.report import Options, Skipped, Table, ratio, spread
from tests.benchmarks.server import service
from tests.benchmarks.single import body

_MOLECULES = 64
_MODES = ("full", "sampled", "off")


def run(options: Options) -> list[Table]:
    """Load the three with the same requests in turn."""
    made = eight_by_256()
    rows = candidates(256 * 16).reshape(16, 256, 8)
    notes = [
        "Cost: processor time of the server for each request beyond that with `SNN_WATCH=off`, as a"
        " share of the former. Target: ≤ 10 %, goal ≤ 5 %. `sampled` watches 512 rows a"
        " second whole, and the first 4,096 of a burst.",
        generator(),
    ]
    results = []
    with ExitStack() as stack:
        made_on, real_on = (
            {mode: stack.enter_context(service(models, watch=mode)) for mode in _MODES}
            for models in (made.models, options.models)
        )
        singles = [[row] for row in rows[:, 0].tolist()]
        by_json = [request("/predict", body(CANDIDATES, one)) for one in singles]
        loads = {
            "one row, 8 × 256 network, 32 connections": (
                made_on, [request("/predict", body(MADE, one)) for one in singles], 32,
            ),
            "one row, committed htru2, 1 connection": (real_on, by_json, 1),
            "one row, committed htru2, 32 connections": (real_on, by_json, 32),
            "256 rows by JSON, committed htru2": (
                real_on, [request("/predict", body(CANDIDATES, block.tolist())) for block in rows], 4,
            ),
        }  # fmt: skip
        try:
            sent = [binary(made_on["full"], MADE, block) for block in rows]
            loads["256 rows by binary tensors, 8 × 256 network"] = (made_on, sent, 4)
        except Skipped as reason:
            notes.append(str(reason))
        try:
            champion(options, MOLECULES)
            lists = Molecules().bodies(_MOLECULES, 16)
            sent = [request("/predict", msgspec.json.encode({"smiles": one})) for one in lists]
            loads["16 molecules, committed tox21"] = (real_on, sent, 4)
        except Skipped as reason:
            notes.append(f"Without molecules: {reason}.")
        for name, (servers, sent, connections) in loads.items():
            spent: dict[str, list[float]] = {mode: [] for mode in _MODES}
            for number in range(options.repetitions + 1):
                for mode in _MODES if number % 2 else _MODES[::-1]:
                    seconds = options.seconds if number else 1.0
                    load = closed_loop(servers[mode], sent, connections, seconds)
                    if load.errors:
                        raise RuntimeError(f"{name}: {load.errors} errors")
                    if number:
                        spent[mode].append(1e6 * load.cost)
            costs = [f"{1 - ratio(spent['off'], spent[mode]):.1%}" for mode in _MODES[:2]]
            results.append([name, *(spread(spent[mode]) for mode in _MODES), *costs])
            options.say(f"watching: {name}: {', '.join(costs)}")
    columns = ["", "µs of processor, full", "sampled", "off", "cost, full", "cost, sampled"]
    return [Table("Taps and monitor", columns, results, notes)]
