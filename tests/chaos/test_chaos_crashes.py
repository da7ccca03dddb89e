"""Publish and promote, killed at any of their steps."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support import bundles

ROOT = Path(__file__).resolve().parents[2]
POINTS = int(os.environ.get("SNN_TEST_CRASHES", "200"))


def test_killed_at_any_call_the_repository_is_servable_and_the_next_command_succeeds(
    tmp_path: Path,
) -> None:
    """Two hundred random deaths: what is left is whole, and publishing and promoting go on."""
    for version in range(1, 5):
        (folder := tmp_path / "templates" / str(version)).mkdir(parents=True)
        bundles.write_bundle(folder, version)
    command = [sys.executable, "-m", "tests.chaos.crashes"]
    places = [str(tmp_path / "templates"), str(tmp_path / "runs")]
    done = subprocess.run(
        [*command, *places, str(POINTS), "7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found["points"] == POINTS
    assert found["calls"] > 40
    # Deaths before the first promotion, between the two, and after the second.
    assert set(found["champions"]) == {"None", "1", "2"}
