"""A training run that is told to stop."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from models.cores import cores

pytestmark = pytest.mark.slow


def test_a_training_run_ends_at_sigterm_with_its_processes(tmp_path: Path) -> None:
    """Status 143, one sentence, no version, no process left, and no warning of leaked semaphores."""
    rng = np.random.default_rng(0)
    lines = [f"{x:.3f},{int(x > 0)}" for x in rng.normal(size=400)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *lines]))
    (tmp_path / "long.json").write_text('{"epochs": 10000}')
    where = ["--models", str(tmp_path / "models"), "--state", str(tmp_path / "state")]
    given = ["--data", str(tmp_path / "t.csv"), "--target", "y", "--recipe", str(tmp_path / "long.json")]
    run = subprocess.Popen(
        [sys.executable, "-u", "-m", "training", "train", "stopped", *given, *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    late = threading.Timer(120, run.kill)
    late.start()
    try:
        assert run.stdout is not None
        said = next(line for line in run.stdout if "training" in line or not line)
        assert "networks without each fold" in said
        # The manager of the reports, the tracker of resources, and a process per core.
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
        while len(children.read_text().split()) < 2 + cores():
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        _, err = run.communicate()
    finally:
        late.cancel()
    assert run.returncode == 128 + signal.SIGTERM
    assert err == "stopped by SIGTERM\n"
    assert not list(tmp_path.glob("models/stopped/*"))
    for _ in range(100):  # the tracker of resources ends by itself
        try:
            os.killpg(run.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("processes are left")
