"""The device's memory over batches of random sizes: flat in buckets, or growing with every new shape."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import onnxruntime

from service.inference.backend.onnx_session import BUCKETS, BucketedSession, Session
from tests.benchmarks.bundles import CANDIDATES, MOLECULES
from tests.benchmarks.gpu.place import Place, rows_like, told
from tests.benchmarks.report import Cell, Table

_MIB = 1 << 20
_LARGEST = 2000
_SUCCESS = 0
#: At these numbers of batches the memory is looked at, and at the end.
_MARKS = (10, 100, 1000, 10_000, 100_000)


#: Which networks, run how, for which share of the time: what is small reaches the number of batches.
_TURNS = (
    (CANDIDATES, "buckets", 1.0),
    (MOLECULES, "buckets", 0.4),
    (CANDIDATES, "plain runs", 0.15),
    (MOLECULES, "plain runs", 0.15),
)


def run(place: Place) -> list[Table]:
    """Run batches of 1 to 2,000 rows, small ones as often as large ones, in buckets and plainly."""
    rows: list[list[Cell]] = []
    notes = [
        f"Up to {place.batches:,} batches of 1 to {_LARGEST:,} rows, their logarithm uniform, in up to"
        f" {place.memory_seconds:.0f} s. The device's free memory by cudaMemGetInfo: what others do"
        " there would be in it."
    ]
    for model, label, share in _TURNS:
        place.options.say(f"gpu: memory of {model} in {label}")
        with told(notes, f"{model}, {label}"):
            for when, count, there, host in _watched(place, model, label, share * place.memory_seconds):
                rows.append([model, label, when, count, there, host])
                place.tell(rows[-1])
    columns = [
        "model", "by", "when", "batches", "device memory since before the session, MiB",
        "this process, MiB",
    ]  # fmt: skip
    return [Table("Memory over random batch sizes", columns, rows, notes)]


def _watched(
    place: Place, model: str, label: str, seconds: float
) -> Iterator[tuple[str, int, float | None, float]]:
    bundle, before = place.bundle(model), used(place.memory)

    def looked() -> tuple[float | None, float]:
        there = used(place.memory)
        return None if there is None or before is None else (there - before) / _MIB, _resident() / _MIB

    batch = rows_like(bundle.golden.features, _LARGEST)
    made = place.created(bundle.model)
    session = BucketedSession(made, place.memory) if label == "buckets" else Session(made)
    yield "created", 0, *looked()
    for size in (*BUCKETS, _LARGEST):
        session.run(batch[:size])
    yield "each bucket once", 0, *looked()
    generator, end, done = np.random.default_rng(1), perf_counter() + seconds, 0
    while done < place.batches and perf_counter() < end:
        session.run(batch[: int(_LARGEST ** generator.random())])
        done += 1
        if done in _MARKS and done < place.batches:
            yield "during", done, *looked()
    yield "after", done, *looked()


def used(memory: str = "cuda") -> int | None:
    """Bytes in use on the device, by everybody; None where the memory is not CUDA's."""
    if memory != "cuda":
        return None
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    # The library is loaded: CUDA works here.
    runtime = ctypes.CDLL(f"libcudart.so.{_cuda_major()}")
    status = runtime.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total))
    if status != _SUCCESS:
        raise RuntimeError(f"cudaMemGetInfo gave {status}")
    return total.value - free.value


def _cuda_major() -> str:
    return str(onnxruntime.cuda_version).split(".")[0]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
