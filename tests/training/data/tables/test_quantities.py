"""A table's target is recognised as a quantity and read as one, or the fault is named."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.data.tables.load import Reading, load
from training.data.tables.quantities import beside
from training.errors import DataError

ROWS = 240


def table(folder: Path, target: Callable[[int], object]) -> Path:
    """A table whose target's cells are made of the row's number."""
    rng = np.random.default_rng(0)
    with (folder / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "town", "y"])
        for row in range(ROWS):
            writer.writerow([f"{rng.normal():.3f}", ["Ulm", "Kiel"][row % 2], target(row)])
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("target", "is_quantity"),
    [
        (lambda n: n, True),
        (lambda n: n / 7, True),
        (lambda n: 1 + n % 30 + 0.5, True),
        (lambda n: f"{n}e3", True),
        (lambda n: "" if n % 20 == 0 else n, True),
        (lambda n: n % 8, False),
        (lambda n: 0.5 * (n % 2), False),
        (lambda n: ["low", "high"][n % 2], False),
        (lambda n: ["true", "false"][n % 2], False),
    ],
)
def test_numbers_of_which_many_differ_are_a_quantity(
    target: Callable[[int], object], is_quantity: bool, tmp_path: Path
) -> None:
    """A line says so; few different numbers, words and truth values are classes as before."""
    dataset = load("t", table(tmp_path, target), Reading(target="y"))
    said = [
        notice for notice in dataset.notices if "learned as a quantity (--task regression)" in notice
    ]
    assert (dataset.standard is not None, bool(said)) == (is_quantity, is_quantity)
    assert dataset.table.get("task") == ("regression" if is_quantity else None)
    assert "unit" not in dataset.table
    if is_quantity:
        assert dataset.targets == ("y",)
        assert not dataset.exclusive
        assert dataset.labels.mean() == pytest.approx(0, abs=1e-6)
        assert dataset.labels.std() == pytest.approx(1, abs=1e-6)


def test_an_option_decides_otherwise(tmp_path: Path) -> None:
    """Few different numbers are a quantity where that is said, and its unit is kept."""
    path = table(tmp_path, lambda n: 3 + n % 8)
    dataset = load("t", path, Reading(target="y", task="regression", unit="mm"))
    assert dataset.standard is not None
    assert dataset.standard.unit == dataset.table["unit"] == "mm"
    assert dataset.standard.centre == pytest.approx(6.5)
    assert dataset.summary["its mean"] == "6.500 mm"
    many = table(tmp_path, lambda n: n)
    with pytest.raises(DataError, match="240 different values are no classes, at most 100; --task"):
        load("t", many, Reading(target="y", task="classification"))


def test_large_numbers_keep_their_differences(tmp_path: Path) -> None:
    """Epoch milliseconds differ by one: standardised in double precision, no two labels are one."""
    path = table(tmp_path, lambda n: 1_700_000_000_000 + n)
    dataset = load("t", path, Reading(target="y"))
    assert len(np.unique(dataset.labels)) == ROWS
    assert dataset.standard is not None
    values = dataset.standard.centre + dataset.standard.scale * dataset.labels[:, 0].astype(np.float64)
    assert np.abs(values - 1_700_000_000_000 - np.arange(ROWS)).max() < 1e-2


@pytest.mark.parametrize(
    ("reading", "target", "message"),
    [
        ({}, lambda n: "n/a?" if n == 7 else n, "line 9, column y: 'n/a\\?' is no number"),
        ({}, lambda n: "abc" if n == 7 else n, "'abc' is no number, .* or say --missing abc if it"),
        ({}, lambda n: "1,200" if n == 7 else n, "'1,200' is no number, .* , or by --thousands ,"),
        ({}, lambda n: "inf" if n == 7 else n, "line 9, column y: inf is not finite; empty the cell"),
        ({}, lambda n: f"{n},5", "is no number, .* read such numbers by --decimal ,"),
        ({}, lambda n: 3, "column y: every row is 3; nothing can be learned"),
        ({}, lambda n: n if n < 50 else "", "has 50 rows with a value in y; at least 100 are needed"),
        ({}, lambda n: 1e300 * (-1) ** n, "too far apart for double precision"),
        ({"positive": "1"}, lambda n: n, "--positive is for classes"),
        ({"rare": "drop"}, lambda n: n, "--rare is for classes"),
    ],
)
def test_what_cannot_be_learned_is_named(
    reading: dict[str, str], target: Callable[[int], object], message: str, tmp_path: Path
) -> None:
    """With file, line and column, and what to do."""
    path = table(tmp_path, target)
    with pytest.raises(DataError, match=message):
        load("t", path, Reading(target="y", task="regression", **reading))


@pytest.mark.parametrize(
    ("reading", "target", "message"),
    [
        # One cell of text among numbers, as autogluon and pandas users report: a mistake, no class.
        ({}, lambda n: "abc" if n == 7 else n, "line 9, column y: 'abc' is no number, .*regression"),
        ({}, lambda n: "12.5 ?" if n == 7 else n / 7, "line 9, column y: '12.5 \\?' is no number"),
        ({"rare": "merge"}, lambda n: n / 7, "without --rare, which is for classes, .*quantity"),
        ({"positive": "1"}, lambda n: n, "without --positive, which is for classes, .*quantity"),
        ({}, lambda n: 3, "every row is '3'; .* a quantity \\(--task regression\\)"),
        ({"unit": ""}, lambda n: n, "--unit '' is no unit"),
        ({"unit": " "}, lambda n: n, "--unit ' ' is no unit"),
        ({"unit": "m\ns"}, lambda n: n, "is no unit: 1 to 40 printed characters"),
        ({"unit": "m" * 41}, lambda n: n, "is no unit: 1 to 40 printed characters"),
    ],
)
def test_what_the_target_is_taken_for_is_said(
    reading: dict[str, str], target: Callable[[int], object], message: str, tmp_path: Path
) -> None:
    """Where no option says that it is a quantity, the fault names the cell, or what would be learned."""
    with pytest.raises(DataError, match=message):
        load("t", table(tmp_path, target), Reading(target="y", **reading))


@pytest.mark.parametrize(
    ("value", "spread", "shown"),
    [
        (1_700_000_119.52, 689.3, "1,700,000,119.5"),
        (6.5, 2.2913, "6.500"),
        (123_456_789.0, 7_654_321.0, "123,457,000"),
        (0.000123456, 0.0000321, "0.00012346"),
        (1e300, 1e299, "1e+300"),
        (-3.0, 1e-20, "-3"),
    ],
)
def test_a_mean_is_as_exact_as_its_spread(value: float, spread: float, shown: str) -> None:
    """Four digits of the standard deviation, however large the mean is."""
    assert beside(value, spread) == shown


def test_a_unit_of_classes_is_refused(tmp_path: Path) -> None:
    """Classes have none."""
    with pytest.raises(DataError, match="--unit mm: column y is learned as classes"):
        load("t", table(tmp_path, lambda n: n % 2), Reading(target="y", unit="mm"))


def test_a_decimal_comma_is_read_by_its_option(tmp_path: Path) -> None:
    """As in other columns."""
    dataset = load("t", table(tmp_path, lambda n: f"{n},5"), Reading(target="y", decimal=","))
    assert dataset.standard is not None
    assert dataset.standard.centre == pytest.approx(120.0)


def test_a_column_that_tells_the_target_is_a_warning(tmp_path: Path) -> None:
    """One that is the target in another unit has an R² near 1 alone."""
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["inches", "x", "mm"])
        rng = np.random.default_rng(0)
        writer.writerows([(v, rng.normal(), 25.4 * v) for v in rng.uniform(0, 9, 400).round(4)])
    notices = load("t", tmp_path / "t.csv", Reading(target="mm")).notices
    assert any("column inches alone tells the target (R² 0.9" in notice for notice in notices)


def test_folds_do_not_depend_on_the_targets_values(tmp_path: Path) -> None:
    """A row keeps its fold in another extract, where the mean is another."""
    first = load("t", table(tmp_path, lambda n: n), Reading(target="y"))
    second = load("t", table(tmp_path, lambda n: n * 2 + 5), Reading(target="y"))
    assert (first.folds == second.folds).all()
    assert len(np.unique(first.folds)) == 5
