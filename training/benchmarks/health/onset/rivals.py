"""Change detectors of today on the same streams: river's, one per input and output, and a windowed KS.

Each watches the standard scores of every input and of every logit, a request's mean at a time, and the
first of them that alarms is the alarm. Their cut-offs are set so that clean requests raise one alarm in
``RUN_LENGTH``; the verdict keeps its own, which is far rarer. After an alarm a detector begins anew.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.benchmarks.health.faults import DATA, MODEL, POPULATION
from training.benchmarks.health.network import Seen
from training.benchmarks.health.onset.delay import BEFORE, FAULTY, clean_rows, faulty_rows

Array = NDArray[np.float64]

#: Clean requests for each false alarm, and how many tell it. KSWIN's own p-values tell it: a run of it
#: takes two milliseconds for each request.
RUN_LENGTH = 10_000
_CLEAN = {"Page-Hinkley": 100_000, "ADWIN": 100_000, "KSWIN": 0, "windowed KS": 100_000}
RIVALS = tuple(_CLEAN)
#: Rows of a request.
RIVAL_SIZES = (1, 64)
#: Rows of the window of KS, and steps at which distributions are compared.
_WINDOW, _STEPS = 256, 32
#: The shift in standard deviations that Page-Hinkley tolerates: half of what degrades the verdict.
_TOLERATED = 0.25
#: Faulty requests at most.
_FAULTY = 1024
#: Requests of KSWIN's window: alarms closer together are one.
_EPISODE = 100

RIVAL_KEYS = ("model", "bundle", "rival", "group", "fault", "size")
DELAYED = ("times", "found", "requests", "clean requests", "false alarms")


def rival_jobs(
    same: Mapping[str, Any], groups: Mapping[str, list[str]], fold: int, quick: bool
) -> list[dict[str, Any]]:
    """The jobs of ``rival``."""
    return [
        {**same, "rival": rival, "group": group, "fault": fault, "size": size, "fold": fold}
        for rival in (("windowed KS",) if quick else RIVALS)
        for size in ((64,) if quick else RIVAL_SIZES)
        for group in (DATA, POPULATION, MODEL)
        for fault in groups[group][: 2 if quick else None]
    ]


def rival(job: Mapping[str, Any]) -> dict[str, float]:
    """Let one fault begin again and again in clean traffic; return a rival's median delay."""
    folder, fold, size = Path(job["folder"]), int(job["fold"]), int(job["size"])
    name, before, times = str(job["rival"]), int(job["before"]), 2 * int(job["times"])
    number = min(_CLEAN[name], 100_000 if before == BEFORE else 2000)
    cut, alarms = _cut(folder, fold, name, size, number)
    scores = _scores(folder, fold, faulty_rows(folder, fold, 0, str(job["group"]), str(job["fault"])))
    delayed = []
    for seed in range(times):
        rng = np.random.default_rng((fold, size, seed, 4))
        faulty = _requests(scores, min(FAULTY[size] // size, _FAULTY), size, rng)
        if name == "windowed KS":
            kept = max(_WINDOW // size, 1)
            clean = _requests(_clean_scores(folder, fold), kept, size, rng)
            over = _windowed(np.concatenate([clean, faulty]), *_steps(folder, fold), kept) > cut
            delayed.append(float(over.argmax()) + 1 if over.any() else float("inf"))
        else:
            known = _after_clean(folder, fold, name, size, -(-before // size), seed, cut)
            found = _alarms(name, cut, faulty.mean(axis=1), deepcopy(known), first=True)[0]
            delayed.append(float(found[0] + 1) if found else float("inf"))
    return {
        "times": float(times),
        "found": float(np.mean(np.isfinite(delayed))),
        "requests": float(np.median(delayed)),
        "clean requests": float(number),
        "false alarms": float(alarms),
    }


@lru_cache(maxsize=32)
def _after_clean(
    folder: Path, fold: int, name: str, size: int, requests: int, seed: int, cut: float
) -> list[Any]:
    """Detectors that have seen so many clean requests; the same for every fault."""
    rng, scores = np.random.default_rng((fold, size, seed, 2)), _clean_scores(folder, fold)
    if name == "KSWIN":  # it knows no more than its window
        requests = min(requests, 2 * _EPISODE)
    return _alarms(name, cut, _means(scores, requests, size, rng))[1]


@lru_cache(maxsize=1)
def _clean_scores(folder: Path, fold: int) -> Array:
    return _scores(folder, fold, clean_rows(folder, fold, 0)[1])


@lru_cache(maxsize=1)
def _scale(folder: Path, fold: int) -> tuple[Array, Array]:
    """Centre and spread of the rows that the monitors are fitted to: those of the other half."""
    rows = _values(clean_rows(folder, fold, 1)[1])
    return rows.mean(axis=0), rows.std(axis=0) + 1e-9


def _scores(folder: Path, fold: int, seen: Seen) -> Array:
    centre, spread = _scale(folder, fold)
    scores = (_values(seen) - centre) / spread
    return np.nan_to_num(scores, nan=1e6, posinf=1e6, neginf=-1e6).clip(-1e6, 1e6)


def _values(seen: Seen) -> Array:
    return np.concatenate([seen.squashed, seen.logit], axis=1).astype(np.float64)


def _requests(scores: Array, number: int, size: int, rng: np.random.Generator) -> Array:
    """Requests (number, size, S) of rows at random."""
    return scores[rng.integers(0, len(scores), (number, size))]


@lru_cache(maxsize=16)
def _cut(folder: Path, fold: int, name: str, size: int, number: int) -> tuple[float, int]:
    """The cut-off that gives one alarm in ``RUN_LENGTH`` clean requests, and how many in ``number``."""
    clean = _clean_scores(folder, fold)
    rng = np.random.default_rng((fold, size, 3))
    if name == "KSWIN":
        return float(np.log10(RUN_LENGTH * clean.shape[1])), 0
    wanted = max(number // RUN_LENGTH, 1)
    if name == "windowed KS":
        scores = _distances(clean, *_steps(folder, fold), number, size, rng)
        return _by_scores(scores, wanted, max(_WINDOW // size, 1))
    means = _means(clean, number, size, rng)
    # The fewer alarms, the larger a threshold and the smaller a probability.
    low, high = (1.0, 1000.0) if name == "Page-Hinkley" else (1.0, 60.0)
    for _ in range(9):
        middle = float(np.sqrt(low * high))
        alarms = len(_alarms(name, middle, means)[0])
        low, high = (middle, high) if alarms > wanted else (low, middle)
    return high, len(_alarms(name, high, means)[0])


def _by_scores(scores: Array, wanted: int, apart: int) -> tuple[float, int]:
    """The smallest score that is exceeded in no more than ``wanted`` episodes, and their number."""
    for cut in np.unique(np.sort(scores)[-200 * apart :]):
        times = np.flatnonzero(scores > cut)
        episodes, last = 0, -apart - 1
        for time in times.tolist():
            episodes, last = (episodes + 1, time) if time - last > apart else (episodes, last)
        if episodes <= wanted:
            return float(cut), episodes
    return float(scores.max()), 0


def _detectors(name: str, cut: float, streams: int) -> list[Any]:
    from river import drift

    make: Callable[[int], Any] = {
        "Page-Hinkley": lambda _: drift.PageHinkley(delta=_TOLERATED, threshold=cut),
        "ADWIN": lambda _: drift.ADWIN(delta=10**-cut, clock=1),
        "KSWIN": lambda seed: drift.KSWIN(alpha=10**-cut, seed=seed),
    }[name]
    return [make(number) for number in range(streams)]


def _alarms(
    name: str, cut: float, means: Array, detectors: list[Any] | None = None, *, first: bool = False
) -> tuple[list[int], list[Any]]:
    """The numbers of the requests (n, S) at which a detector alarmed, and the detectors after them.

    With ``first`` they end with the first alarm.
    """
    detectors, alarms = detectors or _detectors(name, cut, means.shape[1]), list[int]()
    for number, values in enumerate(means.tolist()):
        for detector, value in zip(detectors, values, strict=True):
            detector.update(value)
        if any(detector.drift_detected for detector in detectors):
            alarms.append(number)
            if first:
                break
            detectors = _detectors(name, cut, means.shape[1])
    return alarms, detectors


@lru_cache(maxsize=1)
def _steps(folder: Path, fold: int) -> tuple[Array, Array]:
    """Steps (S, K) at which distributions are compared, and the shares of clean rows below them."""
    clean = _clean_scores(folder, fold)
    steps = np.quantile(clean, np.linspace(0, 1, _STEPS + 2)[1:-1], axis=0).T
    return steps, (clean[:, :, None] <= steps).mean(axis=0)


def _means(scores: Array, number: int, size: int, rng: np.random.Generator) -> Array:
    """The means (number, S) of requests of rows at random."""
    parts = [min(4096, number - at) for at in range(0, number, 4096)]
    return np.concatenate([_requests(scores, part, size, rng).mean(axis=1) for part in parts])


def _distances(
    scores: Array, steps: Array, usual: Array, number: int, size: int, rng: np.random.Generator
) -> Array:
    """The largest distance of a distribution from the clean one, in the window up to each request."""
    kept = max(_WINDOW // size, 1)
    found, last = [], _requests(scores, kept, size, rng)
    for at in range(0, number, 1000):
        rows = np.concatenate([last, _requests(scores, min(1000, number - at), size, rng)])
        found.append(_windowed(rows, steps, usual, kept))
        last = rows[-kept:]
    return np.concatenate(found)


def _windowed(requests: Array, steps: Array, usual: Array, kept: int) -> Array:
    below = (requests[:, :, :, None] <= steps).mean(axis=1, dtype=np.float32)
    sums = np.cumsum(below, axis=0, dtype=np.float64)
    means = (sums[kept:] - sums[:-kept]) / kept
    distances: Array = np.abs(means - usual).max(axis=(1, 2))
    return distances
