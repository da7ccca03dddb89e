"""The systemd unit, as systemd itself checks it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "snn-serving.service"


def verified(text: str, folder: Path) -> str:
    """What ``systemd-analyze verify`` has to say of a unit."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    path = folder / UNIT.name
    path.write_text(text.replace("/opt/snn/bin/snn", sys.executable), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"status {done.returncode}")


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """No unknown directive, no wrong value; a misspelt one is found."""
    text = UNIT.read_text(encoding="utf-8")
    assert verified(text, tmp_path) == ""
    assert "DynamicUzer" in verified(text.replace("DynamicUser=", "DynamicUzer="), tmp_path)


def test_the_service_may_drain(tmp_path: Path) -> None:
    """The system waits longer than the service may take, and restarts what has failed."""
    lines = dict(
        line.split("=", 1) for line in UNIT.read_text(encoding="utf-8").splitlines() if "=" in line
    )
    assert int(lines["TimeoutStopSec"]) > 1 + 20
    assert lines["Restart"] == "on-failure"
    assert lines["ProtectSystem"] == "strict"
    assert lines["Environment"] == "SNN_STATE=%S/snn"
