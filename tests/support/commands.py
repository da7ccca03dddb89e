"""The project's commands in processes of their own."""

import subprocess
import sys

from tests.support.server import ROOT


def training(*arguments: str, timeout: float = 600) -> str:
    """Run ``python -m training``, which must succeed; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
