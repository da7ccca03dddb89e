"""One row of 2,048 numbers per request, as JSON, against the bare route."""

from tests.benchmarks.bundles import MADE, made_bundle
from tests.benchmarks.load import closed_loop, generator, request
from tests.benchmarks.report import Options, Skipped, Table, ratio, spread
from tests.benchmarks.server import service
from tests.benchmarks.single import bare_route, body

_INPUTS, _WIDTH, _LAYERS = 2048, 512, 8
_CONNECTIONS = 16
_ROWS = 128


def run(options: Options) -> list[Table]:
    """Load both with the same bodies in turn."""
    import numpy as np

    from models.bundle.manifest import FeaturizerEntry

    columns = [{"name": f"x{n}", "kind": "number", "optional": False} for n in range(_INPUTS)]
    entry = FeaturizerEntry(identifier=_tables(), parameters={"columns": columns})
    generated = np.random.default_rng(0)

    def rows(count: int) -> list[object]:
        return generated.standard_normal((count, _INPUTS)).round(6).tolist()

    made = made_bundle("wide", _INPUTS, _WIDTH, _LAYERS, entry, rows)
    sent = [request("/predict", body(MADE, [row])) for row in rows(_ROWS)]
    found: dict[str, list[float]] = {"bare route": [], "service": []}
    with bare_route(made) as bare, service(made.models) as served:
        for number in range(options.repetitions + 1):
            for name, server in zip(found, (bare, served), strict=True):
                seconds = options.seconds if number else 1.0
                load = closed_loop(server, sent, _CONNECTIONS, seconds)
                if load.errors:
                    raise RuntimeError(f"{name}: {load.errors} errors")
                if number:
                    found[name].append(load.rate)
    base = found["bare route"]
    table = [[name, spread(rates), f"{ratio(rates, base):.3f}"] for name, rates in found.items()]
    title = f"One row of {_INPUTS:,} numbers, {_LAYERS} × {_WIDTH} network, {_CONNECTIONS} connections"
    columns = ["", "requests per second", "of the bare route"]
    return [Table(title, columns, table, ["Target: ≥ 1.00.", generator()])]


def _tables() -> str:
    """The featurizer of plain numeric rows; ``Skipped`` where this build has none."""
    from models import features

    known = [name for name in features._BUILDERS if name.startswith("tables")]
    if not known:
        raise Skipped("this build has no featurizer for plain rows of numbers")
    return known[0]
