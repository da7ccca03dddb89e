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


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "smiles\nCCO\n".encode("utf-16"), "save it as UTF-8"),
        ("a.json", b'[{"smiles": "CCO"}]', "the name should end in one of"),
    ],
)
def test_what_only_training_reads_is_refused_with_what_to_do(run, name, content, said) -> None:
    """UTF-16 and a file that is one JSON list are one sentence, status 2, and no output."""
    done = run(name, content)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_file_for_another_model_says_which(run, tmp_path: Path) -> None:
    """Without ``--model`` a table of candidates is refused, and the model that takes it is named."""
    bundles.publish(tmp_path / "models", name="htru2")
    names = "profile_mean,profile_stdev,profile_skewness,profile_kurtosis,dm_mean,dm_stdev,dm_skewness"
    row = "110,46,0.5,1.8,12,26,8,104"
    done = run("pulsars.csv", f"{names},dm_kurtosis\n{row}\n".encode())
    assert done.exit_code == 2
    assert "The file has the columns of htru2: --model htru2" in done.stderr
    done = run("neither.csv", b"colour\nred\n")
    assert done.exit_code == 2
    assert "--model" not in done.stderr
    done = run("pulsars.csv", f"{names},dm_kurtosis\n{row}\n".encode(), "--model", "htru2")
    assert done.exit_code == 0, done.stderr
