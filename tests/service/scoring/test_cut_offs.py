"""Offline scoring by cut-offs of one's own, with intervals, and ranked."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from service.cli.main import cli
from tests.support import bundles

# Each runs the command, which starts a process.
pytestmark = pytest.mark.slow

ROWS = bundles.candidates(500, seed=5).tolist()
HEADER = (
    "name,profile_mean,profile_stdev,profile_skewness,profile_kurtosis,"
    "dm_mean,dm_stdev,dm_skewness,dm_kurtosis"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch):
    """The command on named candidates, one of which cannot be read and one of which has two lines."""
    bundles.publish(tmp_path / "models", decided=True)
    monkeypatch.setenv("SNN_MODELS", str(tmp_path / "models"))
    rows = [f"c{number},{','.join(map(repr, row))}" for number, row in enumerate(ROWS)]
    rows[1] = '"two\nlines",' + rows[1].partition(",")[2]
    rows.insert(3, "bad,1,2,x,4,5,6,7,8")
    (tmp_path / "in.csv").write_text("\n".join([HEADER, *rows]))

    def command(output: str, *options: str) -> Result:
        arguments = ["score", str(tmp_path / "in.csv"), "--model", "htru2", "--workers", "1"]
        return CliRunner().invoke(cli, [*arguments, "--output", str(tmp_path / output), *options])

    return command


def test_a_recall_decides_the_calls_and_is_told(run, tmp_path: Path) -> None:
    """The last line says which threshold it was; intervals have columns of their own."""
    result = run("out.csv", "--recall", ".95", "--interval")
    assert result.exit_code == 0, result.output
    assert "called: pulsar from 0.3 on" in result.output
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(), newline="")))
    for row in rows:
        if row["error"]:
            assert row["interval_low_pulsar"] == ""
            continue
        assert (row["call_pulsar"] == "true") == (float(row["probability_pulsar"]) >= 0.3)
        assert float(row["interval_low_pulsar"]) < float(row["interval_high_pulsar"])
    assert run("by_name.csv", "--threshold", '{"pulsar": 0.3}').exit_code == 0


@pytest.mark.parametrize("output", ["out.csv", "out.ndjson", "out.parquet"])
def test_ranked_results_are_the_same_rows_by_probability(run, tmp_path: Path, output: str) -> None:
    """The highest first, with names; what could not be read is last."""
    assert run(f"plain-{output}").exit_code == 0
    result = run(output, "--sort", "pulsar")
    assert result.exit_code == 0, result.output

    def read(path: Path) -> list[tuple[str, float | None]]:
        if path.suffix == ".parquet":
            rows = pq.read_table(path).to_pylist()
            return [(row["name"], row["probability_pulsar"]) for row in rows]
        if path.suffix == ".ndjson":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            return [(row["name"], row.get("probability", {}).get("pulsar")) for row in rows]
        rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
        return [
            (row["name"], float(row["probability_pulsar"]) if row["probability_pulsar"] else None)
            for row in rows
        ]

    plain, ranked = read(tmp_path / f"plain-{output}"), read(tmp_path / output)
    known = [row for row in plain if row[1] is not None]
    assert ranked == [*sorted(known, key=lambda row: -row[1]), ("bad", None)]
    assert len(ranked) == 501


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--recall", "99"), "it is a share above 0"),
        (("--recall", ".9", "--fpr", ".1"), "recall and fpr are asked for"),
        (("--fpr", "x"), "it is a number"),
        (("--sort", "NR-AR"), "the model has pulsar"),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence(run, tmp_path: Path, options, reason: str) -> None:
    """Nothing is written then."""
    result = run("out.csv", *options)
    assert result.exit_code == 2
    assert reason in result.output
    assert not list(tmp_path.glob("out.csv*"))
