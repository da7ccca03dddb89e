"""What traces and a shadow cost, and the service with all of them off against another checkout.

``--folder CHECKOUT`` names the other one, such as a worktree of an earlier commit; it serves the same
models. Servers are loaded in turn.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from statistics import median
from threading import Thread
from time import sleep

from models.registry.serving_state import Challenger
from models.registry.store import Repository
from tests.benchmarks import client, processes
from tests.benchmarks.bundles import CANDIDATES, readable
from tests.benchmarks.load import closed_loop, generator, request
from tests.benchmarks.report import Options, Table
from tests.benchmarks.server import ROOT, Server, service
from tests.benchmarks.single import body
from tests.benchmarks.turns import Loads, costs, in_turn, line, memory, rates

_CONNECTIONS = 32
#: Requests a second of the steady load, well below what a core answers.
_STEADY = 300.0


def run(options: Options) -> list[Table]:
    """Measure each extra against the service without it."""
    rows = readable(options)
    bodies = [request("/predict", body(CANDIDATES, [row])) for row in rows]
    results = [*_traces(options, bodies), *_shadow(options, bodies)]
    if options.folder is not None:
        results += _before(options, bodies, options.folder.resolve())
    columns = ["", "with it", "without", "ratio", "target"]
    return [Table("Extras, single candidates of the committed model", columns, results, [generator()])]


def _traces(options: Options, bodies: list[bytes]) -> Iterator[list[str]]:
    """OpenTelemetry at 1 % of the requests, to a collector that takes everything."""
    with _collector() as address, service(options.models) as off:
        sampled = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.01",
        }
        with service(options.models, environment=sampled) as on:
            loads = in_turn(
                options,
                lambda seconds: closed_loop(on, bodies, _CONNECTIONS, seconds),
                lambda seconds: closed_loop(off, bodies, _CONNECTIONS, seconds),
            )
    yield line("OpenTelemetry at 1 %, requests/s", rates(loads), "≥ .95")
    yield line("OpenTelemetry at 1 %, µs of processor a request", costs(loads), "")
    options.say("extras: traces")


def _shadow(options: Options, bodies: list[bytes]) -> Iterator[list[str]]:
    """A challenger in the shadow: the champion's latency at a steady rate, and its rate at full load."""
    with tempfile.TemporaryDirectory(prefix="snn-trial-") as folder:
        alone, tried = Path(folder) / "alone", Path(folder) / "tried"
        for models in (alone, tried):
            shutil.copytree(options.models / CANDIDATES, models / CANDIDATES)
        repository = Repository(tried)
        version = repository.serving(CANDIDATES).champion
        challenger = tried / CANDIDATES / str(version + 1)
        shutil.copytree(tried / CANDIDATES / str(version), challenger)
        manifest = challenger / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": version + 1}))
        repository.challenge(CANDIDATES, Challenger(version + 1))
        with service(alone) as off:
            resident = processes.memory(off.process.pid).resident
            with service(tried) as on:
                _trial(on)
                more = processes.memory(on.process.pid).resident
                steady = _latencies(options, bodies, on, off)
                yield line(f"shadow, p99 at {_STEADY:.0f}/s, ms", steady, "≤ 1.10")
                kept = _trial(on)
                loads = in_turn(
                    options,
                    lambda seconds: closed_loop(on, bodies, _CONNECTIONS, seconds),
                    lambda seconds: closed_loop(off, bodies, _CONNECTIONS, seconds),
                )
                yield line("shadow, p99 at full load, ms", _p99(loads), "")
                yield line("shadow, requests/s at full load", rates(loads), "")
                told = _trial(on)
        yield [
            f"rows that the shadow computed, and shed, at {_STEADY:.0f}/s",
            f"{kept['rows']}", f"{kept['shed']}", "", "shed 0",
        ]  # fmt: skip
        yield ["the same after full load", f"{told['rows']}", f"{told['shed']}", "", "shed first"]
        yield memory("a trial", more, resident)
    options.say("extras: shadow")


def _latencies(
    options: Options, bodies: list[bytes], on: Server, off: Server
) -> tuple[list[float], list[float]]:
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(options.repetitions):
        for which in (0, 1) if number % 2 else (1, 0):
            port = (on, off)[which].port
            samples = client.open_loop(port, cycle(bodies), _STEADY, options.seconds)
            client.require_answers(samples)
            seconds = [sample.seconds for sample in samples]
            found[which].append(1000 * client.percentile(seconds, 99))
    return found


def _p99(loads: Loads) -> tuple[list[float], list[float]]:
    return [1000 * load.p99 for load in loads[0]], [1000 * load.p99 for load in loads[1]]


def _trial(server: Server) -> dict[str, int]:
    """What is told of the trial, once it runs."""
    for _ in range(600):
        _, content = server.get(f"/health/trials/{CANDIDATES}")
        told: dict[str, int] = json.loads(content)
        if told["challenger"]:
            return told
        sleep(0.05)
    raise RuntimeError("the trial did not begin")


def _before(options: Options, bodies: list[bytes], checkout: Path) -> Iterator[list[str]]:
    """The service with all extras off against another checkout, with the same models."""
    ready: tuple[list[float], list[float]] = ([], [])
    resident: tuple[list[float], list[float]] = ([], [])
    roots = (ROOT, checkout)
    for number in range(options.repetitions + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            with service(options.models, root=roots[which]) as server:
                if number:
                    ready[which].append(server.ready_seconds)
                    resident[which].append(processes.memory(server.process.pid).resident)
    with (
        service(options.models, root=ROOT) as now,
        service(options.models, root=checkout) as before,
    ):
        loads = in_turn(
            options,
            lambda seconds: closed_loop(now, bodies, _CONNECTIONS, seconds),
            lambda seconds: closed_loop(before, bodies, _CONNECTIONS, seconds),
        )
    yield line("all off against the other checkout: ready, s", ready, "≤ 1.02")
    yield line("all off: resident when ready, MiB", resident, "≤ 1.02")
    yield line("all off: requests/s", rates(loads), "≥ .98")
    yield line("all off: µs of processor a request", costs(loads), "≤ 1.02")
    options.say(f"extras: all off, {median(load.rate for load in loads[0]):.0f}/s")


class _Sink(BaseHTTPRequestHandler):
    def do_POST(self) -> None:  # the handler's own name
        """Take whatever is sent."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _collector() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
