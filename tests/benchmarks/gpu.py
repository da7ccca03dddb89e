"""What a GPU makes of the committed networks, beside one core: latency of a run, and rows per second.

Needs a CUDA device; ``make test-gpu`` runs it after the tests that need one too.
"""

from time import perf_counter

import numpy as np

from models.bundle.loading import open_bundle
from service.inference.backend.device import CPU, CUDA, Device, why_not_cuda
from service.inference.backend.onnx_session import BUCKETS, Session, open_session
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.report import Options, Skipped, Table

#: Runs that are timed of each size, in each repetition.
_RUNS = 50


def run(options: Options) -> list[Table]:
    """Time whole runs, copies to the device and back in them, of golden rows repeated."""
    if (reason := why_not_cuda()) is not None:
        raise Skipped(f"CUDA does not work here: {reason}")
    devices = {"CPU": Device(CPU), "CUDA": Device(CUDA), "CUDA, TF32": Device(CUDA, tf32=True)}
    rows = []
    for name in (CANDIDATES, MOLECULES):
        bundle = open_bundle(champion(options, name))
        sessions = {}
        for label, device in devices.items():
            options.say(f"{name} on {label}")
            sessions[label] = open_session(bundle.model, device)
            bundle.check_golden(sessions[label].run, device.tolerance)
        for size in BUCKETS:
            batch = np.ascontiguousarray(
                np.resize(bundle.golden.features, (size, bundle.manifest.features))
            )
            for label, session in sessions.items():
                took = np.sort(_seconds(session, batch, _RUNS * options.repetitions))
                middle = float(took[len(took) // 2])
                late = float(took[int(0.99 * len(took))])
                rows.append([name, label, size, 1e6 * middle, 1e6 * late, size / middle])
    columns = ["model", "on", "rows", "p50, µs", "p99, µs", "rows/s at p50"]
    return [Table("Networks on the GPU", columns, rows, ["One session, one thread, one run at a time."])]


def _seconds(session: Session, batch: np.ndarray, runs: int) -> np.ndarray:
    for _ in range(5):  # the first pay for buffers and for the choice of kernels
        session.run(batch)
    took = np.empty(runs)
    for number in range(runs):
        started = perf_counter()
        session.run(batch)
        took[number] = perf_counter() - started
    return took
