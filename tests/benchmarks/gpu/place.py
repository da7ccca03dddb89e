"""Where the parts run: a CUDA device, or in their own tests the CPU in its place."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.bundle.loading import Bundle, open_bundle
from service.inference.backend.device import (
    CPU,
    CUDA,
    Device,
    create_session,
    cuda_options,
    session_options,
)
from service.inference.backend.onnx_session import BucketedSession, Session, open_session
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.gpu.half import halved
from tests.benchmarks.gpu.resident import DeviceSession
from tests.benchmarks.report import Cell, Options, shown

Rows = NDArray[np.float32]
FP32, TF32, FP16 = "FP32", "TF32", "FP16"
MODELS = (CANDIDATES, MOLECULES)


@dataclass(frozen=True, slots=True)
class Place:
    """The device, and how much is measured there."""

    options: Options
    provider: str = CUDA
    #: The device's memory, as onnxruntime calls it.
    memory: str = "cuda"
    sizes: Sequence[int] = (1, 8, 32, 128, 256, 1024, 4096, 16384)
    #: The largest batch on one core: with more, a run takes seconds.
    largest_on_core: int = 1024
    #: Runs of one measurement: at most so many, in at most so many seconds.
    runs: int = 500
    seconds: float = 0.3
    #: Rows whose outputs are compared.
    rows: int = 10_000
    #: Batches of random size, and the seconds that they may take.
    batches: int = 100_000
    memory_seconds: float = 75.0

    def tell(self, row: Sequence[Cell]) -> None:
        """Give a row of a table to the log, for runs that end before the table is whole."""
        self.options.say("  " + " | ".join(shown(cell) for cell in row))

    def bundle(self, model: str) -> Bundle:
        """A committed bundle."""
        return open_bundle(champion(self.options, model))

    def open(self, model: bytes, precision: str = FP32, *, captured: bool = False) -> BucketedSession:
        """Create a session with buffers of these sizes on the device.

        ``captured`` replays a CUDA graph for each of them.
        """
        kind = DeviceSession if captured else BucketedSession
        return kind(self.created(model, precision, captured=captured), self.memory, self.sizes)

    def created(
        self, model: bytes, precision: str = FP32, *, captured: bool = False
    ) -> onnxruntime.InferenceSession:
        """Create onnxruntime's session, as the service does, or with CUDA graphs switched on."""
        model = halved(model) if precision == FP16 else model
        device = Device(self.provider, tf32=precision == TF32)
        if self.provider == CPU or not captured:
            return create_session(model, device)
        providers = [(CUDA, cuda_options(device) | {"enable_cuda_graph": "1"})]
        made = onnxruntime.InferenceSession(
            model, session_options(), providers=providers, enable_fallback=0
        )
        if made.get_providers()[0] != CUDA:
            raise RuntimeError(f"the session runs on {made.get_providers()[0]}")
        return made

    def took(self, call: Callable[[], object]) -> NDArray[np.float64]:
        """Seconds of each of many calls, in ascending order; the first few are not counted."""
        for _ in range(3):  # they pay for buffers, the choice of kernels, and the capture of graphs
            call()
        took: list[float] = []
        end = perf_counter() + self.seconds
        while len(took) < self.runs and (perf_counter() < end or len(took) < 3):
            started = perf_counter()
            call()
            took.append(perf_counter() - started)
        return np.sort(took)


def on_core(model: bytes) -> Session:
    """The service's session on the CPU: one thread."""
    return open_session(model, Device(CPU))


#: Precisions, and whether CUDA graphs are replayed. Graphs come last: a device that a broken one has
#: left in error runs nothing more in this process.
VARIANTS = tuple((precision, captured) for captured in (False, True) for precision in (FP32, TF32, FP16))


def named(precision: str, captured: bool) -> str:
    """A variant's name in tables."""
    return f"{precision}, CUDA graph" if captured else precision


@contextmanager
def told(notes: list[str], what: str) -> Iterator[None]:
    """Note what fails here below the table, so that the rest of the table comes all the same."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the note says it
        notes.append(f"{what}: {type(error).__name__}: {error}")


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def p99(took: NDArray[np.float64]) -> float | None:
    """The 99th percentile in µs, None of fewer than a hundred."""
    return None if len(took) < 100 else 1e6 * float(np.quantile(took, 0.99))


def rows_like(golden: Rows, count: int, seed: int = 0) -> Rows:
    """Rows of shape ``(count, F)`` made of golden ones: they span their ranges, none is one of them.

    Every feature is one of two golden rows'; what is no count is moved by some percent.
    """
    generator = np.random.default_rng(seed)
    first, second = golden[generator.integers(len(golden), size=(2, count))]
    rows = np.where(generator.random(first.shape) < generator.random((count, 1)), first, second)
    counts = (golden == np.round(golden)).all(axis=0)
    noise = np.where(counts, 0.0, 0.03 * generator.standard_normal(rows.shape))
    return np.ascontiguousarray(rows * (1 + noise), dtype=np.float32)
