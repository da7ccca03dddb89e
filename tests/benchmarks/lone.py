"""Where the microseconds of a lone row go: its whole way through one process, without a socket.

Requests are handed to the connection's protocol as the event loop would, with a transport that drops
the answers. Each function on the way is timed without what it calls.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any
from unittest.mock import patch

import uvicorn
import uvloop
from uvicorn.server import ServerState

from models.registry.store import Repository
from service.api.app import create_app
from service.api.transport import fast_path
from service.api.transport.connection import ConnectionPolicy
from service.api.transport.fast_path import FastPath
from service.api.transport.protocol import HttpProtocol
from service.health.monitor import Monitor
from service.health.verdict import WatchMode
from service.inference.backend.device import CPU, Device
from service.inference.backend.onnx_session import Session, SizedSession
from service.inference.batcher import Batcher, Limits
from service.inference.measurements.prediction_counter import PredictionCounter
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModels
from service.lifecycle.loader import Loader
from service.observability import logs
from service.observability.counters import Telemetry
from tests.benchmarks.bundles import MADE, eight_by_256
from tests.benchmarks.load import request
from tests.benchmarks.records import candidates
from tests.benchmarks.report import Options, Table
from tests.benchmarks.single import body

_REQUESTS, _WARM = 3000, 300

#: What is timed, in the order of the way.
_STEPS: list[tuple[Any, str, str]] = [
    (HttpProtocol, "data_received", "the head: parser, headers, checks"),
    (FastPath, "begin", "the request: id, time-out, its object"),
    (FastPath, "_read", "the body to an array"),
    (Predictor, "featurized_at_once", "featurizing"),
    (Batcher, "submit", "into the queue"),
    (Batcher, "_pull", "the batch: taken, made, counted, given back"),
    (SizedSession, "run", "choosing the graph's form"),
    (Session, "run", "onnxruntime: the network, its statistics, their judgement"),
    (Monitor, "judge", "the p-value"),
    (Monitor, "take", "statistics kept, and summed up every 512 rows"),
    (PredictionCounter, "add", "sums of predictions"),
    (FastPath, "answer", "the answer: stages, status"),
    (fast_path, "_written", "results to JSON"),
    (HttpProtocol, "deliver", "the answer's head"),
    (fast_path, "finish", "counters and the line of the log"),
]


class _Transport(asyncio.Transport):
    """Counts answers and drops them."""

    answers = 0

    def write(self, data: Any) -> None:
        self.answers += 1

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def resume_reading(self) -> None:
        """Nothing was paused."""


def run(options: Options) -> list[Table]:
    """The made network, watched in full and not at all, in turn."""
    models = eight_by_256().models
    modes: tuple[WatchMode, ...] = ("full", "off")
    found: dict[str, dict[str, list[float]]] = {mode: defaultdict(list) for mode in modes}
    for _ in range(options.repetitions):
        for mode in modes:
            for step, micros in uvloop.run(_measured(models, mode)).items():
                found[mode][step].append(micros)
    rows = [
        [step, *(min(found[mode].get(step, [0.0])) for mode in modes)]
        for step in [*(text for *_, text in _STEPS), "all of these"]
    ]
    note = (
        "8 × 256 network, one row of 8 inputs by JSON. Medians of one process's steps without what they"
        " call, the least of the repetitions. The turn of the loop, the socket and the kernel are not"
        " in it."
    )
    return [Table("A lone row's way", ["step, µs", *modes], rows, [note])]


async def _measured(models: Path, watch: WatchMode) -> dict[str, float]:
    """Medians in microseconds of each step."""
    rows = candidates(64).tolist()
    sent = [request("/predict", body(MADE, [row])) for row in rows]
    protocol, transport = _served(models, watch)
    spent: dict[str, list[int]] = {text: [0] for *_, text in _STEPS}
    with (
        patch.object(logs.plain, "enabled", new=True),
        patch.object(logs._lines, "info", new=len),  # a line is made, and not written
        _timed(spent),
    ):
        for number in range(_WARM + _REQUESTS):
            for times in spent.values():
                times.append(0)
            protocol.data_received(sent[number % len(sent)])
            while transport.answers == number:
                await asyncio.sleep(0)
    medians = {text: median(times[_WARM:]) / 1e3 for text, times in spent.items()}
    whole = [sum(each) for each in zip(*(times[_WARM:] for times in spent.values()), strict=True)]
    return medians | {"all of these": median(whole) / 1e3}


@contextmanager
def _timed(spent: dict[str, list[int]]) -> Iterator[None]:
    """Add each step's own nanoseconds to the last of its numbers."""
    inner: list[int] = []  # of each step under way, what it has called

    def timed(function: Callable[..., Any], times: list[int]) -> Callable[..., Any]:
        @wraps(function)
        def measured(*arguments: Any, **named: Any) -> Any:
            inner.append(0)
            began = perf_counter_ns()
            try:
                return function(*arguments, **named)
            finally:
                took = perf_counter_ns() - began
                times[-1] += took - inner.pop()
                if inner:
                    inner[-1] += took

        return measured

    with ExitStack() as stack:
        for owner, name, text in _STEPS:
            stack.enter_context(patch.object(owner, name, timed(getattr(owner, name), spent[text])))
        yield


def _served(models: Path, watch: WatchMode) -> tuple[HttpProtocol, _Transport]:
    """A connection of a service of the made network."""
    telemetry, served_models = Telemetry(), ServedModels()
    loader = Loader(Repository(models), Device(CPU), telemetry, Limits(), watch=watch)
    served_models.put(MADE, loader.load(MADE, 1))
    app = create_app(
        served_models,
        Predictor(served_models, 10_000),
        telemetry,
        max_rows=10_000,
        max_bytes=1 << 24,
    )
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, proxy_headers=False)
    config.load()
    protocol, transport = HttpProtocol(config, ServerState(), {}), _Transport()
    protocol.policy = ConnectionPolicy()
    protocol.connection_made(transport)
    return protocol, transport
