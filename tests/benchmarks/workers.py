"""Two workers on two cores against one on one, with requests of 256 molecules."""

from statistics import median
from time import process_time

from service.settings import Settings
from tests.benchmarks import client, cores, processes
from tests.benchmarks.bundles import MOLECULES, champion
from tests.benchmarks.molecules import SIZE, bodies
from tests.benchmarks.records import Molecules, source_of_molecules
from tests.benchmarks.report import Options, Skipped, Table, ratio, spread
from tests.benchmarks.server import service

_REQUESTS = 16
_CONNECTIONS = 8


def run(options: Options) -> list[Table]:
    """The load needs next to nothing of a core here, and shares one with a worker."""
    if "workers" not in Settings.model_fields:
        raise Skipped("this service has no setting SNN_WORKERS")
    if len(cores.ALL) < 2:
        raise Skipped("this machine has one core")
    champion(options, MOLECULES)
    both = frozenset(sorted(cores.ALL)[-2:])
    supply = Molecules()
    rates: dict[str, list[float]] = {"1 worker, 1 core": [], "2 workers, 2 cores": []}
    costs: dict[str, list[float]] = {name: [] for name in rates}
    load: list[float] = []
    with (
        service(options.models, workers=1) as one,
        service(options.models, workers=2, on=both) as two,
    ):
        servers = dict(zip(rates, (one, two), strict=True))
        for server in servers.values():
            client.closed_loop(server.port, bodies(supply.bodies(4, SIZE)), 4)
        for _ in range(options.repetitions):
            lists = supply.bodies(_REQUESTS, SIZE)
            for name, server in servers.items():
                spent, own = processes.seconds(server.process.pid), process_time()
                samples, elapsed = client.closed_loop(server.port, bodies(lists), _CONNECTIONS)
                client.require_answers(samples)
                rates[name].append(_REQUESTS * SIZE / elapsed)
                spent = processes.seconds(server.process.pid) - spent
                costs[name].append(1e3 * spent / (_REQUESTS * SIZE))
                load.append((process_time() - own) / elapsed)
            options.say("workers: " + ", ".join(f"{found[-1]:.0f}" for found in rates.values()))
    base = rates["1 worker, 1 core"]
    rows = [
        [name, spread(found), f"{ratio(found, base):.2f}", spread(costs[name])]
        for name, found in rates.items()
    ]
    title = f"Workers, requests of {SIZE} molecules, {_CONNECTIONS} connections"
    notes = [
        f"Target: ≥ 1.7. The load took {median(load):.1%} of a core; what a molecule costs tells how"
        " much of a missing part is the workers' own doing, and how much the machine's.",
        source_of_molecules(),
    ]
    columns = ["", "molecules per second", "ratio", "processor time per molecule, ms"]
    return [Table(title, columns, rows, notes)]
