"""One fault in one fold: rows through the networks, windows through the monitors, verdicts through ours.

Detectors are fitted to half a fold's rows, which the fold's own members never saw, and to the inputs of
the other folds; they are tried on the other half, and the halves change places. Which number is too
large is learned from the other folds' clean windows alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.health.effect_size import DEGRADED_AT, UNHEALTHY_AT, Effects, origin_of
from models.health.evidence import own_sums, sum_up
from models.health.fitting import MemberRows, fit_reference
from models.health.windows.shifts import assess
from training.benchmarks.health.faults import CLEAN, MODEL, SHIFTED
from training.benchmarks.health.monitors import MONITORS, Cutoffs, Monitors
from training.benchmarks.health.network import Network, Seen
from training.benchmarks.health.store import keep, load

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]

#: Rows of a window.
SIZES = (1, 32, 256, 1024)
#: The size at which the verdict itself is tried.
VERDICT_SIZE = 256
HALVES = (0, 1)


@dataclass(frozen=True, slots=True)
class Effort:
    """Windows of each half of a fold: of every monitor, of the costly ones, of verdicts, and clean."""

    windows: int = 200
    few: int = 100
    verdicts: int = 50
    clean: int = 400


@dataclass(frozen=True, slots=True)
class Material:
    """A model's rows: squashed ``(n, F)``, folds, which half of its fold each is in, by fault."""

    network: Network
    squashed: dict[str, Array32]
    folds: NDArray[np.int8]
    halves: NDArray[np.int8]
    networks: dict[str, tuple[Network, str]]  # of model faults: and which members stand in
    foreign: dict[str, Array32]  # populations that are in no fold
    mild: str  # the one of them that is nearest to ordinary traffic


@dataclass(frozen=True, slots=True)
class Fitted:
    """A half's monitors, and what clean windows of the other half give, by size and monitor."""

    monitors: Monitors
    clean: dict[int, dict[str, Array]]


def figures() -> list[str]:
    """The names of a trial's figures."""
    return [f"{name} {size}" for name in MONITORS for size in SIZES] + [
        "effect", "estimate", "largest estimate", "degraded", "unhealthy", "named input", "flagged",
    ]  # fmt: skip


def seen_of(material: Material, fold: int, group: str, fault: str) -> Seen:
    """A fold's rows as the monitor sees them under a fault, by the members that never saw them."""
    own = material.folds == fold
    network, members = material.network, material.network.without(fold)
    squashed = material.squashed["clean"]
    if group in (MODEL, SHIFTED):
        network, stand_in = material.networks[fault]
        if stand_in != "none":
            shifted = [(member + 1) % len(network.folds) for member in members]
            members = shifted if stand_in == "all" else [*members[:-1], shifted[-1]]
    if group == SHIFTED:
        return network.run(material.foreign[material.mild], members)
    if group != MODEL and fault in material.foreign:
        return network.run(material.foreign[fault], members)
    if group not in (CLEAN, MODEL):
        squashed = material.squashed[fault]
    return network.run(squashed[own], members)


def fit(folder: Path, fold: int, half: int, effort: Effort) -> dict[int, dict[str, Array]]:
    """Fit a half's monitors, keep them, and return what clean windows of the other half give."""
    path = folder / f"fitted-{fold}-{half}.bin"
    if path.exists():
        return load(path, Fitted).clean
    material = load_material(folder)
    seen = seen_of(material, fold, CLEAN, "clean")
    own = np.flatnonzero(material.folds == fold)
    reference_half = material.halves[own] == half
    rows = own[reference_half]
    others = np.flatnonzero(material.folds != fold)
    inputs = np.concatenate([material.squashed["clean"][others], material.squashed["clean"][rows]])
    places = len(others) + np.arange(len(rows))
    members = [
        MemberRows(seen.taps[reference_half, number], places) for number in range(seen.taps.shape[1])
    ]
    reference = fit_reference(members, inputs)
    monitors = Monitors.of(reference, material.squashed["clean"][others], _part(seen, reference_half))
    kept = monitors.rows(_part(seen, ~reference_half))
    clean = {
        size: monitors.windows(kept, _weights(len(kept["out"]), effort.clean, size, 7), effort.clean)
        for size in SIZES
    }
    keep(path, Fitted(monitors, clean))
    return clean


