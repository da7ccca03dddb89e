"""A million clean rows through the verdict and the sequential detector, in two orders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import DEGRADED_AT, UNHEALTHY_AT
from models.health.evidence import own_sums
from models.health.sequential import Sequential
from training.benchmarks.health.faults import CLEAN
from training.benchmarks.health.store import load
from training.benchmarks.health.trial import (
    Fitted,
    effects_of,
    load_material,
    seen_of,
)

#: Rows that are judged together, and rows of a request where requests are of alike rows.
WINDOW, TOGETHER = 1000, 20
FIGURES = ("rows", "windows", "degraded", "unhealthy", "sequential alarms", "highest level")


def stream(job: Mapping[str, Any]) -> dict[str, float]:
    """Run one seed's rows, in random order or clustered; count what was flagged."""
    folder, seed, rows = Path(job["folder"]), int(job["seed"]), int(job["rows"])
    clustered = job["order"] == "alike"
    fold, half = seed % 5, seed // 5 % 2
    material = load_material(folder)
    monitors = load(folder / f"fitted-{fold}-{half}.bin", Fitted).monitors
    own = material.halves[material.folds == fold]
    seen = seen_of(material, fold, CLEAN, "clean")
    kept = monitors.rows(
        type(seen)(*(part[own != half] for part in (seen.squashed, seen.taps, seen.logit)))
    )
    kept = {name: kept[name] for name in ("out", "z")}
    layout, cumulants = monitors.layout, monitors.reference.cumulants
    assert cumulants is not None
    sequential, rng = Sequential(cumulants), np.random.default_rng(seed)
    # Neighbours along the inputs' leading direction are alike.
    order = np.argsort(kept["out"][:, layout.directions.start])
    counts = {"degraded": 0, "unhealthy": 0, "sequential alarms": 0}
    highest = 0.0
    windows = rows // WINDOW
    for _ in range(windows):
        chosen, sizes = _draw(rng, order, clustered)
        largest = effects_of(monitors, kept, chosen, sizes).largest
        counts["degraded"] += largest >= DEGRADED_AT
        counts["unhealthy"] += largest >= UNHEALTHY_AT
        own = own_sums(kept["out"][chosen].T.astype(np.float64), sizes, layout)
        capped = (own.capped / sizes).sum(axis=1)
        counts["sequential alarms"] += sequential.add(len(sizes), capped) is not None
        highest = max(highest, sequential.level)
    return {"rows": float(windows * WINDOW), "windows": float(windows), "highest level": highest} | {
        name: float(count) for name, count in counts.items()
    }


def _draw(
    rng: np.random.Generator, order: NDArray[np.intp], clustered: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    if not clustered:
        return rng.integers(0, len(order), WINDOW), np.ones(WINDOW, np.intp)
    starts = rng.integers(0, len(order) - TOGETHER, WINDOW // TOGETHER)
    rows = order[(starts[:, None] + np.arange(TOGETHER)).ravel()]
    return rows, np.full(len(starts), TOGETHER)
