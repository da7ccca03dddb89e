"""How often clean traffic turns the verdict: at random, of alike rows, by the hour, and with pauses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.benchmarks.health.onset.delay import clean_rows
from training.benchmarks.health.onset.traffic import (
    ORDERS,
    PER_SECOND,
    SIZES,
    Rows,
    Watcher,
    clean_requests,
)

#: Requests between two looks at clean traffic, by rows of a request; a service looks once a second.
_LOOK_EVERY = {1: 32, 16: 8, 64: 4, 256: 4}
#: Requests of a job, by rows of a request, and jobs of each kind. A look at molecules, which have many
#: features, takes ten times as long as one at candidates: they get fewer.
_REQUESTS, _SEEDS = {1: 128_000, 16: 60_000, 64: 40_000, 256: 24_000}, {"htru2": 3, "tox21": 1}
_SHARE = {"htru2": 1, "tox21": 10}

QUIET_KEYS = ("model", "bundle", "order", "size", "seed")
QUIET = ("requests", "looks", "turned", "largest")


def quiet_jobs(same: Mapping[str, Any], folds: Sequence[int], quick: bool) -> list[dict[str, Any]]:
    """The jobs of ``quiet``: a million clean requests of candidates for each seed."""
    return [
        {**same, "order": order, "size": size, "seed": seed, "fold": folds[seed % len(folds)]}
        | {"requests": 400 if quick else _REQUESTS[size] // _SHARE[same["model"]]}
        for seed in range(1 if quick else _SEEDS[same["model"]])
        for size in ((64,) if quick else SIZES)
        for order in ORDERS
    ]


def quiet(job: Mapping[str, Any]) -> dict[str, float]:
    """Run clean traffic through the scan; count how often it turned."""
    fold, size = int(job["fold"]), int(job["size"])
    fitted, seen = clean_rows(Path(job["folder"]), fold, int(job["seed"]) % 2)
    rows, every = Rows.of(fitted.monitors, seen), _LOOK_EVERY[size]
    rng = np.random.default_rng((int(job["seed"]), fold, size, ORDERS.index(job["order"])))
    traffic = clean_requests(rows, str(job["order"]), size, PER_SECOND[size], rng, every)
    watcher, turned, before, largest, looks = Watcher(fitted.monitors), 0, False, 0.0, 0
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
