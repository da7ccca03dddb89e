"""Made-up populations that tables are drawn from: new rows to judge by are as many as are wanted."""

import csv
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data import Dataset, Reading, load_table
from training.evaluation.calibration import sigmoid

Array = NDArray[np.floating]


def drawn_table(values: Array, labels: Array) -> Dataset:
    """Values ``(n, columns)`` and labels ``(n,)`` as a user's table."""
    names = [f"c{column}" for column in range(values.shape[1])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*names, "y"])
            writer.writerows([*row, int(y)] for row, y in zip(values.tolist(), labels, strict=True))
        return load_table("drawn", path, Reading(target="y"))


def _labels(logit: Array, rng: np.random.Generator) -> Array:
    return (rng.random(len(logit)) < sigmoid(logit)).astype(np.float64)


def _smooth(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Eight normal columns, of which five matter, two of them together; the best AUC is .84."""
    x = rng.normal(size=(n, 8))
    logit = 1.2 * x[:, 0] - 0.9 * x[:, 1] + 0.8 * x[:, 2] * x[:, 3] + 0.6 * np.sin(2 * x[:, 4]) - 0.7
    return x, _labels(logit, rng)


def _noisy(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Ten normal columns, of which six say nothing; the best AUC is .75."""
    x = rng.normal(size=(n, 10))
    logit = 0.9 * x[:, 0] + 0.6 * x[:, 1] * (x[:, 2] > 0) - 0.5 * np.abs(x[:, 3]) + 0.1
    return x, _labels(logit, rng)


def _skewed(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Six log-normal columns, 12 % positives; the best AUC is .91."""
    x = np.exp(rng.normal(size=(n, 6)))
    logit = 2 * np.log(x[:, 0]) + 1.5 * np.log(x[:, 1]) * (x[:, 2] > 1) - np.log(x[:, 3]) - 3.5
    return x, _labels(logit, rng)


#: By name: functions of a number of rows, which return values ``(n, columns)`` and labels ``(n,)``.
POPULATIONS: dict[str, Callable[[int, np.random.Generator], tuple[Array, Array]]] = {
    "smooth": _smooth,
    "noisy": _noisy,
    "skewed": _skewed,
}
