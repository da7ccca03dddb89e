"""Columns of groups, times, folds and weights: who is left out together, and what is refused."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from training.data import Reading, load_table
from training.errors import DataError

N = 200


def table(path: Path, **columns: list[object]) -> Path:
    """A learnable table with further columns."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=N)
    own = {"a": a.round(6).tolist(), "ill": (a + rng.normal(size=N) > 0).astype(int).tolist()}
    everything = {**own, **columns}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(everything)
        writer.writerows(zip(*everything.values(), strict=True))
    return path


def test_rows_of_a_group_share_a_fold(tmp_path: Path) -> None:
    """A group's rows are in one fold, which its name alone decides; the column is not learned."""
    nights = [f"night {row // 4}" for row in range(N)]
    path = table(tmp_path / "t.csv", night=nights)
    dataset = load_table("t", path, Reading(target="ill", group="night"))
    assert dataset.fields == ("a",)
    by_night = {night: set(dataset.folds[np.array(nights) == night].tolist()) for night in nights}
    assert all(len(folds) == 1 for folds in by_night.values())
    assert dataset.fold_rule.endswith("column night")


@pytest.mark.parametrize("iso", [False, True])
def test_times_are_cut_into_periods(tmp_path: Path, iso: bool) -> None:
    """Five periods of equally many rows, in order; dates as ISO 8601 or numbers."""
    rng = np.random.default_rng(1)
    days = rng.permutation(N)
    times = [f"2024-{1 + day // 28:02d}-{1 + day % 28:02d}" if iso else int(day) for day in days]
    dataset = load_table("t", table(tmp_path / "t.csv", day=times), Reading(target="ill", time="day"))
    assert dataset.fields == ("a",)
    assert np.bincount(dataset.folds).tolist() == [40] * 5
    assert (np.diff(dataset.folds[np.argsort(days)]) >= 0).all()


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("%d.%m.%Y %H:%M", {}),
        ("%m/%d/%Y %I:%M %p", {}),
        ("%d %b %Y", {}),
        ("%d/%m/%Y", {"day_first": True}),
        ("%Y-%m-%dT%H:%M:%S+02:00", {}),
    ],
)
def test_dates_of_any_form_are_in_their_order(
    tmp_path: Path, form: str, options: dict[str, bool]
) -> None:
    """Of texts, 02.01.2024 would stand before 31.12.2020."""
    hours = np.random.default_rng(1).permutation(N) * 37
    times = [(datetime(2020, 12, 30) + timedelta(hours=int(hour))).strftime(form) for hour in hours]
    path = table(tmp_path / "t.csv", day=times)
    dataset = load_table("t", path, Reading(target="ill", time="day", **options))
    assert (np.diff(dataset.folds[np.argsort(hours)]) >= 0).all()


def test_given_folds_and_weights(tmp_path: Path) -> None:
    """Names of folds are numbered in their order; weights stand beside the rows."""
    folds = ["abc"[row % 3] for row in range(N)]
    weights = [row % 5 for row in range(N)]
    path = table(tmp_path / "t.csv", part=folds, w=weights)
    dataset = load_table("t", path, Reading(target="ill", fold="part", weight="w"))
    assert dataset.fields == ("a",)
    assert dataset.folds.tolist() == [row % 3 for row in range(N)]
    assert dataset.weights is not None
    assert dataset.weights.tolist() == weights


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"group": "night"}, "--group night: t.csv has no such column"),
        ({"g": ["x"] * N, "f": [0] * N}, {"group": "g", "fold": "f"}, "give one of them"),
        ({"w": [1.0] * 7 + [-1] + [1.0] * (N - 8)}, {"weight": "w"}, "line 9, column w: a weight is"),
        ({"w": [0] * N}, {"weight": "w"}, "all weights are 0"),
        ({"g": ["x"] * 9 + [""] + ["y"] * (N - 10)}, {"group": "g"}, "line 11, column g: it is empty"),
        ({"d": [1] * N}, {"time": "d"}, "too few times differ"),
        ({"d": ["noon", "night"] * (N // 2)}, {"time": "d"}, "line 2, column d: 'noon' is neither a n"),
        ({"d": [f"0{1 + at % 9}/05/2024" for at in range(N)]}, {"time": "d"}, "say --day-first"),
        ({"g": ["x"] * 9 + ["NA"] + ["y"] * (N - 10)}, {"group": "g"}, "line 11, column g: it is empty"),
        ({"f": [row % 2 for row in range(N)]}, {"fold": "f"}, "it has 2 folds; 3 to 20"),
        ({}, {"weight": "ill"}, "name different columns"),
    ],
)
def test_wrong_columns_are_named(
    tmp_path: Path, columns: dict[str, list[object]], options: dict[str, str], message: str
) -> None:
    """What is wrong, where, and what would be right."""
    path = table(tmp_path / "t.csv", **columns)
    with pytest.raises(DataError, match=message):
        load_table("t", path, Reading(target="ill", **options))
