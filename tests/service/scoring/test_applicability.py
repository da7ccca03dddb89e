"""Offline scoring says what a model cannot judge, in every kind of output."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import cli
from tests.support import bundles

# Each runs the command, which starts a process.
pytestmark = pytest.mark.slow

RECORDS = ["CCO", "[K+].[Cl-]", "Cc1ccccc1O.Cc1cccc(O)c1", "C["]
STATUSES = ["ok", "not_applicable", "ok", "error"]


@pytest.fixture
def score(tmp_path: Path, monkeypatch):
    """The command on a table of four records; it returns the output's path and the printed line."""
    bundles.publish(tmp_path / "models", name="tox21", kind=bundles.JUDGED_MOLECULES)
    monkeypatch.setenv("SNN_MODELS", str(tmp_path / "models"))
    (tmp_path / "in.csv").write_text("\n".join(["smiles", *RECORDS]))

    def command(output: str, *options: str) -> tuple[Path, str]:
        arguments = ["score", str(tmp_path / "in.csv"), "--output", str(tmp_path / output), *options]
        result = CliRunner().invoke(cli, [*arguments, "--workers", "1"])
        assert result.exit_code == 0, result.output
        return tmp_path / output, result.output

    return command


def test_csv_and_ndjson_have_status_and_warnings(score) -> None:
    """The reason is under "error", and only what cannot be read counts as an error."""
    path, printed = score("out.csv")
    assert "4 rows, 1 of them with errors" in printed
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["status"] for row in rows] == STATUSES
    assert rows[1]["warnings"].startswith("inorganic: ")
    assert rows[2]["warnings"].startswith("mixture: ")
    assert "carbon" in rows[1]["error"]
    path, _ = score("out.ndjson")
    results = [json.loads(line) for line in path.read_text().splitlines()]
    assert [result["status"] for result in results] == STATUSES
    assert results[1]["warnings"][0]["code"] == "inorganic"


def test_parquet_has_them_too(score) -> None:
    """As columns of text."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path, _ = score("out.parquet")
    columns = parquet.read_table(path).to_pydict()
    assert columns["status"] == STATUSES
    assert columns["warnings"][1].startswith("inorganic: ")
    assert columns["probability_NR-AR"][1] is None


@pytest.mark.parametrize("way", ["option", "variable"])
def test_numbers_for_everything_where_applicability_is_ignored(score, monkeypatch, way: str) -> None:
    """The option or the service's own variable."""
    if way == "variable":
        monkeypatch.setenv("SNN_APPLICABILITY", "ignore")
    path, _ = score("out.csv", *(("--applicability", "ignore") if way == "option" else ()))
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "error"]
    assert rows[1]["probability_NR-AR"]
    assert rows[1]["warnings"].startswith("inorganic: ")
