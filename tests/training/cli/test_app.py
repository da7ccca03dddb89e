"""The training command line, as a new user calls it: right, and wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.registry.release_log import ReleaseLog
from models.registry.store import Repository
from tests.support import bundles
from tests.support.commands import call
from training.data.official.sources import HTRU2, locate

ROOT = Path(__file__).parents[3]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Three small versions, the first promoted."""
    for number in range(3):
        bundles.publish(tmp_path / "models", promote=number == 0)
    return Repository(tmp_path / "models")


#: Asks every command for help, and tells how each ended and whether torch was loaded.
_HELP = """
import contextlib, io, json, sys
from training.cli.app import app
ended = {}
for command in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            app([*command.split(), "--help"])
        except SystemExit as end:
            ended[command] = [end.code, "Usage" in out.getvalue(), "torch" in sys.modules]
print(json.dumps(ended))
"""


@pytest.mark.slow
def test_every_command_explains_itself() -> None:
    """``--help`` works on each, without loading torch."""
    commands = [
        "",
        "train",
        "evaluate",
        "benchmark",
        "search",
        "theory",
        "versions",
        "promote",
        "rollback",
    ]
    done = subprocess.run(
        [sys.executable, "-c", _HELP, json.dumps(commands)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {command: [0, True, False] for command in commands}


def test_versions_promote_and_rollback(repository: Repository, tmp_path: Path) -> None:
    """The champion is listed, replaced, and restored; the log has both steps, by whom and why."""
    models, state = ["--models", str(repository.root)], ["--state", str(tmp_path / "state")]
    assert call("versions", "htru2", *models).stdout.split() == ["1", "champion", "2", "3"]
    done = call("promote", "htru2", "3", *models, *state, "--why", "better")
    assert "version 3 is the champion" in done.stdout
    assert repository.serving("htru2").champion == 3
    assert "rolled back to version 1" in call("rollback", "htru2", *models, *state).stdout
    assert repository.serving("htru2").champion == 1
    steps = ReleaseLog(tmp_path / "state").entries("htru2")
    assert [(step.action, step.before, step.after) for step in steps] == [
        ("promote", 1, 3),
        ("rollback", 3, 1),
    ]
    assert steps[0].why == "better"
    assert steps[0].by.startswith("cli:")


def test_programs_read_one_object(repository: Repository, tmp_path: Path) -> None:
    """``--json`` on versions, promote and rollback puts one JSON object on standard output."""
    where = ["--models", str(repository.root), "--json"]
    state = ["--state", str(tmp_path)]
    told = [
        json.loads(call(*arguments, *where).stdout)
        for arguments in (
            ["versions", "htru2"],
            ["promote", "htru2", "2", *state],
            ["rollback", "htru2", *state],
        )
    ]
    assert told == [
        {"model": "htru2", "versions": [1, 2, 3], "champion": 1},
        {"model": "htru2", "champion": 2},
        {"model": "htru2", "champion": 1},
    ]


def test_an_altered_version_is_not_promoted(repository: Repository, tmp_path: Path) -> None:
    """The champion stays, the sentence names the file, and the log says that it was refused."""
    path = repository.bundle("htru2", 2) / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = call("promote", "htru2", "2", "--models", str(repository.root), "--state", str(tmp_path))
    assert (done.returncode, repository.serving("htru2").champion) == (1, 1)
    assert "model.onnx was altered" in done.stderr
    (step,) = ReleaseLog(tmp_path).entries()
    assert (step.action, step.after) == ("refuse", 2)


@pytest.mark.slow
def test_the_repository_is_also_named_by_the_environment(repository: Repository) -> None:
    """``SNN_MODELS`` says where it is, to the command in a process of its own, as for the service."""
    done = subprocess.run(
        [sys.executable, "-m", "training", "versions", "htru2"],
        cwd=ROOT,
        env={**os.environ, "SNN_MODELS": str(repository.root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "3" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "htru2", "9"], "has no version 9"),
        (["rollback", "htru2"], "no earlier champion"),
        (["versions", "nothing"], "no version of 'nothing' is published"),
        (["versions", "../htru2"], "is not a model name"),
        (["train", "nothing"], "no data set is known for 'nothing'; there are htru2, tox21"),
        (["train", "my-task", "--data", "nowhere.csv", "--target", "x"], "nowhere.csv is no file"),
        (["train", "my-task", "--data", "nowhere.csv"], "my-task is new: --target says which column"),
        (["train", "My Task", "--data", "nowhere.csv", "--target", "x"], "is not a model name"),
        (["train", "my-task", "--target", "x"], "--target says how --data FILE is to be read"),
        (["train", "my-task", "--task", "regression"], "--task says how --data FILE is to be read"),
        (["train", "htru2", "--task", "regression"], "--task: htru2 has targets and columns of its own"),
        (["search", "tox21", "--day-first"], "--day-first: tox21 has targets and columns of its own"),
        (
            ["train", "htru2", "--data", "x.csv", "--target", "y"],
            "htru2 has targets and columns of its own",
        ),
        (["train", "htru2", "--search", "nowhere.study"], "nowhere.study is no study"),
        (["search", "nothing"], "no data set is known for 'nothing'"),
        (["evaluate", "htru2", "--split", "final"], "--split final exists for tox21 alone"),
        (["evaluate", "htru2", "7"], "has no version 7"),
        (["benchmark", "nothing"], "no benchmark is named 'nothing'"),
    ],
)
def test_a_mistake_is_answered_by_one_sentence(
    repository: Repository, arguments: list[str], message: str
) -> None:
    """Wrong arguments end with exit status 1 and one line on stderr that says what to do."""
    if "--search" in arguments and locate(HTRU2) is None:
        pytest.skip(f"{HTRU2.name} is not at hand: set SNN_DATA_DIR to a folder that holds it")
    done = call(*arguments, SNN_MODELS=str(repository.root), SNN_STATE=str(repository.root / "state"))
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_data_with_a_wrong_hash_is_named(tmp_path: Path) -> None:
    """A file in ``SNN_DATA_DIR`` that is not the official one is an error with both hashes."""
    (tmp_path / "HTRU2.zip").write_bytes(b"not the archive")
    done = call("train", "htru2", "--models", str(tmp_path / "m"), SNN_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "HTRU2.zip" in done.stderr
    assert "Traceback" not in done.stderr
