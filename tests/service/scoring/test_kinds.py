"""Offline scoring of files as they come: each kind gives what the same molecules give as CSV."""

import csv
import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli.main import cli
from tests.support import bundles

# Each runs the command, which starts a process.
pytestmark = pytest.mark.slow

MOLECULES = ["CCO", "c1ccccc1O", "CC(=O)Nc1ccc(O)cc1"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch):
    """The command on a file of this name and content."""
    bundles.publish(tmp_path / "models", name="tox21", kind=bundles.JUDGED_MOLECULES)
    monkeypatch.setenv("SNN_MODELS", str(tmp_path / "models"))

    def command(name: str, content: bytes, *options: str) -> Result:
        (tmp_path / name).write_bytes(content)
        return CliRunner().invoke(cli, ["score", str(tmp_path / name), "--workers", "1", *options])

    return command


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a file of results."""
    delimiter = "\t" if path.suffix == ".tsv" else ","
    return list(csv.DictReader(path.read_text().splitlines(), delimiter=delimiter))


@pytest.mark.parametrize(
    ("name", "content", "options", "output"),
    [
        ("a.smi", "\n".join(MOLECULES), (), "a.scored.csv"),
        ("a.smi.gz", "\n".join(f"{smiles} name" for smiles in MOLECULES), (), "a.scored.csv"),
        ("a.txt", "\n".join(["id\tSMILES", *(f"1\t{s}" for s in MOLECULES)]), (), "a.scored.csv"),
        ("a.tsv", "\n".join(["SMILES\tid", *(f"{s}\t1" for s in MOLECULES)]), (), "a.scored.tsv"),
        (
            "a.csv",
            "\n".join(["", "sep=;", "id;smiles", *(f"1;{s}" for s in MOLECULES)]),
            (),
            "a.scored.csv",
        ),
        ("a.txt", "\n".join(["sep=|", "smiles|id", *(f"{s}|1" for s in MOLECULES)]), (), "a.scored.csv"),
        ("a.csv", "\n".join(["id;mol_smiles", *(f"1;{s}" for s in MOLECULES)]), (), "a.scored.csv"),
        (
            "a.csv.gz",
            "\n".join(["structure", *MOLECULES]),
            ("--smiles-column", "structure"),
            "a.scored.csv",
        ),
    ],
)
def test_each_kind_of_file_gets_the_same_results(
    run, tmp_path: Path, name: str, content: str, options: tuple[str, ...], output: str
) -> None:
    """By the ending of its name; compressed or not."""
    expected = run("plain.csv", "\n".join(["smiles", *MOLECULES]).encode())
    assert expected.exit_code == 0, expected.output
    result = run(
        name, gzip.compress(content.encode()) if name.endswith(".gz") else content.encode(), *options
    )
    assert result.exit_code == 0, result.output
    found, plain = rows_of(tmp_path / output), rows_of(tmp_path / "plain.scored.csv")
    for key in ("status", "parent", "probability_NR-AR", "p_value"):
        assert [row[key] for row in found] == [row[key] for row in plain]


def test_a_scored_file_is_scored_again(run, tmp_path: Path) -> None:
    """Only where the command says what becomes of its results."""
    run("a.csv", b"smiles\nCCO\n")
    scored = (tmp_path / "a.scored.csv").read_bytes()
    refused = run("b.csv", scored)
    assert refused.exit_code == 2
    assert "result_columns" in refused.output
    assert run("b.csv", scored, "--result-columns", "replace").exit_code == 0
    assert (tmp_path / "b.scored.csv").read_bytes() == scored


def test_a_damaged_file_ends_with_one_sentence(run) -> None:
    """Cut short, or under a wrong name."""
    for name, content in (
        ("a.csv.gz", gzip.compress(b"smiles\nC\n")[:-8]),
        ("a.csv", gzip.compress(b"x")),
    ):
        result = run(name, content)
        assert result.exit_code == 2
        assert len(result.output.splitlines()) == 1
