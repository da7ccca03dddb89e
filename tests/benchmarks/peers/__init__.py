"""Other servers around the same network: mosec, MLServer, BentoML, LitServe, Ray, KServe's, Triton.

Each in an environment of its own (``peers/`` beside this one's ``bin/``, or in ``SNN_PEERS``), made
at the first run from the package index, and configured as its documentation recommends.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from tests.benchmarks import cores, direct, processes
from tests.benchmarks.bundles import MADE, Made, eight_by_256
from tests.benchmarks.load import Load, closed_loop, generator, request
from tests.benchmarks.records import candidates
from tests.benchmarks.report import Options, Skipped, Table, spread
from tests.benchmarks.server import Server, free_port, process, service
from tests.benchmarks.single import CEILING, bare_route, body, hello

_APPS = Path(__file__).parent / "apps"
_LOADS = (
    ("1 row, 1 connection", 1, 1),
    ("1 row, 32", 1, 32),
    ("1 row, 128", 1, 128),
    ("256 rows, 4", 256, 4),
)
_GATE = "1 row, 32"
#: What computes in all of them.
_COMMON = ("onnxruntime>=1.31,<1.40", "numpy")

SERVICE, BARE, HELLO = "this service", "bare route", CEILING


@dataclass(frozen=True, slots=True)
class Peer:
    """Another server: what it needs, how it starts in a folder, and what it is asked."""

    name: str
    requirements: Sequence[str]
    #: From the environment's folder, a scratch folder and a port, the command.
    command: Callable[[Path, Path, int], list[str]]
    ready: str
    path: str
    ask: Callable[[np.ndarray], dict]
    answer: Callable[[dict], list[float]]
    #: Further environment variables, from the environment's folder.
    variables: Callable[[Path], dict[str, str]] = lambda _: {}


def _script(app: str) -> Callable[[Path, Path, int], list[str]]:
    return lambda home, _, port: [str(home / "bin/python"), str(_APPS / app), str(port)]


def _tensor(rows: np.ndarray) -> dict:
    """A request of the Open Inference Protocol."""
    data = {"name": "features", "shape": list(rows.shape), "datatype": "FP32"}
    return {"inputs": [data | {"data": rows.ravel().tolist()}]}


def _inputs(rows: np.ndarray) -> dict:
    return {"inputs": rows.tolist()}


def _probability(answer: dict) -> list[float]:
    return answer["probability"]


def _data(answer: dict) -> list[float]:
    return answer["outputs"][0]["data"]


def _mlserver(batching: bool) -> Callable[[Path, Path, int], list[str]]:
    def command(home: Path, scratch: Path, port: int) -> list[str]:
        settings = {
            "http_port": port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            "parallel_workers": 0,
            "debug": False,
            "logging_settings": None,
        }
        model: dict = {"name": "net", "implementation": "mlserver_app.Net"}
        if batching:
            model |= {"max_batch_size": 256, "max_batch_time": 0.001}
        (scratch / "settings.json").write_text(json.dumps(settings))
        (scratch / "model-settings.json").write_text(json.dumps(model))
        return [str(home / "bin/mlserver"), "start", str(scratch)]

    return command


def _bentoml(home: Path, _: Path, port: int) -> list[str]:
    serve = [str(home / "bin/bentoml"), "serve", "bentoml_app:Net", "--host", "127.0.0.1"]
    return [*serve, "--port", str(port), "--working-dir", str(_APPS)]


def _site(home: Path) -> Path:
    return next(home.glob("lib/python3*/site-packages"))


def _triton(home: Path, scratch: Path, port: int) -> list[str]:
    binaries = _site(home) / "pytriton/tritonserver"
    version = scratch / "repository/net/1"
    version.mkdir(parents=True, exist_ok=True)
    shutil.copy(_APPS / "triton_model.py", version / "model.py")
    python = _site(home).parent.name.removeprefix("python")  # one stub for each version of Python
    stub = binaries / f"python_backend_stubs/{python}/triton_python_backend_stub"
    shutil.copy(stub, binaries / "backends/python")
    shutil.copy(_APPS / "triton_config.pbtxt", version.parent / "config.pbtxt")
    return [
        str(binaries / "bin/tritonserver"),
        f"--model-repository={version.parent.parent}",
        f"--backend-directory={binaries / 'backends'}",
        "--http-address=127.0.0.1",
        f"--http-port={port}",
        f"--grpc-port={free_port()}",
        f"--metrics-port={free_port()}",
        "--log-info=false",
    ]


def _triton_variables(home: Path) -> dict[str, str]:
    libraries = [_site(home) / "pytriton/tritonserver/external_libs", sysconfig.get_config_var("LIBDIR")]
    return {
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "SNN_PEERS_PATH": f"{_APPS}:{_site(home)}",  # its stub takes no notice of PYTHONPATH
    }


#: Its page on performance tuning: HTTP straight to the replica, and one loop for both.
_RAY_AT_ITS_BEST = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}


def _ray(name: str, variables: dict[str, str]) -> Peer:
    return Peer(
        name,
        ("ray[serve]==2.60.0",),
        _script("ray_app.py"),
        "/",
        "/",
        _inputs,
        _probability,
        lambda _: variables,
    )


_KSERVE = Peer(
    "KServe's Python server",
    ("kserve==0.21.0",),
    _script("kserve_app.py"),
    "/v2/health/ready",
    "/v1/models/net:predict",
    lambda rows: {"instances": rows.tolist()},
    lambda answer: answer["predictions"],
)

PEERS = (
    Peer(
        "Triton (Python backend, dynamic batching)",
        ("nvidia-pytriton==0.7.0",),
        _triton,
        "/v2/health/ready",
        "/v2/models/net/infer",
        _tensor,
        _data,
        _triton_variables,
    ),
    Peer(
        "mosec",
        ("mosec==0.9.8",),
        lambda home, _, port: [
            str(home / "bin/python"),
            str(_APPS / "mosec_app.py"),
            "--address",
            "127.0.0.1",
            "--port",
            str(port),
            "--log-level",
            "error",
        ],
        "/",
        "/inference",
        _inputs,
        _probability,
    ),
    _KSERVE,
    Peer(
        "MLServer",
        ("mlserver==1.7.1",),
        _mlserver(batching=False),
        "/v2/health/ready",
        "/v2/models/net/infer",
        _tensor,
        _data,
    ),
    Peer(
        "MLServer, adaptive batching",
        ("mlserver==1.7.1",),
        _mlserver(batching=True),
        "/v2/health/ready",
        "/v2/models/net/infer",
        _tensor,
        _data,
    ),
    Peer(
        "LitServe",
        ("litserve==0.2.19",),
        _script("litserve_app.py"),
        "/health",
        "/predict",
        _inputs,
        _probability,
    ),
    Peer(
        "BentoML",
        ("bentoml==1.4.39",),
        _bentoml,
        "/readyz",
        "/predict",
        _inputs,
        lambda answer: [row[0] for row in answer],
    ),
    _ray("Ray Serve", {}),
    _ray("Ray Serve, for throughput", _RAY_AT_ITS_BEST),
)


def run(options: Options) -> list[Table]:
    """Start one server after the other, load it, stop it; and so on for every repetition."""
    made = eight_by_256()
    notes = [
        "8 × 256 network. Target: at 32 connections ≥ 2.5 × the best of all but Triton.", generator()
    ]  # fmt: skip
    found: dict[str, dict[str, list[float]]] = {}
    missing: set[str] = set()
    for number in range(min(options.repetitions, 3)):
        for name, start, ask in _servers(options, made):
            if name in missing:
                continue
            try:
                with start() as server:
                    figures = _measure(server, ask, options.seconds)
            except (Skipped, RuntimeError, subprocess.SubprocessError) as reason:
                notes.append(f"Without {name}: {reason}")
                missing.add(name)
                continue
            for key, figure in figures.items():
                found.setdefault(name, {}).setdefault(key, []).append(figure)
            options.say(f"peers: round {number + 1}, {name}: {figures[_GATE]:.0f}")
    others = {
        name: median(figures[_GATE])
        for name, figures in found.items()
        if name not in (SERVICE, BARE, HELLO) and not name.startswith("Triton")
    }
    if others and SERVICE in found:
        best = max(others, key=lambda name: others[name])
        times = median(found[SERVICE][_GATE]) / others[best]
        notes.append(f"This service answers {times:.2f} × as many single rows as the best, {best}.")
    columns = ["", *(name for name, *_ in _LOADS), "memory, MiB"]
    rows = [[name, *map(spread, figures.values())] for name, figures in found.items()]
    return [Table("Servers side by side, requests per second", columns, rows, notes)]


Ask = Callable[[np.ndarray], bytes]


def _servers(options: Options, made: Made) -> Iterator[tuple[str, Callable, Ask]]:
    """Every server with how it is started and asked; each checked against onnxruntime."""
    own: Ask = lambda rows: request("/predict", body(MADE, rows.tolist()))  # noqa: E731
    yield SERVICE, lambda: service(made.models), own
    yield BARE, lambda: bare_route(made), own
    yield HELLO, hello, own
    for peer in PEERS:

        def ask(rows: np.ndarray, peer: Peer = peer) -> bytes:
            return request(peer.path, json.dumps(peer.ask(rows)).encode())

        yield peer.name, lambda peer=peer: started(peer, made, options), ask


def _measure(server: Server, ask: Ask, seconds: float) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, size, connections in _LOADS:
        sent = [ask(block) for block in candidates(32 * size).reshape(32, size, 8)]
        closed_loop(server, sent, connections, 1.0)
        load: Load = closed_loop(server, sent, connections, seconds)
        if load.errors:
            raise RuntimeError(f"{load.errors} errors with {name}")
        figures[name] = load.rate
    figures["memory"] = processes.memory(server.process.pid).resident
    return figures


def kserve_with_grpc(port: int) -> Peer:
    """KServe's server with gRPC on a port of its own beside HTTP."""
    return replace(_KSERVE, command=lambda *known: [*_KSERVE.command(*known), str(port)])


