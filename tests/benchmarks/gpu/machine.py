"""Which device and libraries these are, and which provider runs each node."""

import json
import os
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime

from models.networks.outputs import INPUT
from service.inference.backend.device import CPU, Device, cuda_options, session_options
from tests.benchmarks.gpu.half import halved
from tests.benchmarks.gpu.place import FP16, FP32, MODELS, Place
from tests.benchmarks.report import Table

_QUERY = "name,driver_version,memory.total,compute_cap,clocks.max.sm,clocks.max.memory"
_LIBRARIES = ("libcudart", "libcublas", "libcudnn.", "libcuda.")


def run(place: Place) -> list[Table]:
    """Say what there is, then profile one run of each network."""
    rows = []
    for model in MODELS:
        bundle = place.bundle(model)
        for precision, graph in ((FP32, bundle.model), (FP16, halved(bundle.model))):
            placed = _placement(
                place, graph, np.resize(bundle.golden.features, (256, bundle.manifest.features))
            )
            for provider in sorted(placed.nodes):
                slowest = ", ".join(
                    f"{kind} {count} × {1e3 * seconds:.2f} ms"
                    for kind, (count, seconds) in placed.slowest(provider)
                )
                rows.append(
                    [
                        model,
                        precision,
                        provider,
                        placed.nodes[provider],
                        1e3 * placed.seconds[provider],
                        slowest,
                    ]
                )
    return [
        Table("The device", ["what", "is"], _facts(place)),
        Table(
            "Nodes by provider",
            ["model", "in", "provider", "nodes", "ms in them", "slowest kinds"],
            rows,
            [
                "From onnxruntime's profile of a run of 256 rows in which the CPU might have taken over."
                " On a GPU the time of a node is that of its launch."
            ],
        ),
    ]


def _facts(place: Place) -> list[list[str]]:
    facts: list[list[str]] = []
    if place.provider != CPU:
        facts.append(["nvidia-smi", _asked_driver()])
    made = place.created(place.bundle(MODELS[0]).model)
    facts.append(["onnxruntime", f"{onnxruntime.__version__}, CUDA {onnxruntime.cuda_version or '–'}"])
    facts.append(["build", onnxruntime.get_build_info()])
    facts.append(["providers of the session", ", ".join(made.get_providers())])
    for provider, options in made.get_provider_options().items():
        told = ", ".join(f"{name}={value}" for name, value in sorted(options.items()) if value)
        facts.append([f"options of {provider}", told or "none"])
    loaded = {
        os.path.realpath(line.split()[-1])
        for line in Path("/proc/self/maps").read_text().splitlines()
        if any(name in line for name in _LIBRARIES)
    }
    facts.append(["libraries", ", ".join(sorted(Path(path).name for path in loaded)) or "none of CUDA"])
    cores = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    facts.append(["processor", f"{os.cpu_count()} × {cores[0].split(':')[1].strip() if cores else '?'}"])
    return facts


def _asked_driver() -> str:
    """What the driver says of itself, or why it does not."""
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        return str(error)
    return "; ".join((done.stdout + done.stderr).splitlines())


class _Placement:
    """Nodes that ran, by provider, and how long they took, in seconds."""

    def __init__(self, events: list[dict]) -> None:
        self.nodes: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self._kinds: dict[tuple[str, str], tuple[int, float]] = {}
        for event in events:
            provider = event.get("args", {}).get("provider")
            if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time") or not provider:
                continue
            kind, took = (provider, event["args"]["op_name"]), 1e-6 * event["dur"]
            count, seconds = self._kinds.get(kind, (0, 0.0))
            self._kinds[kind] = (count + 1, seconds + took)
            self.nodes[provider] += 1
            self.seconds[provider] += took

    def slowest(self, provider: str) -> list[tuple[str, tuple[int, float]]]:
        """The five kinds of node that took longest."""
        own = [(kind, found) for (of, kind), found in self._kinds.items() if of == provider]
        return sorted(own, key=lambda each: -each[1][1])[:5]


def _placement(place: Place, model: bytes, rows: np.ndarray) -> _Placement:
    with tempfile.TemporaryDirectory() as folder:
        options = session_options()
        providers: list[object] = [CPU]
        if place.provider != CPU:
            providers.insert(0, (place.provider, cuda_options(Device(place.provider))))
        warm = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)
        warm.run(None, {INPUT: rows})  # what kernels load at their first run is loaded then
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)
        session.run(None, {INPUT: rows})
        return _Placement(json.loads(Path(session.end_profiling()).read_text()))
