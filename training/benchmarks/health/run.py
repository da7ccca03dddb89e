"""``benchmark health``: faults, populations and clean traffic through the monitors, and the report."""

import hashlib
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import features
from models.bundle.loading import Bundle, open_bundle
from models.bundle.manifest import MODEL_FILE
from models.registry.store import Repository
from training.benchmarks.harness import REPORTS, Results, Say, run_missing
from training.benchmarks.health import clean, molecules
from training.benchmarks.health.faults import (
    CLEAN,
    DATA,
    MILD,
    MODEL,
    POPULATION,
    SHIFTED,
    data_faults,
    model_faults,
)
from training.benchmarks.health.network import Network, squash
from training.benchmarks.health.onset import delay
from training.benchmarks.health.onset.report import delay_report
from training.benchmarks.health.report import report
from training.benchmarks.health.store import keep
from training.benchmarks.health.trial import HALVES, Effort, Material, figures, fit, trial
from training.data import Dataset, load_htru2, load_tox21
from training.data.official.sources import TOX21_FINAL, read
from training.pipeline.run import feature_rows

Array32 = NDArray[np.float32]

_LOADERS = {"htru2": load_htru2, "tox21": load_tox21}
_MADE = 400  # molecules of each made-up population
_CLEAN_ROWS = 1_000_000
_CLEAN_SEEDS = 10
_ORDERS = ("random", "alike")


def run(repository: Repository, seeds: int, processes: int, say: Say, *, quick: bool = False) -> str:
    """Return the report on both models' champions; the seeds of clean traffic are always ten.

    ``quick`` tries little of everything, on HTRU2 alone and keeps no results: for tests.
    """
    del seeds  # windows are drawn by fold and half; clean traffic's number is the report's promise
    effort = Effort(20, 10, 10, 100) if quick else Effort()
    # A matrix product on two threads in each of two processes takes longer than on one in each.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    base = Path(tempfile.mkdtemp(prefix="snn-health-"))
    try:
        reports = base if quick else REPORTS
        keys = ("model", "bundle", "group", "fault", "fold")
        trials = Results(reports / "health.csv", keys, figures())
        streams = Results(
            reports / "health-clean.csv", ("model", "bundle", "order", "seed"), clean.FIGURES
        )
        delays = Results(reports / "health-delay.csv", delay.DELAY_KEYS, delay.DELAYS)
        quiet = Results(reports / "health-quiet.csv", delay.QUIET_KEYS, delay.QUIET)
        for name in ("htru2",) if quick else _LOADERS:
            folder = base / name
            folder.mkdir()
            results = trials, streams, delays, quiet
            _one_model(repository, name, folder, results, processes, say, effort, quick)
        text: str = report(trials, streams, reports / "health.svg", effort)
        return "\n".join([text, "", *delay_report(delays, quiet, trials)])
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _one_model(
    repository: Repository,
    name: str,
    folder: Path,
    results: tuple[Results, Results, Results, Results],
    processes: int,
    say: Say,
    effort: Effort,
    quick: bool,
) -> None:
    bundle = open_bundle(repository.bundle(name, repository.serving(name).champion))
    say(f"{name}: making the faults")
    material, groups = _material(name, bundle, quick)
    keep(folder / "material.bin", material)
    identity = bundle.manifest.files[MODEL_FILE].sha256[:12]
    folds = sorted({int(fold) for fold in np.unique(material.folds)})
    say(f"{name}: fitting the monitors to halves of {len(folds)} folds")
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = [pool.submit(fit, folder, fold, half, effort) for fold in folds for half in HALVES]
        for future in waiting:
            future.result()
    same: dict[str, Any] = {"model": name, "bundle": identity, "folder": str(folder), "effort": effort}
    jobs = [
        same | {"group": group, "fault": fault, "fold": fold}
        for fold in folds
        for group, faults in groups.items()
        for fault in faults
    ]
    run_missing(results[0], jobs, trial, processes, say)
    rows = 5_000 if quick else _CLEAN_ROWS
    clean_jobs = [
        same | {"order": order, "seed": seed, "rows": rows}
        for seed in range(1 if quick else _CLEAN_SEEDS)
        for order in _ORDERS
    ]
    run_missing(results[1], clean_jobs, clean.stream, processes, say)
    run_missing(results[2], delay.delay_jobs(same, groups, folds, quick), delay.delays, processes, say)
    run_missing(results[3], delay.quiet_jobs(same, folds, quick), delay.quiet, processes, say)


def _material(name: str, bundle: Bundle, quick: bool) -> tuple[Material, dict[str, list[str]]]:
    """Return what a model's trials need, and the names of the faults by group."""
    dataset = _LOADERS[name]()
    raw = feature_rows(dataset, bundle.featurizer)
    network = Network.of(bundle)
    faults = data_faults(name, bundle, raw)[: 3 if quick else None]
    squashed = {"clean": squash(bundle, raw)}
    squashed |= {fault.name: squash(bundle, fault.apply(raw)) for fault in faults}
    foreign: dict[str, Array32] = {}
    mild, mildest = list[str](), "three pulsars in ten"
    if name == "tox21":
        squashed["featurizer of an older radius"] = squash(bundle, _older(bundle, dataset))
        smiles = {
            "peptides": molecules.peptides(_MADE),
            "lipids": molecules.lipids(_MADE),
            "inorganics": molecules.inorganics(_MADE),
        }
        lines = read(TOX21_FINAL).decode().splitlines()[1:]
        smiles["the 647 official compounds"] = [line.split("\t")[0] for line in lines]
        mildest = "the 647 official compounds"
        mild = [mildest]
        foreign = {
            population: squash(bundle, bundle.featurizer.featurize(molecules_of).rows)
            for population, molecules_of in smiles.items()
        }
    else:
        foreign = _pulsars(dataset, squashed["clean"])
    altered = {fault: (faulty, "none") for fault, faulty in model_faults(network).items()}
    altered["a stale model of the same shape"] = network, "all"
    if len(network.without(0)) > 1:
        altered["one member replaced"] = network, "last"
    halves = _halves(dataset)
    material = Material(network, squashed, dataset.folds, halves, altered, foreign, mildest)
    populations = [name for name in foreign if name not in mild]
    groups = {
        CLEAN: ["clean"],
        DATA: [name for name in squashed if name != "clean"],
        POPULATION: populations,
        MODEL: list(altered),
        MILD: mild,
        SHIFTED: list(altered),
    }
    return material, groups


def _older(bundle: Bundle, dataset: Dataset) -> Array32:
    parameters = bundle.manifest.featurizer.parameters
    older = features.create(bundle.manifest.featurizer.identifier, parameters | {"radius": 2})
    return feature_rows(dataset, older)


def _pulsars(dataset: Dataset, squashed: Array32) -> dict[str, Array32]:
    """Only pulsars, and three in ten, of rows of all folds; every one is out of some member's fold."""
    pulsar = dataset.labels[:, 0] == 1
    rng = np.random.default_rng(4)
    pulsars, others = np.flatnonzero(pulsar), np.flatnonzero(~pulsar)
    some = rng.choice(others, int(len(pulsars) * 7 / 3), replace=False)
    return {
        "only pulsars": squashed[pulsars],
        "three pulsars in ten": squashed[np.concatenate([pulsars, some])],
    }


def _halves(dataset: Dataset) -> NDArray[np.int8]:
    """Which half of its fold a row is in, by a hash: clean means that both halves are alike."""
    keys = [repr(record).encode() for record in dataset.records]
    digests = [hashlib.sha256(key + b" half").digest()[0] % 2 for key in keys]
    return np.array(digests, np.int8)
