"""One command retrains HTRU2 on a file of one's own, has it judged, promoted and served, under load."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from models.features.tabular.pulsar import NAMES
from models.registry.release_log import ReleaseLog
from models.registry.store import Repository
from tests.benchmarks import client, cores
from tests.benchmarks.bundles import CANDIDATES, champion
from tests.benchmarks.report import Options, Skipped, Table
from tests.benchmarks.server import ROOT, service
from tests.support.bundles import candidates
from tests.support.steady import Steady

_RATE = 200.0
_PATIENCE_SECONDS = 30


def run(options: Options) -> list[Table]:
    """The official rows as a user's file: a set of the same kind and size, the champion's equal."""
    if len(cores.ALL) < 2:
        raise Skipped("this machine has one core")
    champion(options, CANDIDATES)
    # The load shares both cores with the training and the service.
    both = frozenset(sorted(cores.ALL)[-2:])
    with tempfile.TemporaryDirectory(prefix="snn-retrain-") as name:
        folder = Path(name)
        repository = Repository(folder / "models")
        repository.seed(Repository(options.models))
        before = repository.serving(CANDIDATES).champion
        rows = _new_data(folder / "new.csv")
        body = {"model": CANDIDATES, "inputs": candidates(1).tolist()}
        with (
            service(repository.root, on=both, workers=2, poll_seconds=0.2) as server,
            Steady(server.port, body, _RATE) as steady,
        ):
            started = time.monotonic()
            done = _train(folder, repository, both)
            trained = time.monotonic() - started
            served = _until_served(steady, before + 1, started) if done.returncode == 0 else None
            time.sleep(1)
        step = ReleaseLog(folder / "state").entries(CANDIDATES)[-1]
    table = [
        ["rows of the file", rows],
        ["seconds of the command, to the promotion", trained],
        ["seconds until every connection was answered by the new version", served],
        ["what the log says", f"{step.action} {step.before} → {step.after}: {step.why}"],
        ["answers meanwhile", sum(map(len, steady.versions))],
        ["answers per second", sum(map(len, steady.versions)) / steady.elapsed],
        ["failed answers", len(steady.failures)],
        ["answer, p50 ms", client.percentile(steady.seconds, 50) * 1e3],
        ["answer, p99 ms", client.percentile(steady.seconds, 99) * 1e3],
    ]
    notes = ["Targets: at most 120 s, no failed answer."]
    if done.returncode:
        notes.append(f"The command failed: {done.stderr[-500:]}")
    title = f"train htru2 --data, gate, promotion, served; {_RATE:.0f} requests per second, 2 cores"
    return [Table(title, ["", ""], table, notes)]


def _new_data(path: Path) -> int:
    """Write the official candidates as a user's file; ``Skipped`` where they are not at hand."""
    try:  # here, for the other benchmarks need no torch
        from training.data import load_htru2
        from training.errors import TrainingError
    except ImportError as error:
        raise Skipped(f"training is not installed: {error}") from error
    try:
        dataset = load_htru2()
    except (TrainingError, OSError) as error:
        raise Skipped(f"HTRU2 is not at hand: {error}") from error
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*NAMES, "class"])
        for record, label in zip(dataset.records, dataset.labels[:, 0], strict=True):
            writer.writerow([*record, int(label)])  # type: ignore[misc]
    return len(dataset)


def _train(
    folder: Path, repository: Repository, on: frozenset[int]
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "training", "train", CANDIDATES]
    command += ["--data", str(folder / "new.csv"), "--instead"]
    command += ["--models", str(repository.root), "--state", str(folder / "state")]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"SNN_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        preexec_fn=cores.pinned(on),
    )


def _until_served(steady: Steady, version: int, started: float) -> float | None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while steady.latest < version:
        if time.monotonic() > end:
            return None
        time.sleep(0.02)
    return time.monotonic() - started
