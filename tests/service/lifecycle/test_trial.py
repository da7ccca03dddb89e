"""Bundles that are tried in a process of their own, which may die alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import BundleRefused
from service.coordination.shared_store import SharedStore
from service.lifecycle.trial import try_bundle
from tests.support import bundles
from tests.support.server import ROOT, environment

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a valid bundle."""
    bundles.publish(tmp_path)
    return tmp_path / "htru2" / "1"


def test_a_sound_bundle_passes_and_a_bad_one_tells_its_reason(folder: Path) -> None:
    """The reason is the one that loading it here would have given."""
    try_bundle(folder, "htru2", 1)
    with pytest.raises(BundleRefused, match="it was copied there, not published"):
        try_bundle(folder, "htru2", 2)
    (folder / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleRefused, match=r"model\.onnx has 0 bytes"):
        try_bundle(folder, "htru2", 1)


def test_what_ends_the_process_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash costs that process alone, whichever signal it dies of."""
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\nkill -SEGV $$\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with pytest.raises(BundleRefused, match=r"ended the process that did \(status -11\)"):
        try_bundle(folder, "htru2", 1)


def test_memory_beyond_the_limit_ends_it(folder: Path) -> None:
    """The limit is the kernel's, and holds for everything that is allocated there."""
    code = (
        "import sys; from pathlib import Path; from service.lifecycle import trial\n"
        "import numpy as np; kept = []\n"
        "trial.open_bundle = lambda folder: [kept.append(np.ones(1 << 24)) for _ in range(20)]\n"
        f"sys.exit(trial.main(Path({str(folder)!r}), 'htru2', 1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode not in (0, 3)
    assert b"MemoryError" in done.stderr


def test_one_worker_tries_for_all(tmp_path: Path) -> None:
    """What one has tried the others need not; a trial that failed is not noted."""
    one, two = SharedStore(tmp_path), SharedStore(tmp_path)
    with pytest.raises(BundleRefused), one.noted("tried") as done:
        assert not done
        raise BundleRefused("no")
    with one.noted("tried") as done:
        assert not done
    with two.noted("tried") as done:
        assert done
    assert [path.name for path in tmp_path.iterdir()] == ["tried"]