def trial(job: Mapping[str, Any]) -> dict[str, float]:
    """Try one fault in one fold; return each monitor's rates and the verdict's."""
    folder, effort = Path(job["folder"]), job["effort"]
    fold, group, fault = int(job["fold"]), str(job["group"]), str(job["fault"])
    material, (fitted, cutoffs) = load_material(folder), _fold(folder, fold)
    seen = seen_of(material, fold, group, fault)
    own = material.halves[material.folds == fold]
    results = []
    for half in HALVES:
        monitors = fitted[half]
        tried = seen if len(seen.taps) != len(own) else _part(seen, own != half)
        kept = monitors.rows(tried)
        rates: dict[str, float] = {}
        for size in SIZES:
            weights = _weights(len(tried.taps), effort.windows, size, 10 * fold + half)
            values = monitors.windows(kept, weights, effort.few)
            every = cutoffs[size].rates(values)
            rates |= {f"{name} {size}": rate for name, rate in every.items()}
        results.append(rates | verdicts(monitors, kept, effort.verdicts, 10 * fold + half))
    return {name: float(np.mean([rates[name] for rates in results])) for name in figures()}


def verdicts(monitors: Monitors, kept: dict[str, Array32], windows: int, seed: int) -> dict[str, float]:
    """The served effects, and how often the verdict is degraded or unhealthy and names the inputs."""
    rng = np.random.default_rng(seed)
    sure, estimates, named = [], [], []
    for _ in range(windows):
        rows = rng.integers(0, len(kept["out"]), VERDICT_SIZE)
        effects = effects_of(monitors, kept, rows, np.ones(VERDICT_SIZE, np.intp))
        sure.append(effects.largest)
        estimates.append(effects.shift.effect)
        if sure[-1] >= DEGRADED_AT:
            named.append(origin_of(effects) == "input")
    return {
        "effect": float(np.mean(sure)),
        "estimate": float(np.mean(estimates)),
        "largest estimate": float(np.max(estimates)),
        "degraded": float(np.mean(np.array(sure) >= DEGRADED_AT)),
        "unhealthy": float(np.mean(np.array(sure) >= UNHEALTHY_AT)),
        "named input": float(sum(named)),
        "flagged": float(len(named)),
    }


def effects_of(
    monitors: Monitors,
    kept: dict[str, Array32],
    rows: NDArray[np.intp],
    sizes: NDArray[np.intp],
) -> Effects:
    """The effects of a window of rows, in requests of ``sizes`` rows each."""
    own = own_sums(kept["out"][rows].T.astype(np.float64), sizes, monitors.layout)
    sums = sum_up(own, sizes, monitors.layout)
    z = kept["z"][rows]
    features = np.stack([z.mean(axis=0), np.square(z).mean(axis=0)]).astype(np.float64)
    return assess(monitors.reference, monitors.layout, sums, features)


@lru_cache(maxsize=1)
def load_material(folder: Path) -> Material:
    """A model's rows, as the run's first step kept them in a folder of its own."""
    return load(folder / "material.bin", Material)


@lru_cache(maxsize=1)
def _fold(folder: Path, fold: int) -> tuple[list[Monitors], dict[int, Cutoffs]]:
    """A fold's monitors by half, and the cut-offs learned from the other folds' clean windows."""
    clean: list[dict[int, dict[str, Array]]] = []
    fitted = []
    for other in sorted({int(number) for number in np.unique(load_material(folder).folds)}):
        for half in HALVES:
            half_of = load(folder / f"fitted-{other}-{half}.bin", Fitted)
            if other == fold:
                fitted.append(half_of.monitors)
            else:
                clean.append(half_of.clean)
    cutoffs = {}
    for size in SIZES:
        names = clean[0][size]
        pooled = {name: np.concatenate([part[size][name] for part in clean]) for name in names}
        cutoffs[size] = Cutoffs.of(pooled)
    return fitted, cutoffs


def _part(seen: Seen, chosen: NDArray[np.bool_]) -> Seen:
    return Seen(seen.squashed[chosen], seen.taps[chosen], seen.logit[chosen])


def _weights(rows: int, windows: int, size: int, seed: int) -> Array32:
    """Each window's share of every row: ``size`` rows drawn with replacement."""
    rng = np.random.default_rng((seed, size))
    drawn = rng.integers(0, rows, (windows, size))
    weights = np.zeros((windows, rows), np.float32)
    np.add.at(weights, (np.arange(windows)[:, None], drawn), np.float32(1 / size))
    return weights
