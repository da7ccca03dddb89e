"""Rows of one's own for HTRU2 and Tox21: added or instead, merged, and told by line where wrong."""

from pathlib import Path

import numpy as np
import pytest

from models.features.tabular.pulsar import NAMES
from training.data import load_candidates, load_htru2, load_molecules
from training.data.official import tox21
from training.data.tables import own_rows
from training.errors import DataError


def lines(n: int = 60, seed: int = 0) -> list[list[object]]:
    """Made-up candidates, of moments that a sample can have, with their class last."""
    values = np.random.default_rng(seed).lognormal(1, 1, (n, 8))
    values[:, [3, 7]] += np.square(values[:, [2, 6]])
    return [[*row, number % 2] for number, row in enumerate(values.round(4).tolist())]


def write(path: Path, header: tuple[str, ...] | None, rows: list[list[object]]) -> Path:
    """Write a CSV file, with or without a header."""
    text = [",".join(header)] if header else []
    path.write_text("\n".join([*text, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_candidates_are_read_with_and_without_a_header(tmp_path: Path) -> None:
    """By the project's names in any order, or as the official file has them."""
    bare = load_candidates(write(tmp_path / "a.csv", None, lines()), instead=True)
    named = load_candidates(
        write(tmp_path / "b.csv", ("class", *NAMES), [[row[-1], *row[:-1]] for row in lines()]),
        instead=True,
    )
    assert bare.records == named.records == tuple(tuple(row[:8]) for row in lines())
    assert bare.labels[:, 0].tolist() == [row[8] for row in lines()]
    np.testing.assert_array_equal(bare.folds, named.folds)
    assert bare.table == {"file": "a.csv", "rows": 60, "instead": True}
    assert list(bare.sources) == ["a.csv"]


def test_candidates_that_repeat_are_merged_by_majority(tmp_path: Path) -> None:
    """Two against one decides, one against one is left out."""
    a, b, *rest = lines()
    rows = [*rest, a, a, [*a[:8], 1 - a[8]], b, [*b[:8], 1 - b[8]]]
    dataset = load_candidates(write(tmp_path / "a.csv", None, rows), instead=True)
    said = dict(zip(dataset.records, dataset.labels[:, 0], strict=True))
    assert said[tuple(a[:8])] == a[8]
    assert tuple(b[:8]) not in said
    assert dataset.summary["candidates of both classes"] == 2
    assert dataset.summary["of these without a majority, left out"] == 1


def test_candidates_are_added_to_the_official_ones(tmp_path: Path) -> None:
    """The official rows keep their folds, and both files' hashes are known."""
    try:
        official = load_htru2()
    except DataError as error:
        pytest.skip(f"the HTRU2 data is not at hand: {error}")
    dataset = load_candidates(write(tmp_path / "a.csv", None, lines()), instead=False)
    assert len(dataset) == len(official) + 60
    np.testing.assert_array_equal(dataset.folds[: len(official)], official.folds)
    assert set(dataset.sources) == {"a.csv", *official.sources}


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ((*NAMES, "grade"), lines(), "a.csv has no column 'class'"),
        ((*NAMES, "class"), [], "a.csv has no rows"),
        (
            (*NAMES, "class"),
            [*lines(2), [*["x"] * 8, 1]],
            "a.csv, line 4, column profile_mean: a finite",
        ),
        (None, [*lines(2), [*[1] * 7, "nan", 1]], "a.csv, line 3, column dm_kurtosis: a finite number"),
        (None, [*lines(2), [*[1] * 8, 2]], "a.csv, line 3, column class: '2' is no class; give 0 or 1"),
        (None, [*lines(2), [*[1] * 8, ""]], "a.csv, line 3, column class: the class is missing"),
        (None, [row[2:] for row in lines(2)], "a.csv, line 1: all of its cells are numbers"),
    ],
)
def test_wrong_candidates_are_told_by_line_and_column(
    tmp_path: Path, header: tuple[str, ...] | None, rows: list[list[object]], message: str
) -> None:
    """One sentence that names the place."""
    with pytest.raises(DataError) as error:
        load_candidates(write(tmp_path / "a.csv", header, rows), instead=True)
    assert message in str(error.value)


MOLECULES = [
    ["CCO", 1, ""],
    ["OCC", 1, 0],
    ["C(O)C", 0, 1],
    ["c1ccccc1", "", 0],
    ["CC[NH3+].[Cl-]", 0, 0],
]


def test_molecules_are_merged_by_parent(tmp_path: Path) -> None:
    """Three ways to write ethanol are one compound; an even split is not measured."""
    path = write(tmp_path / "a.csv", ("smiles", "NR-AR", "SR-p53"), MOLECULES)
    dataset = load_molecules(path, instead=True)
    assert dataset.targets == ("NR-AR", "SR-p53")
    assert dataset.records[:2] == ("CCO", "c1ccccc1")
    np.testing.assert_array_equal(dataset.labels[0], [1, np.nan])
    np.testing.assert_array_equal(dataset.labels[1], [np.nan, 0])
    assert dataset.sources.keys() == {"a.csv"}
    assert dataset.summary["own rows"] == 5


def test_molecules_are_added_to_the_official_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All twelve assays stay, and what was official votes along."""
    labels = np.full(12, np.nan, dtype=np.float32)
    labels[0] = 0
    official = [tox21.Sample("x", "CCO", labels, is_mixture=False, repaired="")] * 2
    monkeypatch.setattr(own_rows.tox21, "read_training", lambda: official)
    monkeypatch.setattr(own_rows.tox21, "read_leaderboard", list)
    path = write(tmp_path / "a.csv", ("smiles", "NR-AR"), [["CCO", 1], ["CCN", 1]])
    dataset = load_molecules(path, instead=False)
    assert dataset.targets == tox21.TARGETS
    assert dataset.records == ("CCO", "CCN")
    assert dataset.labels[:, 0].tolist() == [0, 1]
    assert set(dataset.sources) == {"a.csv", "tox21_10k_data_all.zip"}


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (("molecule", "NR-AR"), [["CCO", 1]], "a.csv has no column 'smiles'"),
        (("smiles", "toxic"), [["CCO", 1]], "a.csv has none of the assays' columns"),
        (("smiles", "NR-AR"), [["CCO", 1], ["CC[Na", 1]], "a.csv, line 3, column smiles: not a valid"),
        (("smiles", "NR-AR"), [["CCO", "active"]], "a.csv, line 2, column NR-AR: it must be 0, 1"),
    ],
)
def test_wrong_molecules_are_told_by_line_and_column(
    tmp_path: Path, header: tuple[str, ...], rows: list[list[object]], message: str
) -> None:
    """One sentence that names the place."""
    with pytest.raises(DataError) as error:
        load_molecules(write(tmp_path / "a.csv", header, rows), instead=True)
    assert message in str(error.value)
