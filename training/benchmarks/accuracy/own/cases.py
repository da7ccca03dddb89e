"""The tables: official candidates, public tables, and made-up ones that are hard to read or to learn.

Each is written as CSV, as a user would bring it. The made-up ones are a few positives among very many
rows, times whose differences are far below their size, few distinct rows, and a column of many
categories, each of them with what the target follows.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.features.tabular.pulsar import NAMES
from training.data import Reading, load_htru2
from training.data.official.uci import read_set

_PUBLIC = ("magic", "ozone", "semeion", "plant-margin", "titanic")
Content = tuple[Sequence[str], Iterable[Sequence[object]]]


def _htru2() -> Content:
    official = load_htru2()
    rows = zip(official.records, official.labels[:, 0], strict=True)
    return (*NAMES, "clase"), ([*record, int(label)] for record, label in rows)  # type: ignore[misc]


def _rare() -> Content:
    """Ten positive rows in 100,000, which stand apart in two of ten normal columns."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(100_000, 10))
    labels = np.zeros(len(rows), dtype=int)
    labels[rng.choice(len(rows), 10, replace=False)] = 1
    rows[labels == 1, :2] += 2.5
    return _table(rows, labels)


def _times() -> Content:
    """A Modified Julian Date within three minutes and milliseconds since 1970; phases of both tell."""
    rng = np.random.default_rng(0)
    days = np.round(60_000 + rng.uniform(0, 0.002, 2_000), 7)
    milliseconds = 1_700_000_000_000 + rng.integers(0, 60_000, 2_000)
    phase = (days - 60_000) / 0.002 + (milliseconds - 1_700_000_000_000) / 60_000
    labels = (phase % 1 < 0.5).astype(int)
    cells = zip(days.tolist(), milliseconds.tolist(), labels.tolist(), strict=True)
    return ("mjd", "epoch_ms", "clase"), cells


def _few_distinct() -> Content:
    """Two thousand rows of which twelve are distinct, each with a probability of its own."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 12, 2_000)
    labels = (rng.random(2_000) < np.linspace(0.1, 0.9, 12)[rng.permutation(12)[groups]]).astype(int)
    cells = zip((groups % 3).tolist(), (groups // 3).tolist(), labels.tolist(), strict=True)
    return ("a", "b", "clase"), cells


def _categories() -> Content:
    """A column of 1,500 categories in 12,000 rows, each with an effect, and a number."""
    rng = np.random.default_rng(0)
    effects = rng.normal(size=1_500)
    chosen = np.minimum(rng.zipf(1.3, 12_000), 1_500) - 1
    number = rng.normal(size=12_000)
    logits = effects[chosen] + 0.5 * number
    labels = (rng.random(12_000) < 1 / (1 + np.exp(-logits))).astype(int)
    names = [f"shop {code}" for code in chosen]
    return ("shop", "number", "clase"), zip(names, number.tolist(), labels.tolist(), strict=True)


def _table(rows: NDArray[np.float64], labels: NDArray[np.integer]) -> Content:
    names = [f"x{column}" for column in range(rows.shape[1])]
    cells = ([*row, label] for row, label in zip(rows.tolist(), labels.tolist(), strict=True))
    return (*names, "clase"), cells


_MADE: dict[str, Callable[[], Content]] = {
    "htru2": _htru2,
    "ten positives in 100,000": _rare,
    "times": _times,
    "twelve distinct rows": _few_distinct,
    "1,500 categories": _categories,
}
#: All names, those that are trained soonest first.
CASES = (
    *("twelve distinct rows", "titanic", "times", "semeion", "ozone", "1,500 categories"),
    *("plant-margin", "htru2", "magic", "ten positives in 100,000"),
)


def write_case(path: Path, name: str) -> Reading:
    """Write a table, one of ``CASES`` or a set of the UCI collection; return how it is read."""
    columns, rows = _MADE[name]() if name in _MADE else read_set(name)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return Reading(target="clase")
