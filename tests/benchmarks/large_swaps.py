"""A hundred swaps of the committed molecules' bundle in one worker: memory returns to its level."""

import json
import tempfile
import time
from pathlib import Path

from tests.benchmarks import cores
from tests.benchmarks.processes import memory
from tests.benchmarks.report import Options, Skipped, Table
from tests.benchmarks.server import Server, service
from tests.support import committed

_MODEL, _SWAPS = "tox21", 100
#: Memory is looked at after every so many swaps, and a rest.
_LOOK = 10
_PATIENCE_SECONDS, _REST_SECONDS = 60, 3


def run(options: Options) -> list[Table]:
    """Two versions of the same content are promoted in turn."""
    if not (committed.COMMITTED / _MODEL).is_dir():
        raise Skipped(f"no bundle of {_MODEL} is committed")
    taken: list[float] = []
    with tempfile.TemporaryDirectory(prefix="snn-swaps-") as folder:
        repository = committed.copy(_MODEL, Path(folder) / "models")
        versions = [committed.publish_again(repository, _MODEL) for _ in range(2)]
        settings = {"poll_seconds": 0.1, "probation_seconds": 0}
        with service(repository.root, on=frozenset(cores.ALL), **settings) as server:
            for number in range(_SWAPS):
                version = versions[number % 2]
                repository.promote(_MODEL, version)
                end = time.monotonic() + _PATIENCE_SECONDS
                while _served(server) != str(version):
                    if time.monotonic() > end:
                        raise RuntimeError(f"version {version} is not served")
                    time.sleep(0.1)
                if not (number + 1) % _LOOK:
                    time.sleep(_REST_SECONDS)
                    taken.append(memory(server.process.pid).proportional)
                    options.say(f"large_swaps: {number + 1} done, {taken[-1]:.0f} MiB")
    rows = [
        ["swaps", _SWAPS],
        [f"proportional MiB after {_LOOK} swaps and {_REST_SECONDS} s of rest", taken[0]],
        [f"the same after {_SWAPS}", taken[-1]],
        ["change, %", 100 * (taken[-1] / taken[0] - 1)],
        ["least and most of all looks", f"{min(taken):.0f} to {max(taken):.0f}"],
    ]
    title = f"{_SWAPS} swaps of {_MODEL}, one worker, without traffic"
    return [Table(title, ["", ""], rows, ["Target: within 3 % of the level."])]


def _served(server: Server) -> str:
    version: str = json.loads(server.get("/health/ready")[1])["models"][_MODEL]["version"]
    return version
