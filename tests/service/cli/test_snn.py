"""The command ``snn``, what it says on a terminal, and what ``snn doctor`` finds."""

import json
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import doctor, snn
from service.observability.console import text_line
from tests.support import bundles
from tests.support.server import ROOT, environment

COMMANDS = {"serve", "score", "models", "keys", "doctor"}
TRAINING = {"train", "search", "evaluate", "benchmark", "theory", "adapt"}
STARTED = "from service.cli.snn import main; main()"


def run(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run ``snn`` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", STARTED, *arguments],
        env=environment(**settings) | {"COLUMNS": "200", "NO_COLOR": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_lists_every_command_and_the_exit_statuses() -> None:
    """``snn -h`` shows the service's commands and training's, and what each status means."""
    done = run("-h")
    assert done.returncode == 0, done.stderr
    listed = set(re.findall(r"^│ (\w+)  ", done.stdout, re.MULTILINE))
    assert listed >= COMMANDS | TRAINING
    for status in snn.EXIT_STATUSES:
        assert f"{status}: " in done.stdout


def test_the_version_is_that_of_the_package() -> None:
    """``snn --version`` is one line that programs can read."""
    assert re.fullmatch(r"snn (\d+\.\d+\.\d+\S*|unknown)\n", run("--version").stdout)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["evaluate", "htru2", "99"], 1, "error: model 'htru2' has no version 99"),
        (["models", "promote", "htru2", "99"], 1, "error: model 'htru2' has no version 99"),
        (["train", "htru2", "--promote", "perhaps"], 2, "'auto', 'always', 'never'"),
        (["serve", "--port", "70000"], 2, "equal to 65535"),
        (["evaluate", "htru2", "--split", "other"], 2, "'out-of-fold', 'leaderboard', 'final'"),
        (["nothing"], 2, "No such command"),
    ],
)
def test_statuses_are_those_of_the_table(tmp_path, arguments, status, said) -> None:
    """What cannot be done is 1, what was asked for wrongly is 2; the reason is on standard error."""
    bundles.publish(tmp_path)
    done = run(*arguments, models=tmp_path)
    assert done.returncode == status
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_a_setting_that_cannot_be_used_is_status_2() -> None:
    """A misspelled variable stops the service before it listens."""
    done = run("serve", prot=8000)
    assert done.returncode == 2
    assert "SNN_PROT: there is no such setting" in done.stderr


