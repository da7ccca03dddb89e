"""The engine of many machines: Ray Data, the extra ``ray``.

Pieces are numbered here, by one quick look at where each begins; workers open the file themselves, so
it lies where all of them see it, as the bundle does. What they give back is written here, in order.
RAY_ADDRESS names a cluster; without it one is started on this machine, for as long as the run takes.
"""

import importlib
import logging
import os
import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MalformedInput, ScoreRefused
from service.inference import processes
from service.inference.backend.device import CPU
from service.scoring.scorer import Scored, Scorer
from service.scoring.work import Pieces, Work
from service.tables import open_source

#: Pieces in a block of Ray Data: what is sent, and given back, at a time.
_BLOCK = 4
#: Of a cluster of our own: some hundred blocks; results leave as soon as they are written.
_OBJECT_STORE_BYTES = 200_000_000
#: Its processes have 15 s to come up, which a machine that is busy just then may need more than once.
_STARTS = 3


def pieces(work: Work) -> Pieces:
    """Score what is left; ``ScoreRefused`` where Ray is not installed or gives up."""
    ray = _ray()
    begins, malformed = _index(work)
    if len(begins) > 1:
        yield from _scored(ray, work, begins)
    if malformed is not None:
        raise malformed


def _ray() -> Any:
    # Read when Ray is imported. Nothing is reported to anybody, and a cluster of our own, whose ports
    # are open to the network whatever one says, listens to nobody who lacks this token.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what ends a run is told in our own words
    if not os.environ.get("RAY_ADDRESS"):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        importlib.import_module("ray.data")
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise ScoreRefused(
            "--engine ray needs Ray, which is not installed: pip install 'snn-serving[ray]'"
        ) from error
    for name in ("ray", "ray.data"):  # which tell of every step
        logging.getLogger(name).setLevel(logging.ERROR)
    return ray


def _index(work: Work) -> tuple[NDArray[np.int64], MalformedInput | None]:
    """Where each piece begins, and at last where the last one ends."""
    begins, malformed = [work.source.position], None
    try:
        while work.source.take(work.piece):
            begins.append(work.source.position)
    except MalformedInput as error:
        malformed = error
    return np.array(begins, np.int64), malformed


def _scored(ray: Any, work: Work, begins: NDArray[np.int64]) -> Pieces:
    workers = _start(ray, work.workers)
    try:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        count = len(begins) - 1
        blocks = ray.data.range(count, override_num_blocks=-(-count // _BLOCK))
        results = blocks.map_batches(
            _Worker,
            fn_constructor_args=(work.file, work.kind, work.form, work.job, work.piece, begins),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            num_gpus=0 if work.job.device.provider == CPU else 1,
        )
        for row in results.iter_rows():
            scored = Scored(row["content"], int(row["rows"]), int(row["errors"]))
            yield int(begins[row["id"] + 1]), scored
    except ray.exceptions.RayError as error:
        cause = str(error.__cause__ or error).strip().splitlines()[-1]
        raise ScoreRefused(f"Ray gave up: {cause}. The same command goes on from here") from error
    finally:
        ray.shutdown()


def _start(ray: Any, workers: int | None) -> int:
    """Join the cluster of RAY_ADDRESS, or start one; return how many processes are to score.

    One processor is left to Ray, which hands out the numbers of pieces by tasks of its own.
    """
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(**quiet)
            return workers or max(1, int(ray.cluster_resources().get("CPU", 1)) - 1)
        workers = workers or processes.cores()
        own = {
            "address": "local",
            "num_cpus": workers + 1,
            "object_store_memory": _OBJECT_STORE_BYTES,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.2",  # Ray takes 127.0.0.1 for any address of this machine
        }
        for _ in range(_STARTS - 1):
            try:
                ray.init(**own, **quiet)
                return workers
            except Exception:  # noqa: BLE001 - as below
                ray.shutdown()
        ray.init(**own, **quiet)
        return workers
    except Exception as error:  # Ray raises no narrower type when a node does not come up
        raise ScoreRefused(f"Ray cannot be reached or started: {error}") from error


class _Worker:
    """One process of the cluster: reads and scores the pieces of these numbers."""

    def __init__(
        self, file: Any, kind: str, form: Any, job: Any, piece: int, begins: NDArray[np.int64]
    ) -> None:
        self._file = file.open("rb")
        self._source, _ = open_source(kind, self._file, form)
        self._scorer, self._piece, self._begins = Scorer(job), piece, begins

    def __call__(self, batch: dict[str, NDArray[np.int64]]) -> dict[str, list[Any]]:
        scored = [self._one(int(number)) for number in batch["id"]]
        return {
            "id": batch["id"].tolist(),
            "content": [one.content for one in scored],
            "rows": [one.rows for one in scored],
            "errors": [one.errors for one in scored],
        }

    def _one(self, number: int) -> Scored:
        if self._source.position != self._begins[number]:
            self._source.seek(int(self._begins[number]))
        return self._scorer.score(self._source.take(self._piece))
