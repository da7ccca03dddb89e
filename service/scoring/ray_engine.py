"""The engine for many machines: Ray Data, the extra ``ray``.

This process reads the file once to find where each piece begins, and numbers the pieces. The workers
open the file themselves, so the file and the bundle must be on storage that all of them share. The
results come back to this process in order. RAY_ADDRESS names a cluster. Without it, a cluster is
started on this machine for the duration of the run.
"""

import importlib
import logging
import os
import secrets
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cores import cores
from service.errors import MalformedInput, ScoreRefused
from service.inference.backend.device import CPU
from service.scoring.scorer import Job, Pieces, Scored, score
from service.tables import Source, open_file, open_source

#: Pieces in a block of Ray Data, the unit in which work and results are sent.
_BLOCK = 4
#: Object store of a cluster that is started here: some hundred blocks, which are freed once written.
_OBJECT_STORE_BYTES = 200_000_000
#: Attempts to start it: Ray allows its processes 15 s, which is too short on a busy machine.
_STARTS = 3


def pieces(source: Source, job: Job, workers: int | None) -> Pieces:
    """Score the rest of a source; ``workers`` None is all cores but one.

    Raises ``ScoreRefused`` if Ray is not installed, does not start or gives up, and
    ``MalformedInput`` after all that could be read.
    """
    ray = _ray()
    begins, malformed = [source.position], None
    try:
        while source.take(job.piece):
            begins.append(source.position)
    except MalformedInput as error:
        malformed = error
    if len(begins) > 1:
        yield from _scored(ray, job, np.array(begins, np.int64), workers)
    if malformed is not None:
        raise malformed


def _ray() -> Any:
    # Ray reads these when it is imported. Usage reports are off. The ports of a cluster that is started
    # here are open to the network in any case, so the cluster demands this random token.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors are reported by this module
    if not os.environ.get("RAY_ADDRESS"):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        importlib.import_module("ray.data")
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise ScoreRefused(
            "--engine ray needs Ray, which is not installed: pip install 'snn-serving[ray]'"
        ) from error
    for name in ("ray", "ray.data"):  # these log every step
        logging.getLogger(name).setLevel(logging.ERROR)
    return ray


def _scored(ray: Any, job: Job, begins: NDArray[np.int64], workers: int | None) -> Pieces:
    """Score the pieces between the positions ``begins``, the last of which is the end of the rest."""
    workers = _start(ray, workers)
    try:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        count = len(begins) - 1
        blocks = -(-count // _BLOCK)
        results = ray.data.range(count, override_num_blocks=blocks).map(
            _Worker,
            fn_constructor_args=(job, begins),
            compute=ray.data.ActorPoolStrategy(size=min(workers, blocks)),
            num_cpus=1,
            num_gpus=0 if job.device.provider == CPU else 1,
        )
        for row in results.iter_rows():
            counts = (int(row[name]) for name in ("rows", "errors", "judged", "unlike"))
            yield int(row["end"]), Scored(row["content"], *counts)
    except ray.exceptions.RayError as error:
        cause = str(error.__cause__ or error).strip().splitlines()[-1]
        raise ScoreRefused(f"Ray gave up: {cause}. The same command goes on from here") from error
    finally:
        ray.shutdown()


def _start(ray: Any, workers: int | None) -> int:
    """Join the cluster of RAY_ADDRESS, or start one; return the number of scoring processes.

    One processor is left to Ray for its own tasks. Raises ``ScoreRefused``.
    """
    options: dict[str, object] = {"log_to_driver": False, "logging_level": "ERROR"}
    starts = 1
    if not os.environ.get("RAY_ADDRESS"):
        starts = _STARTS
        options |= {
            "address": "local",
            "num_cpus": (workers or cores()) + 1,
            "object_store_memory": _OBJECT_STORE_BYTES,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.2",  # Ray replaces 127.0.0.1 by another address of this machine
        }
    failure: Exception | None = None
    for _ in range(starts):
        try:
            ray.init(**options)
            return workers or max(1, int(ray.cluster_resources().get("CPU", 1)) - 1)
        except Exception as error:  # noqa: BLE001 - Ray raises no narrower type when a node does not start
            failure = error
            ray.shutdown()
    raise ScoreRefused(f"Ray cannot be reached or started: {failure}") from failure


class _Worker:
    """A process of the cluster, which reads and scores pieces by their numbers."""

    def __init__(self, job: Job, begins: NDArray[np.int64]) -> None:
        self._job, self._begins = job, begins
        self._source, _ = open_source(job.kind, open_file(job.file), job.schema)

    def __call__(self, row: dict[str, int]) -> dict[str, Any]:
        begin, end = map(int, self._begins[row["id"] : row["id"] + 2])
        if self._source.position != begin:
            self._source.seek(begin)
        return {"end": end, **asdict(score(self._job, self._source.take(self._job.piece)))}