def test_a_missing_package_is_one_sentence() -> None:
    """Without the extra ``train`` the command says what to install."""
    code = "import sys; sys.modules['training.networks'] = None; " + STARTED
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "htru2"],
        env=environment(), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: this command needs the package 'training.networks'")
    assert "pip install 'snn-serving[train]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_service_needs_no_package_of_training() -> None:
    """Without the extra ``train`` every command is listed, and training says what is missing."""
    missing = ("torch", "pooch", "sklearn", "optuna", "matplotlib", "flint", "threadpoolctl", "joblib")
    code = f"import sys; sys.modules.update(dict.fromkeys({missing})); {STARTED}"
    for arguments, status, said in (
        (["-h"], 0, "theory"),
        (["train", "htru2"], 1, "snn-serving[train]"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=environment(), cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert said in done.stdout + done.stderr
        assert "left out" not in done.stderr


def test_a_broken_addition_is_left_out(monkeypatch, capsys) -> None:
    """What another package adds and cannot be imported is named, and the service's commands stay."""
    broken = EntryPoint("other", "no_such_package:app", snn.GROUP)
    monkeypatch.setattr(snn, "entry_points", lambda **_: (broken,))
    assert CliRunner().invoke(snn.build(), ["doctor", "-h"]).exit_code == 0
    assert "warning: the commands of 'other' are left out: No module" in capsys.readouterr().err


def test_neither_package_needs_the_other() -> None:
    """``snn`` works where training's entry points are not installed."""
    code = (
        "import sys; sys.modules['training'] = None;"
        "import service.cli.snn as snn; snn.entry_points = lambda **_: (); snn.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "-h"],
        env=environment(), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout
    assert "search" not in done.stdout


def test_lists_are_json_for_programs(tmp_path: Path) -> None:
    """``--json`` of versions, the release log and keys; no hash of a key is shown."""
    repository, keys = tmp_path / "repository", tmp_path / "keys.json"
    bundles.publish(repository)
    (document,) = json.loads(run("models", "list", "--json", models=repository).stdout)
    assert (document["model"], document["champion"]) == ("htru2", 1)
    run("models", "promote", "htru2", "1", models=repository, state=tmp_path / "state")
    log = run("models", "log", "--json", models=repository, state=tmp_path / "state").stdout
    assert [json.loads(line)["action"] for line in log.splitlines()] == ["promote"]
    assert run("keys", "new", "alice", "--scope", "predict", api_keys_file=keys).returncode == 0
    (key,) = json.loads(run("keys", "list", "--json", api_keys_file=keys).stdout)
    assert (key["name"], key["scopes"]) == ("alice", ["predict"])
    assert "sha256" not in key


@pytest.mark.slow
def test_a_terminal_gets_text_with_the_address(tmp_path: Path) -> None:
    """On a terminal every line is short text, one has the address, and none looks like a failure."""
    bundles.publish(tmp_path / "repository")
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            STARTED,
            "serve",
            "--port",
            "0",
            "--models",
            str(tmp_path / "repository"),
        ],
        env=environment(state=tmp_path / "state", drain_wait_seconds=0.1) | {"TERM": "xterm"},
        cwd=ROOT,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    try:
        while b"htru2@1 serves" not in shown:
            shown += os.read(leader, 4096)
    finally:
        process.terminate()
        process.wait(20)
        os.close(leader)
    text = shown.decode()
    assert re.search(r"open http://localhost:\d+ ", text)
    assert "\x1b[" in text
    assert not re.search(r"error|warning|fail|cannot|\.so|\{", text, re.IGNORECASE)


def test_lines_of_text_are_short() -> None:
    """A request is one line with method, route, status and time; a fault shows all its fields."""
    at = {"timestamp": "2026-01-02T03:04:05Z"}
    request = {
        "event": "request", "level": "info", "method": "POST", "route": "/predict", "status": 200,
        "seconds": 0.0125, "model": "htru2", "rows": 3,
    }  # fmt: skip
    line = text_line(request | at, colour=False).decode()
    assert line.endswith("  POST /predict 200  htru2, rows: 3  12.5 ms")
    fault = {"event": "request", "level": "error", "kind": "KeyError", "place": ["x.py:1"]}
    assert (
        text_line(fault | at, colour=False)
        .decode()
        .endswith("error: request  kind=KeyError  place=['x.py:1']")
    )
    assert b"\x1b[31m" in text_line(fault | at, colour=True)


def findings(monkeypatch, **settings: object) -> dict[str, doctor.Finding]:
    """What the doctor finds with these settings."""
    for name in [name for name in os.environ if name.startswith("SNN_")]:
        monkeypatch.delenv(name)
    for name, value in ({"device": "cpu", "port": 0} | settings).items():
        monkeypatch.setenv(f"SNN_{name.upper()}", str(value))
    return {finding.about: finding for finding in doctor.examine()}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a small htru2."""
    bundles.publish(tmp_path / "repository")
    return tmp_path / "repository"


def test_a_sound_machine_has_no_problem(monkeypatch, tmp_path, repository) -> None:
    """Settings, device, port, model and state are looked at and found well."""
    found = findings(monkeypatch, models=repository, state=tmp_path / "state")
    assert not [each for each in found.values() if each.status == "problem"]
    sound = {name for name, each in found.items() if each.status == "ok"}
    assert {"settings", "device", "port", "model htru2", "state"} <= sound


def test_what_is_wrong_is_named(monkeypatch, tmp_path, repository) -> None:
    """A taken port, an altered bundle, a state that is a file, missing keys and missing data."""
    model = repository / "htru2" / "1" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = findings(
            monkeypatch, models=repository, port=taken.getsockname()[1],
            state="/proc/nowhere", api_keys_file=tmp_path / "none.json", data_dir=tmp_path / "none",
        )  # fmt: skip
    said = {name: each.text for name, each in found.items() if each.status == "problem"}
    assert set(said) == {"port", "model htru2", "state", "keys", "data"}
    assert "Address already in use" in said["port"]
    assert "model.onnx" in said["model htru2"]


def test_a_setting_that_is_none_ends_the_examination(monkeypatch, repository) -> None:
    """Nothing else can be looked at; the problem is the last finding, and the status is 1."""
    assert list(findings(monkeypatch, models=repository, prot=1))[-1] == "settings"
    done = CliRunner().invoke(snn.build(), ["doctor", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)[-1]["status"] == "problem"


def test_an_empty_repository_says_where_models_come_from(monkeypatch, tmp_path, repository) -> None:
    """A folder without a model is a problem with a way out."""
    shutil.rmtree(repository / "htru2")
    found = findings(monkeypatch, models=repository, state=tmp_path / "state")
    assert "snn models pull" in found["repository"].text
