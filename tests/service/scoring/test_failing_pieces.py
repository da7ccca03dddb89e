"""Pieces that fail, or end their process: no row is lost, one sentence says so, and a run goes on."""

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli.main import cli
from service.scoring import run
from service.tables import ParsedRows, Parser, Raw, open_source
from tests.support import bundles

# Pools of processes that die and start again.
pytestmark = pytest.mark.slow

ROWS = 1000  # four pieces of molecules


@dataclass(frozen=True)
class Failing:
    """The real parser, which fails at the row of id 600."""

    parser: Parser
    fail: Callable[..., None]
    argument: object

    def parse(self, raw: Raw) -> ParsedRows:
        """Read rows."""
        if any(row.startswith(b"600,") for row in raw):
            self.fail(self.argument)
        return self.parser.parse(raw)


def _raise(text: str) -> None:
    raise RuntimeError(text)


def _die_once(path: Path) -> None:
    if not path.exists():
        path.touch()
        os._exit(1)


@pytest.fixture
def score(tmp_path: Path, monkeypatch) -> Callable[..., Result]:
    """The command on a table of a thousand molecules, with a parser that fails or a sound one."""
    bundles.publish(tmp_path / "models", name="tox21", kind=bundles.MOLECULES)
    monkeypatch.setenv("SNN_MODELS", str(tmp_path / "models"))
    lines = [f"{place},{'C' * (place % 50 + 1)}" for place in range(ROWS)]
    (tmp_path / "in.csv").write_text("\n".join(["id,smiles", *lines]))

    def command(output: str, fail: Callable[..., None] | None = None, argument: object = "") -> Result:
        def open_failing(kind, file, form):
            source, parser = open_source(kind, file, form)
            return source, parser if fail is None else Failing(parser, fail, argument)

        monkeypatch.setattr(run, "open_source", open_failing)
        arguments = [tmp_path / "in.csv", "--output", tmp_path / output, "--workers", 2]
        return CliRunner().invoke(cli, ["score", *map(str, arguments)])

    return command


def ids(path: Path) -> list[int]:
    """The rows that are in an output, by their ids."""
    with path.open(newline="") as file:
        return [int(row["id"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("fail", "argument", "words"),
    [
        (_raise, "it broke", "a piece could not be scored: RuntimeError: it broke. "),
        (os._exit, 1, "a process ended without a word, twice over the same rows: out of memory"),
    ],
)
def test_a_piece_that_fails_ends_the_run_where_it_stands(
    score, tmp_path: Path, fail, argument: object, words: str
) -> None:
    """Status 2 and one sentence; the pieces before are kept, and the same command goes on from there."""
    failed = score("out.csv", fail, argument)
    assert failed.exit_code == 2
    assert failed.stderr.startswith(words)
    assert "the same command goes on" in failed.stderr.lower()
    assert len(failed.stderr.splitlines()) == 1
    assert not (tmp_path / "out.csv").exists()
    assert ids(tmp_path / "out.csv.part") == list(range(512))
    gone_on = score("out.csv")
    assert gone_on.exit_code == 0, gone_on.output
    assert "1,000 rows" in gone_on.stdout
    assert ids(tmp_path / "out.csv") == list(range(ROWS))


def test_a_piece_whose_process_is_killed_once_is_scored_again(score, tmp_path: Path) -> None:
    """The output is byte for byte that of a run without a death."""
    died = tmp_path / "died"
    assert score("out.csv", _die_once, died).exit_code == 0
    assert died.exists()
    assert score("sound.csv").exit_code == 0
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "sound.csv").read_bytes()


def test_an_output_that_cannot_be_written_is_told(score, tmp_path: Path, monkeypatch) -> None:
    """The system's words and status 2, no traceback."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run.Checkpoint, "write", full)
        failed = score("out.csv")
    assert failed.exit_code == 2
    assert "No space left on device" in failed.stderr
    assert score("out.csv").exit_code == 0
    assert ids(tmp_path / "out.csv") == list(range(ROWS))
