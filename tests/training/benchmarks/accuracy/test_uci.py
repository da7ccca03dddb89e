"""The comparison on UCI tables: what is read, fitted and reported."""

import csv
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from training.benchmarks.accuracy.uci import judging
from training.benchmarks.accuracy.uci.methods import NETWORKS, fitted
from training.benchmarks.accuracy.uci.report import report
from training.benchmarks.harness import Results
from training.data.official import uci as archive
from training.errors import DataError

pytestmark = pytest.mark.usefixtures("one_process")


def test_sets_of_two_members_are_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both members' rows, without their numbers; a member of another content is refused."""
    parts = {
        "two/two_train_R.dat": "\tf1\tclase\n1\t0.5\t0\n2\t-0.5\t1\n",
        "two/two_test_R.dat": "\tf1\tclase\n1\t0.25\t1\n",
    }
    with tarfile.open(tmp_path / "uci121.tar.gz", "w:gz") as file:
        for name, text in parts.items():
            entry = tarfile.TarInfo(f"uci121/{name}")
            entry.size = len(text)
            file.addfile(entry, io.BytesIO(text.encode()))
    import hashlib

    pinned = {"two": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in parts.items()}}
    monkeypatch.setenv("SNN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(archive, "members", lambda: pinned)
    assert archive.read_set("two") == (["f1", "clase"], [["0.25", "1"], ["0.5", "0"], ["-0.5", "1"]])
    pinned["two"]["two/two_test_R.dat"] = "0" * 64
    with pytest.raises(DataError, match="two_test_R"):
        archive.read_set("two")


def test_all_sets_of_the_collection_are_pinned() -> None:
    """118 sets have an R file in the archive; monks-1 has two."""
    assert len(archive.members()) == 118
    assert len(archive.members()["monks-1"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["boosting", "forest", "logistic regression", "SVM", "one network, SNN"]
)
def test_rivals_learn_what_is_there(tmp_path: Path, method: str) -> None:
    """On two blobs every rival ranks nearly all rows right, out-of-fold."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    rows = rng.normal(size=(200, 2)) + 3 * labels[:, None]
    with (tmp_path / "blobs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["f1", "f2", "clase"], *zip(*rows.T, labels, strict=True)])
    job = {"set": "blobs", "method": method, "seed": 0, "folder": str(tmp_path)}
    figures = fitted(job)
    assert figures["rows"] == 200
    assert figures["figure"] > 0.97


def test_a_third_of_the_small_tables_meets_the_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """RealMLP learns them and all of 1,000 to 5,000 rows; SVMs learn up to 10,000."""
    monkeypatch.setattr(judging, "others", lambda: (*NETWORKS, "RealMLP"))
    sizes = {"a": 100, "b": 200, "c": 300, "d": 400, "e": 1_000, "f": 5_000, "g": 20_000}
    turns = judging.pairs(sizes)
    assert [name for name, method in turns if method == "SNN"] == ["e", "f", "g", "a", "b", "c", "d"]
    assert [name for name, method in turns if method == "SVM"] == ["e", "f", "a", "b", "c", "d"]
    assert [name for name, method in turns if method == "RealMLP"] == ["e", "f", "a", "d"]
    for network in NETWORKS:
        assert [name for name, method in turns if method == network] == ["a", "d"]


def test_the_report_ranks_and_names_what_was_not_judged(tmp_path: Path) -> None:
    """The best method has rank 1; the paper's table and refused sets stand beside."""
    results = Results(tmp_path / "uci.csv", ("set", "method", "seed"), ("rows", "figure", "seconds"))
    for number in range(6):
        gains = {"SNN": 0.02, "boosting": 0.01, "forest": 0.0, "logistic regression": 0.0, "SVM": 0.0}
        if number in (1, 4):
            gains |= {"RealMLP": 0.03} | {method: 0.01 * at for at, method in enumerate(NETWORKS)}
        for method, gain in gains.items():
            job = {"set": f"s{number}", "method": method, "seed": 0}
            figures = {"rows": 500 * number + 100, "figure": 0.8 + gain + number / 100, "seconds": 1}
            results.add(job, figures)
    text = report(results, {"tiny": "too few rows"})
    assert "| all | SNN | 6 | 1.00 | – | – |" in text
    assert "| all | boosting | 6 | 2.00 | 0/0/6 |" in text
    assert "| 1,000 rows or more | forest | 4 | 4.00 |" in text
    assert "| all | RealMLP | 2 | 1.00 | 2/0/0 |" in text
    assert "on 2 tables" in text
    assert "| SNN | +3.00 | -0.756 | – |" in text
    assert "| He ReLU | -3.00 | -0.240 | 0.5 |" in text
    assert "* tiny: too few rows" in text