@contextmanager
def started(peer: Peer, made: Made, options: Options) -> Iterator[Server]:
    """Run a peer that answers what onnxruntime computes; ``Skipped`` if it cannot be installed."""
    home = _environment(peer, options)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="snn-peer-") as folder:
        variables = {
            "PYTHONPATH": f"{_APPS}:{_site(home)}",
            "SNN_PEERS_MODEL": str(made.plain),
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
        } | peer.variables(home)
        command = peer.command(home, Path(folder), port)
        with process(command, port, peer.ready, cores.SERVER, variables) as server:
            rows = candidates(16)
            status, content = server.post(peer.path, json.dumps(peer.ask(rows)).encode())
            if status != 200:
                raise RuntimeError(f"it answers {status}: {content[:200]!r}")
            features = rows.astype(np.float32)
            expected = direct.session(made.plain.read_bytes()).run(None, {"features": features})[0]
            shown = peer.answer(json.loads(content))
            np.testing.assert_allclose(shown, expected[:, 0], atol=1e-5)
            yield server


def _environment(peer: Peer, options: Options) -> Path:
    """The peer's environment, made where there is none."""
    name = re.split(r"[\[=]", peer.requirements[0])[0].removeprefix("nvidia-")
    home = Path(os.environ.get("SNN_PEERS", Path(sys.prefix) / "peers")) / name
    stamp = home / ".complete"
    if not stamp.exists():
        options.say(f"peers: installing {name}")
        venv.create(home, with_pip=True, clear=home.exists())
        pip = [str(home / "bin/python"), "-m", "pip", "install", "--quiet"]
        command = [*pip, *peer.requirements, *_COMMON]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
        if done.returncode:
            raise Skipped(f"it could not be installed: {done.stderr.strip().splitlines()[-1]}")
        stamp.touch()
    return home
