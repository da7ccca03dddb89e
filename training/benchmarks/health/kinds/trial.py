"""One fault after clean traffic: whether its origin, kind and place are named rightly."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle, open_bundle
from models.health.diagnosis.inputs import FeatureScales, recognise
from models.health.diagnosis.network import altered
from models.health.effect_size import origin_of
from models.health.windows.blocks import BLOCK_ROWS
from models.networks.outputs import INPUT, SQUASHED
from models.registry.store import Repository
from training.benchmarks.health.kinds.faults import OF_INPUTS, Wrong, wrong_inputs, wrong_models
from training.benchmarks.health.material import LOADERS
from training.benchmarks.health.monitors import Monitors
from training.benchmarks.health.network import Network
from training.benchmarks.health.onset.delay import clean_rows
from training.benchmarks.health.onset.traffic import (
    PER_SECOND,
    Requests,
    Rows,
    Watcher,
    clean_requests,
)
from training.benchmarks.health.trial import HALVES, load_material
from training.networks.export import reopened
from training.pipeline.run import feature_rows

Array32 = NDArray[np.float32]

#: Rows of the fault, and clean ones before it.
ROWS, BEFORE = 256, 100_000
#: Requests between two looks, by the rows of a request.
LOOK_EVERY = {1: 8, 64: 1}
#: How often a fault is tried in each half of a fold, where it is not once; and the kinds that have so
#: many faults that two folds are enough.
TIMES = {"swapped": 2}
_TWO_FOLDS = ("shuffled", "shifted", "rescaled", "constant")

KIND_KEYS = ("model", "bundle", "kind", "fault", "size")
KINDS = ("trials", "turned", "right", "place", "origin ever", "origin")


@dataclass(frozen=True, slots=True)
class _Half:
    """A half of a fold: its monitors, after clean traffic, and the numbers of the other half's rows."""

    monitors: Monitors
    clean: Rows
    watcher: Watcher
    now: float
    numbers: NDArray[np.intp]
    scales: FeatureScales | None


def kind_jobs(
    same: Mapping[str, Any], faults: Sequence[Wrong], folds: Sequence[int]
) -> list[dict[str, Any]]:
    """The jobs of ``kind_trials``: every fault, by requests of one row and of 64."""
    return [
        {**same, "kind": fault.kind, "fault": fault.name, "size": size}
        | {"folds": tuple(folds[:2] if fault.kind in _TWO_FOLDS else folds)}
        for fault in faults
        for size in LOOK_EVERY
    ]


def kind_trials(job: Mapping[str, Any]) -> dict[str, float]:
    """Let a fault begin in each half of some folds; count how often it is named rightly.

    *Origin ever* and *origin* count where the wrong one of inputs and model was named: at any look
    since the verdict turned, and at the last.
    """
    folder, size = Path(job["folder"]), int(job["size"])
    fault = every_fault(str(job["repository"]), str(job["model"]))[job["kind"], job["fault"]]
    counts = dict.fromkeys(KINDS, 0.0)
    for fold in job["folds"]:
        for half in HALVES:
            prepared = _half(folder, str(job["repository"]), str(job["model"]), fold, half, size)
            for number in range(TIMES.get(fault.kind, 1)):
                rng = np.random.default_rng((fold, half, size, number))
                found = _once(job, fault, prepared, fold, size, rng)
                counts = {name: counts[name] + found.get(name, 0.0) for name in KINDS}
    return counts


@lru_cache(maxsize=2)
def every_fault(repository: str, model: str) -> dict[tuple[str, str], Wrong]:
    """The faults of a model by kind and name; those of columns where clients send columns."""
    bundle, raw = _raw(repository, model)
    faults = wrong_models(Network.of(bundle))
    if model == "htru2":
        faults = wrong_inputs(list(bundle.featurizer.names), raw) + faults
    return {(fault.kind, fault.name): fault for fault in faults}


