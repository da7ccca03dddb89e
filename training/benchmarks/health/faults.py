"""What can go wrong between a client's record and the answer, put into rows and weights on purpose."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle
from training.benchmarks.health.network import Network

Array32 = NDArray[np.float32]

#: Groups of faults, as the tables have them.
DATA, POPULATION, MODEL, CLEAN = "data", "population", "model", "clean"
#: A real shift that is mild: it should not be flagged, and is in no group of faults.
MILD = "mild"
#: A faulty model whose traffic has moved a little as well, as ordinary traffic does: who is at fault?
SHIFTED = "model, traffic mildly shifted"

#: The columns that go wrong one at a time: first, middle and last of the candidates' eight, and three
#: descriptors of molecules that every toolkit has.
_COLUMNS = {
    "htru2": ("profile_mean", "dm_mean", "dm_kurtosis"),
    "tox21": ("amw", "tpsa", "CrippenClogP"),
}
_SWAPPED = {"htru2": ("profile_skewness", "profile_kurtosis"), "tox21": ("amw", "tpsa")}
_BLOCK = {"htru2": "dm_", "tox21": "MACCS_"}


@dataclass(frozen=True, slots=True)
class DataFault:
    """Raw rows (n, F) to raw rows; ``rows`` are the whole data set's, for medians and spreads."""

    name: str
    apply: Callable[[Array32], Array32]


def data_faults(model: str, bundle: Bundle, rows: Array32) -> list[DataFault]:
    """The faults of data, but for a wrong featurizer's, which are made from records."""
    names = list(bundle.featurizer.names)
    median = np.nanmedian(rows, axis=0)
    mean, spread = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0) + 1e-9
    count = len(names)
    order = np.random.default_rng(1).permutation(count)
    block = np.array([name.startswith(_BLOCK[model]) for name in names])
    first, second = (names.index(name) for name in _SWAPPED[model])

    def column(name: str, change: Callable[[Array32, float], Array32]) -> Callable[[Array32], Array32]:
        at = names.index(name)

        def apply(raw: Array32) -> Array32:
            raw = raw.copy()
            raw[:, at] = change(raw[:, at], float(median[at]))
            return raw

        return apply

    def swap(raw: Array32) -> Array32:
        raw = raw.copy()
        raw[:, [first, second]] = raw[:, [second, first]]
        return raw

    def noise(raw: Array32) -> Array32:
        rng = np.random.default_rng(2)
        hit = rng.random(len(raw)) < 0.1
        moved = 2 * spread * rng.standard_normal(raw.shape)
        return np.where(hit[:, None], raw + moved, raw).astype(np.float32)

    faults = [
        DataFault("scaled already", lambda raw: ((raw - mean) / spread).astype(np.float32)),
        DataFault("two columns swapped", swap),
        DataFault("columns shuffled", lambda raw: np.ascontiguousarray(raw[:, order])),
        DataFault("columns off by one", lambda raw: np.ascontiguousarray(np.roll(raw, 1, axis=1))),
        DataFault("a block missing", lambda raw: np.where(block, 0, raw).astype(np.float32)),
        DataFault("noise in 10 % of the rows", noise),
    ]
    for name in _COLUMNS[model]:
        faults += [
            DataFault(f"{name} constant", column(name, np.full_like)),
            DataFault(f"{name} × 1.5", column(name, lambda x, _: x * np.float32(1.5))),
            DataFault(f"{name} × 1000", column(name, lambda x, _: x * np.float32(1000))),
        ]
    if model == "htru2":
        shift = np.array([3.0 if name.endswith("kurtosis") else 0.0 for name in names], np.float32)
        faults.append(DataFault("featurizer without the excess", lambda raw: raw + shift))
        # The features that PulsarFeatureLab computes from candidates' files: means of the DM-SNR curve
        # are about 107 and not 2.8, and kurtoses are not excess ones.
        other = shift + np.array([104.0 if name == "dm_mean" else 0.0 for name in names], np.float32)
        faults.append(DataFault("candidates of another survey", lambda raw: raw + other))
    return faults


def model_faults(network: Network) -> dict[str, Network]:
    """The same networks with their weights gone wrong, in all members alike."""
    last, middle = network.hidden - 1, network.hidden // 2
    faults = {}
    for place, layer in (("first", 0), ("middle", middle), ("last", last)):
        for factor in (2.0, 1.1):
            faults[f"{place} layer × {factor:g}"] = network.altered(layer, partial(np.multiply, factor))
    faults["top exponent bit flipped"] = network.altered(middle, _flipped)
    faults["a tenth of a layer's units dead"] = network.altered(middle, _tenth_dead)
    rng, foreign = np.random.default_rng(3), network
    for number in range(network.hidden + 1):
        foreign = foreign.altered(
            number, lambda weights: weights.std() * rng.standard_normal(weights.shape, np.float32)
        )
    faults["a foreign model of the same shape"] = foreign
    return faults


def _flipped(weights: Array32) -> Array32:
    """The top exponent bit of the largest weight: what a single event upset does at its worst."""
    flipped = weights.astype(np.float16)
    at = np.unravel_index(np.abs(flipped).argmax(), flipped.shape)
    flipped.view(np.uint16)[at] ^= np.uint16(1 << 14)
    return flipped.astype(np.float32)


def _tenth_dead(weights: Array32) -> Array32:
    dead = weights.copy()
    dead[:, : dead.shape[1] // 10] = 0
    return dead
