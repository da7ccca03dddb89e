"""How soon a fault that begins in the midst of clean traffic turns the verdict, and how soon it is over.

Also how often clean traffic turns it: in requests of several sizes, at random, of alike rows, with the
rhythm of a day, and with pauses.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import origin_of
from training.benchmarks.health.faults import CLEAN, DATA, MODEL, POPULATION
from training.benchmarks.health.monitors import Monitors
from training.benchmarks.health.network import Seen
from training.benchmarks.health.onset.traffic import ORDERS, Requests, Rows, Watcher, clean_requests
from training.benchmarks.health.store import load
from training.benchmarks.health.trial import HALVES, Fitted, load_material, seen_of

#: Rows of a request.
SIZES = (1, 16, 64, 256)
#: Requests a second, by rows of a request; and clean rows before the fault, faulty ones, and clean ones
#: after it, at most.
_PER_SECOND = {1: 64.0, 16: 16.0, 64: 8.0, 256: 2.0}
_BEFORE, _FAULTY, _AFTER = 8192, 4096, 16_384
#: Faults in each job, one after the other.
_TIMES = 5
#: Requests between two looks at clean traffic, by rows of a request; a service looks once a second.
_LOOK_EVERY = {1: 32, 16: 8, 64: 4, 256: 4}

#: Requests of a job of clean traffic, by rows of a request, and such jobs of each kind.
_QUIET_REQUESTS, _QUIET_SEEDS = {1: 128_000, 16: 60_000, 64: 40_000, 256: 24_000}, 3

DELAY_KEYS = ("model", "bundle", "group", "fault", "size", "fold")
QUIET_KEYS = ("model", "bundle", "order", "size", "seed")
DELAYS = (
    "found", "rows", "requests", "seconds", "back rows", "back seconds", "began off", "named input",
)  # fmt: skip
QUIET = ("requests", "looks", "turned", "largest")


def delay_jobs(
    same: Mapping[str, Any], groups: Mapping[str, list[str]], folds: Sequence[int], quick: bool
) -> list[dict[str, Any]]:
    """The jobs of ``delays``: every fault in one fold, with requests of every size."""
    return [
        {**same, "group": group, "fault": fault, "size": size, "fold": fold}
        for fold in folds[:1]
        for size in ((64,) if quick else SIZES)
        for group in (DATA, POPULATION, MODEL)
        for fault in groups[group][: 2 if quick else None]
    ]


def quiet_jobs(same: Mapping[str, Any], folds: Sequence[int], quick: bool) -> list[dict[str, Any]]:
    """The jobs of ``quiet``: a million clean requests for each seed."""
    return [
        {**same, "order": order, "size": size, "seed": seed, "fold": folds[seed % len(folds)]}
        | {"requests": 400 if quick else _QUIET_REQUESTS[size]}
        for seed in range(1 if quick else _QUIET_SEEDS)
        for size in ((64,) if quick else SIZES)
        for order in ORDERS
    ]


def delays(job: Mapping[str, Any]) -> dict[str, float]:
    """Let one fault begin and end again and again in clean traffic; return medians over the times."""
    folder, fold, size = Path(job["folder"]), int(job["fold"]), int(job["size"])
    material = load_material(folder)
    seen = {
        name: seen_of(material, fold, group, fault)
        for name, group, fault in (("clean", CLEAN, "clean"), ("faulty", job["group"], job["fault"]))
    }
    own = material.halves[material.folds == fold]
    found: list[dict[str, float]] = []
    for half in HALVES:
        monitors = load(folder / f"fitted-{fold}-{half}.bin", Fitted).monitors
        other = {
            name: Rows.of(monitors, part if len(part.taps) != len(own) else _chosen(part, own != half))
            for name, part in seen.items()
        }
        rng = np.random.default_rng((fold, half, size))
        found += [_once(monitors, other, size, rng) for _ in range(_TIMES)]
    medians = {name: float(np.median([one[name] for one in found])) for name in DELAYS}
    return medians | {
        name: float(np.mean([one[name] for one in found])) for name in ("found", "named input")
    }


def _once(
    monitors: Monitors, rows: Mapping[str, Rows], size: int, rng: np.random.Generator
) -> dict[str, float]:
    watcher, per_second = Watcher(monitors), _PER_SECOND[size]
    at_once = max(_BEFORE // size // 64, 1)
    traffic, now = clean_requests(rows["clean"], "random", size, per_second, rng, at_once), 0.0
    for _ in range(-(-_BEFORE // (size * at_once))):
        requests = next(traffic)
        watcher.take(rows["clean"], requests)
    now = began = float(requests.times[-1])
    result = dict.fromkeys(DELAYS, float("inf")) | {"found": 0.0, "named input": 0.0}

    def take(name: str, step: int) -> None:
        nonlocal now
        times = now + np.cumsum(rng.exponential(1 / per_second, step))
        chosen = rng.integers(0, len(rows[name].statistics), step * size)
        watcher.take(rows[name], Requests(chosen, np.full(step, size), times))
        now = float(times[-1])

    step = 8 if size == 1 else 1
    for sent in range(step, _FAULTY // size + 1, step):
        take("faulty", step)
        found, times = watcher.look()
        if found is not None and found.has_moved and not result["found"]:
            result |= {"found": 1.0, "rows": float(sent * size), "requests": float(sent)}
            result |= {"seconds": now - began, "began off": float(times[found.now.begin, 0]) - began}
            result["named input"] = float(origin_of(found.now.effects) == "input")
        if result["found"] and sent * size >= 1024:
            break
    if not result["found"]:
        return result | dict.fromkeys(("back rows", "back seconds"), 0.0)
    ended = now
    for sent in range(step, _AFTER // size + 1, step):
        take("clean", step)
        found, _ = watcher.look()
        if found is not None and not found.has_moved:
            return result | {"back rows": float(sent * size), "back seconds": now - ended}
    return result


def quiet(job: Mapping[str, Any]) -> dict[str, float]:
    """Run clean traffic through the scan; count how often it turned."""
    folder, fold, size = Path(job["folder"]), int(job["fold"]), int(job["size"])
    half, material = int(job["seed"]) % 2, load_material(folder)
    monitors = load(folder / f"fitted-{fold}-{half}.bin", Fitted).monitors
    own = material.halves[material.folds == fold]
    rows = Rows.of(monitors, _chosen(seen_of(material, fold, CLEAN, "clean"), own != half))
    rng = np.random.default_rng((int(job["seed"]), fold, size, ORDERS.index(job["order"])))
    every = _LOOK_EVERY[size]
    traffic = clean_requests(rows, str(job["order"]), size, _PER_SECOND[size], rng, every)
    watcher, turned, before, largest, looks = Watcher(monitors), 0, False, 0.0, 0
    for _ in range(int(job["requests"]) // every):
        watcher.take(rows, next(traffic))
        found, _times = watcher.look()
        looks += 1
        if found is not None:
            largest = max(largest, found.now.effects.largest)
            turned += found.has_moved and not before
            before = found.has_moved
    figures = {"requests": float(looks * every), "looks": float(looks), "turned": float(turned)}
    return figures | {"largest": largest}


def _chosen(seen: Seen, which: NDArray[np.bool_]) -> Seen:
    return Seen(seen.squashed[which], seen.taps[which], seen.logit[which])
