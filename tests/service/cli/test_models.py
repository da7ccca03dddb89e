"""``python -m service models``: releasing where training is not installed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.registry.release_log import LOG_FILE
from models.registry.store import Repository
from service.cli.main import cli
from tests.support import bundles


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs a command on a repository of three versions, the first promoted."""
    for seed in range(3):
        bundles.publish(tmp_path / "models", seed=seed, promote=seed == 0)
    monkeypatch.setenv("SNN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SNN_STATE", str(tmp_path / "state"))
    return lambda *arguments: CliRunner().invoke(cli, ["models", *arguments])


def test_the_steps_are_those_of_the_other_ways(run, tmp_path: Path) -> None:
    """List, promote, compare, roll back; the log has each step, by whom and why."""
    assert "champion" in run("list").stdout.splitlines()[0]
    assert "version 3 is the champion" in run("promote", "htru2", "3", "--why", "newer").stdout
    listed = run("list", "htru2").stdout.splitlines()
    assert [line.endswith("champion") for line in listed] == [False, False, True]
    assert run("compare", "htru2", "1", "3").stdout.splitlines()[0].split() == ["figure", "1", "3"]
    assert "rolled back to version 1" in run("rollback", "htru2").stdout
    promoted, rolled = run("log", "htru2").stdout.splitlines()
    assert "promote  1 → 3  cli:" in promoted
    assert promoted.endswith("newer")
    assert "rollback  3 → 1  cli:" in rolled
    assert Repository(tmp_path / "models").serving("htru2").champion == 1


def test_a_trial_is_listed_and_says_whose_place_it_takes(run) -> None:
    """How it is tried stands beside the version; a trial that it ends is named."""
    begun = run("trial", "htru2", "2", "--share", "0.5").stdout
    assert begun == "htru2: version 2 is on trial: answers 50 % of the requests\n"
    first, second = run("trial", "htru2", "3").stdout.splitlines()
    assert first == "htru2: version 3 is on trial: in the shadow"
    assert second == "htru2: the trial of version 2 (answers 50 % of the requests) has ended"
    assert run("list", "htru2").stdout.splitlines()[2].endswith("on trial: in the shadow")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "htru2", "9"], "has no version 9"),
        (["rollback", "htru2"], "no earlier champion"),
        (["list", "../htru2"], "is not a model name"),
        (["compare", "htru2", "1", "7"], "has no version 7"),
        (["unload", "htru2", "--url", "file:///etc/passwd"], "begins with http"),
        (["unload", "htru2", "--url", "http://127.0.0.1:9"], "does not answer"),
    ],
)
def test_a_mistake_is_one_sentence(run, arguments: list[str], message: str) -> None:
    """Exit status 1, and what to do on standard error."""
    done = run(*arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_step_that_cannot_be_written_down_is_said_and_stands(run, tmp_path: Path) -> None:
    """The log's place is taken by a folder: the promotion holds, and a warning says what is missing."""
    (tmp_path / "state" / LOG_FILE).mkdir(parents=True)
    done = run("promote", "htru2", "2")
    assert done.exit_code == 0
    assert "warning: " in done.stderr
    assert "cannot be written" in done.stderr
    assert Repository(tmp_path / "models").serving("htru2").champion == 2
