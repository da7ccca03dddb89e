"""How soon a fault amid clean traffic turns the verdict, and how soon that is over."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import origin_of
from training.benchmarks.health.faults import CLEAN, DATA, MODEL, POPULATION
from training.benchmarks.health.network import Seen
from training.benchmarks.health.onset.traffic import (
    PER_SECOND,
    SIZES,
    Requests,
    Rows,
    Watcher,
    clean_requests,
)
from training.benchmarks.health.store import load
from training.benchmarks.health.trial import HALVES, Fitted, load_material, seen_of

#: Clean rows before the fault, and after it at most; faulty ones, by rows of a request, at most.
BEFORE, _AFTER = 100_000, 16_384
FAULTY = {1: 4096, 16: 8192, 64: 16_384, 256: 16_384}
#: Rows of a fault that go on at least, so that there is something to come back from.
_LASTS = 1024
#: Requests of one row come eight at a time; clean rows before a fault some thousand.
_STEP, _AT_ONCE = 8, 4096

#: What tells most comes first: a run may be stopped and taken up again.
_IN_TURN = (64, 1, 256, 16)

DELAY_KEYS = ("model", "bundle", "group", "fault", "size", "fold")
DELAYS = (
    "times", "found", "rows", "requests", "seconds", "back rows", "back seconds", "began off",
    "named input",
)  # fmt: skip
_SHARES = ("found", "named input")


def delay_jobs(
    same: Mapping[str, Any], groups: Mapping[str, list[str]], fold: int, quick: bool
) -> list[dict[str, Any]]:
    """The jobs of ``delays``: every fault in one fold, with requests of every size."""
    return [
        {**same, "group": group, "fault": fault, "size": size, "fold": fold}
        for size in ((64,) if quick else sorted(SIZES, key=_IN_TURN.index))
        for group in (DATA, POPULATION, MODEL)
        for fault in groups[group][: 2 if quick else None]
    ]


def delays(job: Mapping[str, Any]) -> dict[str, float]:
    """Let one fault begin and end again and again in clean traffic; return medians over the times."""
    folder, fold, size = Path(job["folder"]), int(job["fold"]), int(job["size"])
    before, times = int(job["before"]), int(job["times"])
    found: list[dict[str, float]] = []
    for half in HALVES:
        faulty = _faulty(folder, fold, half, str(job["group"]), str(job["fault"]))
        found += [_once(folder, fold, half, size, before, number, faulty) for number in range(times)]
    figures = {"times": float(len(found))}
    for name in DELAYS[1:]:
        middle = np.mean if name in _SHARES else np.median
        figures[name] = float(middle([one[name] for one in found]))
    return figures


def clean_rows(folder: Path, fold: int, half: int) -> tuple[Fitted, Seen]:
    """A half's monitors, and the clean rows of its fold's other half."""
    material, fitted = load_material(folder), load(folder / f"fitted-{fold}-{half}.bin", Fitted)
    own = material.halves[material.folds == fold]
    return fitted, chosen(seen_of(material, fold, CLEAN, "clean"), own != half)


def faulty_rows(folder: Path, fold: int, half: int, group: str, fault: str) -> Seen:
    """The rows of a fault: those of the fold's other half, or all of a population."""
    material = load_material(folder)
    seen, own = seen_of(material, fold, group, fault), material.halves[material.folds == fold]
    return seen if len(seen.taps) != len(own) else chosen(seen, own != half)


def chosen(seen: Seen, which: NDArray[np.bool_]) -> Seen:
    """Some of the rows."""
    return Seen(seen.squashed[which], seen.taps[which], seen.logit[which])


@lru_cache(maxsize=2)
def _clean(folder: Path, fold: int, half: int) -> tuple[Fitted, Rows]:
    fitted, seen = clean_rows(folder, fold, half)
    return fitted, Rows.of(fitted.monitors, seen)


def _faulty(folder: Path, fold: int, half: int, group: str, fault: str) -> Rows:
    fitted, _ = _clean(folder, fold, half)
    return Rows.of(fitted.monitors, faulty_rows(folder, fold, half, group, fault))


@lru_cache(maxsize=32)
def _watched(
    folder: Path, fold: int, half: int, size: int, before: int, number: int
) -> tuple[Watcher, float]:
    """A monitor that has seen clean traffic, and when the last of it came; the same for every fault."""
    fitted, rows = _clean(folder, fold, half)
    watcher, rng = Watcher(fitted.monitors), np.random.default_rng((fold, half, size, number))
    at_once, now = max(_AT_ONCE // size, 1), 0.0
    traffic = clean_requests(rows, "random", size, PER_SECOND[size], rng, at_once)
    for _ in range(-(-before // (size * at_once))):
        requests = next(traffic)
        watcher.take(rows, requests)
        now = float(requests.times[-1])
    watcher.look()
    return watcher, now


def _once(
    folder: Path, fold: int, half: int, size: int, before: int, number: int, faulty: Rows
) -> dict[str, float]:
    watcher, began = _watched(folder, fold, half, size, before, number)
    watcher, now = watcher.copied(), began
    rows = {"faulty": faulty, "clean": _clean(folder, fold, half)[1]}
    rng = np.random.default_rng((fold, half, size, number, 1))
    result = dict.fromkeys(DELAYS, float("inf")) | dict.fromkeys(_SHARES, 0.0)

    def take(name: str, requests: int) -> None:
        nonlocal now
        times = now + np.cumsum(rng.exponential(1 / PER_SECOND[size], requests))
        places = rng.integers(0, len(rows[name].statistics), requests * size)
        watcher.take(rows[name], Requests(places, np.full(requests, size), times))
        now = float(times[-1])

    step = _STEP if size == 1 else 1
    for sent in range(step, FAULTY[size] // size + 1, step):
        take("faulty", step)
        found, times = watcher.look()
        if found is not None and found.has_moved and not result["found"]:
            result |= {"found": 1.0, "rows": float(sent * size), "requests": float(sent)}
            result |= {"seconds": now - began, "began off": float(times[found.now.begin, 0]) - began}
            result["named input"] = float(origin_of(found.now.effects) == "input")
        if result["found"] and sent * size >= _LASTS:
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
