"""Settings: defaults that work, and one clear line where they cannot be honoured."""

import subprocess
import sys

import pytest

from service.errors import SettingsError
from service.settings import COMMITTED_MODELS, load_settings
from tests.support.server import ROOT, environment


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment():
        assert not name.startswith("SNN_")
    for name in ("MODELS", "PORT", "DEVICE", "HOST"):
        monkeypatch.delenv(f"SNN_{name}", raising=False)


def test_the_defaults_serve_the_committed_models_on_the_loopback(tmp_path, monkeypatch) -> None:
    """Without any variable: port 8000, this machine alone; an empty variable counts as none."""
    monkeypatch.setenv("SNN_MODELS", str(tmp_path))
    monkeypatch.setenv("SNN_PORT", "")
    settings = load_settings()
    assert (settings.host, settings.port, settings.device) == ("127.0.0.1", 8000, "auto")
    assert COMMITTED_MODELS == ROOT / "models" / "repository"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("DEVICE", "tpu"),
        ("MAX_ROWS", "0"),
        ("POLL_SECONDS", "nan"),
        ("MODELS", "/nowhere/at/all"),
        ("LOG_LEVEL", "loud"),
        ("APPLICABILITY", "maybe"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(name, value, monkeypatch, tmp_path) -> None:
    """The error quotes the variable and its value, in one line."""
    monkeypatch.setenv("SNN_MODELS", str(tmp_path))
    monkeypatch.setenv(f"SNN_{name}", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"SNN_{name}={value}: ")
    assert "\n" not in str(refused.value)


def test_the_command_ends_with_status_2_and_no_traceback(tmp_path) -> None:
    """``python -m service`` with a bad port says so on one line of stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=environment(models=tmp_path, port="x"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("SNN_PORT=x: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
