"""Own tables from the file to the scored version: how far one gets, and the report."""

import json
from pathlib import Path

import pytest

from training.benchmarks.accuracy.own import judging
from training.benchmarks.accuracy.own.cases import CASES, write_case
from training.benchmarks.harness import Results
from training.data import load_table

MADE = ("twelve distinct rows", "times", "1,500 categories")


@pytest.mark.parametrize("name", MADE)
def test_made_up_tables_are_read(tmp_path: Path, name: str) -> None:
    """Each holds two classes that all folds have, by its own kind of column."""
    dataset = load_table("t", tmp_path / "t.csv", write_case(tmp_path / "t.csv", name))
    assert dataset.targets == ("clase",)
    assert 0.2 < dataset.labels.mean() < 0.8


def test_a_table_that_is_not_read_is_kept_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage tells how far it got, and the reason is the reader's sentence."""

    def few(path: Path, _name: str) -> object:
        reading = write_case(path, "twelve distinct rows")
        path.write_text("\n".join(path.read_text().splitlines()[:50]))
        return reading

    monkeypatch.setattr(judging, "write_case", few)
    job = {"set": "few", "recipe": judging.SHORT, "reasons": str(tmp_path / "why.json")}
    assert judging.STAGES[int(judging.judged(job)["stage"])] == "not read"
    assert "at least 100 are needed" in json.loads((tmp_path / "why.json").read_text())["few, short"]


def test_the_report_counts_and_compares(tmp_path: Path) -> None:
    """A figure more than .01 below the better rival, or a table that is not served, misses the goal."""
    results = Results(tmp_path / "own.csv", ("set", "recipe"), judging._FIGURES)
    row = {"rows": 100, "snn": 0.9, "logistic": 0.8, "boosting": 0.905, "stage": 0, "seconds": 1}
    results.add({"set": CASES[0], "recipe": "default"}, row)
    results.add({"set": CASES[1], "recipe": "default"}, row | {"boosting": 0.92})
    results.add({"set": CASES[2], "recipe": "default"}, row | {"stage": 3})
    for at, stage in enumerate((0, 0, 1, 3)):
        results.add({"set": f"s{at}", "recipe": "short"}, row | {"stage": stage})
    text = judging.report(results, {"s2, short": "too few rows"})
    goals = [line.split("|")[-2].strip() for line in text.splitlines() if line.startswith("| t")]
    assert goals[1:] == ["met", "missed", "missed"]
    assert "Of 3 that were read, 66.7% were served." in text
    assert "* s2, short: too few rows" in text
