"""A hundred new versions under 200 requests a second: no failed answer, none that goes back."""

import tempfile
import time
from itertools import pairwise
from pathlib import Path

from models.registry.releases import Releases
from models.registry.store import Repository
from tests.benchmarks import client, cores
from tests.benchmarks.processes import memory
from tests.benchmarks.report import Options, Skipped, Table
from tests.benchmarks.server import service
from tests.support import bundles
from tests.support.steady import Steady

_SWAPS, _RATE, _WORKERS = 100, 200.0, 2
#: Memory is looked at after so many, and after all.
_WARM = 20
_PATIENCE_SECONDS = 30
_REST_SECONDS = 3


def run(options: Options) -> list[Table]:
    """Every version is published before; each is promoted once all connections have seen the last."""
    if len(cores.ALL) < 2:
        raise Skipped("this machine has one core")
    with tempfile.TemporaryDirectory(prefix="snn-swaps-") as folder:
        root = Path(folder) / "models"
        for number in range(_SWAPS + 1):
            bundles.publish(root, seed=number % 5, promote=number == 0)
        releases = Releases(Repository(root), Path(folder) / "log")
        both = frozenset(sorted(cores.ALL)[-2:])
        body = {"model": "htru2", "inputs": bundles.candidates(1).tolist()}
        with service(root, on=both, workers=_WORKERS, poll_seconds=0.1) as server:
            with Steady(server.port, body, _RATE) as steady:
                warm, taken = _swap(releases, steady, server.process.pid, options)
            time.sleep(_REST_SECONDS)
            after = memory(server.process.pid).proportional
    rows = [
        ["swaps", _SWAPS],
        ["answers", sum(map(len, steady.versions))],
        ["answers per second", sum(map(len, steady.versions)) / steady.elapsed],
        ["failed answers", len(steady.failures)],
        ["connections that saw a version go back", len(steady.went_back)],
        ["seconds from a promotion to all connections, median", client.percentile(taken, 50)],
        ["the same, longest", max(taken)],
        ["answer, p50 ms", client.percentile(steady.seconds, 50) * 1e3],
        ["answer, p99 ms", client.percentile(steady.seconds, 99) * 1e3],
        ["answer, longest ms", max(steady.seconds) * 1e3],
        [f"proportional MiB of all processes after {_WARM} swaps", warm],
        [f"the same after {_SWAPS} and {_REST_SECONDS} s of rest", after],
    ]
    notes = ["Targets: no failed answer, none that goes back, memory at its level."]
    notes += [f"failed: {text[:200]}" for text in steady.failures[:3]]
    title = f"{_SWAPS} swaps, {_WORKERS} workers, {_RATE:.0f} requests per second over 8 connections"
    return [Table(title, ["", ""], rows, notes)]


def _swap(releases: Releases, steady: Steady, pid: int, options: Options) -> tuple[float, list[float]]:
    warm, taken = 0.0, []
    for before, version in pairwise(range(1, _SWAPS + 2)):
        started = time.monotonic()
        releases.promote("htru2", version, "cli:bench", "the next")
        while steady.latest < version:
            if time.monotonic() > started + _PATIENCE_SECONDS:
                raise RuntimeError(f"version {version} is not served; failures: {steady.failures[:3]}")
            time.sleep(0.01)
        taken.append(time.monotonic() - started)
        if before == _WARM:
            warm = memory(pid).proportional
            options.say(f"swaps: {before} done, {warm:.0f} MiB")
    return warm, taken
