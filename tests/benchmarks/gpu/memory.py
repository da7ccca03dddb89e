"""The device's memory over batches of random sizes: flat in buckets, or growing with every new shape."""

import ctypes
import os
from pathlib import Path
from time import perf_counter

import numpy as np

from service.session import BUCKETS, BucketedSession, Session
from tests.benchmarks.gpu.place import MODELS, Place, rows_like
from tests.benchmarks.report import Cell, Table

_MIB = 1 << 20
_SUCCESS = 0
#: At these numbers of batches the memory is looked at, and at the end.
_MARKS = (10, 100, 1000, 10_000, 100_000)


def run(place: Place) -> list[Table]:
    """Run batches of 1 to 2,000 rows, all sizes alike, in buckets and by plain runs."""
    rows: list[list[Cell]] = []
    for model in MODELS:
        bundle = place.bundle(model)
        batch = rows_like(bundle.golden.features, 2000)
        for label, share in (("buckets", 1.0), ("plain runs", 0.4)):
            place.options.say(f"gpu: memory of {model} in {label}")
            before = _used(place)
            made = place.created(bundle.model)
            session = (
                Session(made) if label == "plain runs" else BucketedSession(made, place.memory, BUCKETS)
            )
            rows += [
                [model, label, when, count, _mib(used, before), host / _MIB]
                for when, count, used, host in _watched(
                    place, session, batch, share * place.memory_seconds
                )
            ]
            del session, made
    columns = [
        "model",
        "by",
        "when",
        "batches",
        "device memory since before the session, MiB",
        "this process, MiB",
    ]
    note = (
        f"Up to {place.batches:,} batches of 1 to {len(batch):,} rows in {place.memory_seconds:.0f} s of"
        f" buckets and {0.4 * place.memory_seconds:.0f} s of plain runs."
        " The device's free memory by cudaMemGetInfo: what other processes do there would be in it."
    )
    return [Table("Memory over random batch sizes", columns, rows, [note])]


def _watched(
    place: Place, session: Session, batch: np.ndarray, seconds: float
) -> list[tuple[str, int, int | None, int]]:
    seen = [("created", 0, _used(place), _resident())]
    for size in BUCKETS:
        session.run(batch[:size])
    session.run(batch)
    seen.append(("each bucket once", 0, _used(place), _resident()))
    generator, end, done = np.random.default_rng(1), perf_counter() + seconds, 0
    while done < place.batches and perf_counter() < end:
        session.run(batch[: generator.integers(1, len(batch) + 1)])
        done += 1
        if done in _MARKS and done < place.batches:
            seen.append(("during", done, _used(place), _resident()))
    seen.append(("after", done, _used(place), _resident()))
    return seen


def _used(place: Place) -> int | None:
    """Bytes in use on the device; None where the place is no device of CUDA's."""
    if place.memory != "cuda":
        return None
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    # The library is loaded: CUDA works here.
    runtime = ctypes.CDLL(f"libcudart.so.{_cuda_major()}")
    status = runtime.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total))
    if status != _SUCCESS:
        raise RuntimeError(f"cudaMemGetInfo gave {status}")
    return total.value - free.value


def _cuda_major() -> str:
    import onnxruntime

    return str(onnxruntime.cuda_version).split(".")[0]


def _mib(used: int | None, before: int | None) -> float | None:
    return None if used is None or before is None else (used - before) / _MIB


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
