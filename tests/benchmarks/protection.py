"""Single candidates while a request of 10,000 molecules runs: how free the event loop is kept."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle

from tests.benchmarks import client, cores
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.client import Sample, percentile
from tests.benchmarks.load import request
from tests.benchmarks.molecules import bodies
from tests.benchmarks.records import Molecules, candidates, source_of_molecules
from tests.benchmarks.report import Options, Table
from tests.benchmarks.server import service
from tests.benchmarks.single import body

_MOLECULES = 10_000
_PER_SECOND = 100


def run(options: Options) -> list[Table]:
    """A hundred single candidates a second, alone and beside the large request."""
    champion(options, MOLECULES)
    supply = Molecules()
    single = cycle(request("/predict", body(CANDIDATES, [row])) for row in candidates(256).tolist())
    beside: list[Sample] = []
    took = []
    context = multiprocessing.get_context("spawn")
    with (
        service(options.models) as server,
        ProcessPoolExecutor(1, context, cores.pin, (cores.LOAD,)) as other,
    ):
        client.open_loop(server.port, single, _PER_SECOND, 1.0)
        alone = client.open_loop(server.port, single, _PER_SECOND, 2 * options.seconds)
        for _ in range(min(options.repetitions, 3)):
            large = bodies(supply.bodies(1, _MOLECULES))
            running = other.submit(client.closed_loop, server.port, large, 1)
            while not running.done():
                beside += client.open_loop(server.port, single, _PER_SECOND, 1.0)
            samples, elapsed = running.result()
            client.require_answers(samples)
            took.append(elapsed)
            options.say(f"protection: {_MOLECULES} molecules in {elapsed:.1f} s")
    client.require_answers(alone + beside)
    rows = [_row("alone", alone), _row(f"beside {_MOLECULES:,} molecules", beside)]
    notes = [
        f"Target: p99 ≤ 25 ms. The large request took {min(took):.1f}–{max(took):.1f} s.",
        source_of_molecules(),
    ]
    columns = ["", "requests", "p50, ms", "p99, ms", "worst, ms"]
    return [Table("Single candidates beside a large request", columns, rows, notes)]


def _row(name: str, samples: list[Sample]) -> list[str | float | int]:
    latencies = [1e3 * sample.seconds for sample in samples]
    p50, p99 = percentile(latencies, 50), percentile(latencies, 99)
    return [name, len(latencies), p50, p99, max(latencies)]
