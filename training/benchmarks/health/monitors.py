"""Window statistics of this project's monitor and of what teams use today, on the same windows.

Every statistic is a number per window that is larger the stranger it is; which number is too large is
learned from clean windows of other folds.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.health.detector import Detector
from models.health.layout import Layout
from models.health.reference import Reference
from training.benchmarks.health.network import Seen

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]

#: Monitors, in the tables' order; ours first.
OURS = "inputs and layers"
MONITORS = (
    OURS, "layers alone", "inputs alone", "KS by feature", "MMD on inputs", "Mahalanobis on inputs",
    "Mahalanobis on inputs, rows", "Mahalanobis on last layer", "Mahalanobis on last layer, rows",
    "KS on outputs",
)  # fmt: skip
RIVALS = MONITORS[3:]

_LAYER_CHANNELS = ("departure", "distance", "distances")
_INPUT_CHANNELS = ("directions", "singles", "means", "squares")
_FEATURES_OF_MMD = 256
_STEPS = 8  # of the distribution of a feature, where there are many


@dataclass(frozen=True, slots=True)
class Monitors:
    """All monitors, fitted to reference rows."""

    reference: Reference
    steps: tuple[NDArray[np.intp], Array32, Array]  # feature, threshold, reference share
    frequencies: Array32
    phases: Array32
    kernel_mean: Array
    whitening: Array32
    distance_centre: float
    last: tuple[Array, Array, float]
    outputs: tuple[NDArray[np.intp], Array32, Array]

    @classmethod
    def of(cls, reference: Reference, inputs: Array32, seen: Seen) -> Self:
        """Fit them: ``inputs`` are squashed rows of other folds, ``seen`` the reference rows."""
        watched = reference.inputs
        assert watched is not None
        centred = (inputs - watched.centre).astype(np.float64)
        features = inputs.shape[1]
        covariance = centred.T @ centred / len(centred)
        shrunk = 0.9 * covariance + 0.1 * np.diag(np.diag(covariance)) + 1e-6 * np.eye(features)
        whitening = np.linalg.inv(np.linalg.cholesky(shrunk)).T.astype(np.float32)
        rng = np.random.default_rng(0)
        sample = centred[rng.permutation(len(centred))[:500]]
        gaps = np.square(sample[:250] - sample[250 : 250 + len(sample[:250])]).sum(axis=1)
        scale = 1 / np.sqrt(np.median(gaps) + 1e-12)
        frequencies = (rng.standard_normal((features, _FEATURES_OF_MMD)) * scale).astype(np.float32)
        phases = rng.uniform(0, 2 * np.pi, _FEATURES_OF_MMD).astype(np.float32)
        last = seen.taps[:, :, -1].reshape(len(seen.taps), -1).astype(np.float64)
        spread = np.cov(last.T) + 1e-9 * np.eye(last.shape[1])
        root = np.linalg.inv(np.linalg.cholesky(spread)).T
        rows = np.square((last - last.mean(axis=0)) @ root).sum(axis=1)
        single = centred.astype(np.float32)
        return cls(
            reference,
            _steps(inputs),
            frequencies,
            phases,
            np.cos(single @ frequencies + phases).mean(axis=0, dtype=np.float64),
            whitening,
            float(np.square(single @ whitening).sum(axis=1).mean()),
            (last.mean(axis=0), root, float(rows.mean())),
            _steps(seen.logit),
        )

    @property
    def layout(self) -> Layout:
        """Which columns of a row's statistics mean what."""
        return Layout.of(self.reference)

    def own(self, seen: Seen) -> tuple[Array32, Array32]:
        """Return what our monitor needs of rows: their statistics (n, W) and standard scores (n, F)."""
        detector, watched = Detector(self.reference), self.reference.inputs
        assert watched is not None
        with np.errstate(over="ignore", invalid="ignore"):
            out = detector.statistics([detector.judge(seen.taps, seen.squashed)[1]]).T
            return _finite(out), _finite((seen.squashed - watched.centre) / watched.spread)

    def rows(self, seen: Seen) -> dict[str, Array32]:
        """Return, by name, what each monitor needs of every row, arrays of n lines each."""
        watched = self.reference.inputs
        assert watched is not None
        centred = seen.squashed - watched.centre
        out, scores = self.own(seen)
        with np.errstate(over="ignore", invalid="ignore"):
            white = centred @ self.whitening
            centre, root, _ = self.last
            last = (seen.taps[:, :, -1].reshape(len(out), -1) - centre) @ root
            kept = {
                "out": out,
                "z": scores,
                "kernel": np.cos(centred @ self.frequencies + self.phases),
                "white": white,
                "white2": np.square(white).sum(axis=1, keepdims=True),
                "last": last,
                "last2": np.square(last).sum(axis=1, keepdims=True),
                "inputs": _below(seen.squashed, self.steps),
                "outputs": _below(seen.logit, self.outputs),
            }
            kept["z2"] = np.square(kept["z"])
        return {name: _finite(value) for name, value in kept.items()}

    def windows(self, rows: dict[str, Array32], weights: Array32, few: int) -> dict[str, Array]:
        """Statistics of windows with ``weights`` (windows, rows); those of KS by feature on ``few``."""
        mean = {name: weights @ rows[name] for name in rows if name != "inputs"}
        layout, out = self.layout, mean["out"].astype(np.float64)
        departures = out[:, layout.departures].reshape(len(out), layout.members, -1)
        watched = self.reference.inputs
        assert watched is not None
        squares = np.abs(mean["z2"] - watched.square) / watched.square_spread
        centre = self.distance_centre
        last_centre = self.last[2]
        below = weights[:few] @ rows["inputs"]
        return {
            "departure": np.square(departures).sum(axis=2).max(axis=1),
            "distance": np.square(departures).reshape(len(out), -1, 3).sum(axis=2).max(axis=1),
            "distances": np.abs(out[:, layout.distances]).max(axis=1),
            "directions": np.square(out[:, layout.directions]).sum(axis=1),
            "singles": np.abs(out[:, layout.singles]).max(axis=1),
            "means": np.abs(mean["z"]).max(axis=1),
            "squares": squares.max(axis=1),
            "KS by feature": np.abs(below - self.steps[2]).max(axis=1),
            "MMD on inputs": np.square(mean["kernel"] - self.kernel_mean).sum(axis=1),
            "Mahalanobis on inputs": np.square(mean["white"]).sum(axis=1),
            "Mahalanobis on inputs, rows": np.abs(np.log(mean["white2"][:, 0] / centre + 1e-9)),
            "Mahalanobis on last layer": np.square(mean["last"]).sum(axis=1),
            "Mahalanobis on last layer, rows": np.abs(np.log(mean["last2"][:, 0] / last_centre + 1e-9)),
            "KS on outputs": np.abs(mean["outputs"] - self.outputs[2]).max(axis=1),
        }


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What clean windows of other folds show of each statistic.

    ``usual`` is the median of its log, and the distance from there to its upper quantile; ``most`` is
    the score above which a monitor flags a window.
    """

    usual: dict[str, tuple[float, float]]
    most: dict[str, float]

    @classmethod
    def of(cls, clean: dict[str, Array], rate: float = 0.01) -> Self:
        """Learn from clean windows' statistics; ``rate`` of them may be false alarms."""
        usual = {}
        for name, values in clean.items():
            logs = np.log(values + 1e-12)
            middle = float(np.median(logs))
            usual[name] = middle, max(float(np.quantile(logs, 1 - rate)) - middle, 1e-6)
        half = cls(usual, {})
        scores = half.scores(clean)
        return cls(usual, {name: float(np.quantile(scores[name], 1 - rate)) for name in MONITORS})

    def scores(self, values: dict[str, Array]) -> dict[str, Array]:
        """Each monitor's score by window; ours is the largest of its channels'."""
        logs = {
            name: (np.log(statistics + 1e-12) - self.usual[name][0]) / self.usual[name][1]
            for name, statistics in values.items()
        }
        layers = np.max([logs[name] for name in _LAYER_CHANNELS], axis=0)
        inputs = np.max([logs[name] for name in _INPUT_CHANNELS], axis=0)
        ours = {OURS: np.maximum(layers, inputs), "layers alone": layers, "inputs alone": inputs}
        return ours | {name: logs[name] for name in RIVALS}

    def rates(self, values: dict[str, Array]) -> dict[str, float]:
        """The share of windows that each monitor flags."""
        scores = self.scores(values)
        return {name: float((scores[name] > self.most[name]).mean()) for name in MONITORS}


def _steps(rows: Array32) -> tuple[NDArray[np.intp], Array32, Array]:
    """Thresholds by feature at which distributions are compared, and the reference's shares."""
    many = rows.shape[1] > 100
    levels = np.linspace(0, 1, (_STEPS if many else 64) + 2)[1:-1]
    quantiles = np.quantile(rows, levels, axis=0).T
    # Half-way to the next value as well: what is constant has one step too few.
    pairs = [(at, value) for at, values in enumerate(quantiles) for value in np.unique(values)]
    feature = np.array([at for at, _ in pairs])
    threshold = np.array([value for _, value in pairs], np.float32)
    share = np.array([(rows[:, at] <= most).mean() for at, most in zip(feature, threshold, strict=True)])
    return feature, threshold, share


def _below(rows: Array32, steps: tuple[NDArray[np.intp], Array32, Array]) -> Array32:
    result: Array32 = (rows[:, steps[0]] <= steps[1]).astype(np.float32)
    return result


def _finite(values: NDArray[np.floating]) -> Array32:
    """What is no number is as far away as can be."""
    finite = np.nan_to_num(values, nan=1e6, posinf=1e6, neginf=-1e6).clip(-1e6, 1e6)
    return np.asarray(finite, np.float32)
