"""Work without a server, in a process of its own on the server's core: what a server could reach."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter, process_time
from typing import ParamSpec, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.bundle.loading import Bundle, open_bundle
from models.networks.outputs import INPUT
from tests.benchmarks import cores

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """A process on the server's core that is asked to do one thing after the other."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it there and return what it returned."""
        return self._pool.submit(work, *args, **kwargs).result()


@contextmanager
def worker() -> Iterator[Worker]:
    """Start the process; it ends with the block."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, cores.pin, (cores.SERVER,)) as pool:
        yield Worker(pool)


@cache
def opened(folder: Path) -> tuple[Bundle, onnxruntime.InferenceSession]:
    """A bundle and a session of one thread."""
    bundle = open_bundle(folder)
    return bundle, session(bundle.model)


def session(model: bytes) -> onnxruntime.InferenceSession:
    """A session of one thread on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def predict_seconds(folder: Path, requests: list[list[object]]) -> float:
    """Seconds to featurize and compute these requests, one after the other."""
    bundle, run = opened(folder)
    started = perf_counter()
    for records in requests:
        run.run(None, {INPUT: bundle.featurizer.featurize(records).rows})
    return perf_counter() - started


def featurize_seconds(folder: Path, records: list[object]) -> float:
    """Seconds to featurize these records, in the pieces of 256 that a request has."""
    featurizer = opened(folder)[0].featurizer
    featurizer.featurize(records[:16])
    started = perf_counter()
    for first in range(0, len(records), 256):
        featurizer.featurize(records[first : first + 256])
    return perf_counter() - started


def runs(model: bytes, rows: NDArray[np.float32], seconds: float) -> tuple[float, float]:
    """Calls per second of onnxruntime itself, all of ``rows`` in each, and a call's processor time."""
    run = _kept(model)
    for _ in range(10):
        run.run(None, {INPUT: rows})
    calls, started, spent = 0, perf_counter(), process_time()
    while (elapsed := perf_counter() - started) < seconds:
        run.run(None, {INPUT: rows})
        calls += 1
    return calls / elapsed, (process_time() - spent) / calls


@cache
def _kept(model: bytes) -> onnxruntime.InferenceSession:
    return session(model)