@lru_cache(maxsize=2)
def _squash(repository: str, model: str) -> Callable[[Array32], Array32]:
    """A model's raw rows to squashed ones; its session is opened once."""
    session = reopened(_raw(repository, model)[0].model, (SQUASHED,))

    def squash(raw: Array32) -> Array32:
        squashed: Array32 = session.run([SQUASHED], {INPUT: raw})[0]
        return squashed

    return squash


@lru_cache(maxsize=2)
def _raw(repository: str, model: str) -> tuple[Bundle, Array32]:
    store = Repository(Path(repository))
    bundle = open_bundle(store.bundle(model, store.serving(model).champion))
    return bundle, feature_rows(LOADERS[model](), bundle.featurizer)


@lru_cache(maxsize=32)
def _half(folder: Path, repository: str, model: str, fold: int, half: int, size: int) -> _Half:
    fitted, clean = clean_rows(folder, fold, half)
    rows, monitors = Rows.of(fitted.monitors, clean), fitted.monitors
    watcher, rng = Watcher(monitors), np.random.default_rng((fold, half, size, 9))
    at_once, now = max(4096 // size, 1), 0.0
    traffic = clean_requests(rows, "random", size, PER_SECOND[size], rng, at_once)
    for _ in range(-(-BEFORE // (size * at_once))):
        requests = next(traffic)
        watcher.take(rows, requests)
        now = float(requests.times[-1])
    watcher.look()
    material, inputs = load_material(folder), monitors.reference.inputs
    numbers = np.flatnonzero((material.folds == fold) & (material.halves != half))
    assert inputs is not None
    scales = FeatureScales.of(inputs, _squash(repository, model))
    return _Half(monitors, rows, watcher, now, numbers, scales)


def _once(
    job: Mapping[str, Any], fault: Wrong, half: _Half, fold: int, size: int, rng: np.random.Generator
) -> dict[str, float]:
    store, model = str(job["repository"]), str(job["model"])
    raw, squash = _raw(store, model)[1], _squash(store, model)
    material = load_material(Path(job["folder"]))
    numbers = rng.permutation(half.numbers)[:ROWS]
    network = fault.network or material.network
    members = [(member + fault.members_off) % len(network.folds) for member in network.without(fold)]
    squashed = (
        material.squashed["clean"][numbers]
        if fault.apply is None
        else squash(np.ascontiguousarray(fault.apply(raw[numbers])))
    )
    rows = Rows.of(half.monitors, network.run(squashed, members))
    watcher, now, step = half.watcher.copied(), half.now, LOOK_EVERY[size]
    if size < BLOCK_ROWS and fault.kind in OF_INPUTS:  # it does not begin where a block does
        few = int(rng.integers(1, BLOCK_ROWS))
        times = now + np.cumsum(rng.exponential(1 / PER_SECOND[size], few))
        chosen = rng.integers(0, len(half.clean.cells), few * size)
        watcher.take(half.clean, Requests(chosen, np.full(few, size), times))
        now = float(times[-1])
    wrong = "model" if fault.kind in OF_INPUTS else "input"
    result, found, pure, blamed = {"trials": 1.0}, None, None, False
    for at in range(0, ROWS, step * size):
        times = now + np.cumsum(rng.exponential(1 / PER_SECOND[size], step))
        now = float(times[-1])
        watcher.take(rows, Requests(np.arange(at, at + step * size), np.full(step, size), times))
        found, _, pure = watcher.look_closely()
        if found is not None and found.has_moved:
            blamed = blamed or origin_of(found.now.effects) == wrong
    if found is None or not found.has_moved:
        return result
    effects, inputs = found.now.effects, half.monitors.reference.inputs
    result |= {"turned": 1.0, "origin ever": float(blamed)}
    if origin_of(effects) == wrong:
        return result | {"origin": 1.0}
    if wrong == "input":
        kind, place = altered(effects)
        same = not fault.place or fault.place == (place,)
        return result | {"right": float(kind == fault.kind), "place": float(kind == fault.kind and same)}
    assert inputs is not None
    assert pure is not None
    assert pure.means is not None
    happened = recognise(inputs, pure.means, half.scales)
    right = happened.kind == fault.kind
    same = set(happened.features) == set(fault.place)
    return result | {"right": float(right), "place": float(right and same)}
