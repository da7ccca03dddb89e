"""What the supervisor does before any worker runs."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from service.server.listener import ConnectionCounts
from service.server.supervisor import _make_shared


def test_full_shared_memory_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The workers' folder then lies among temporary files."""
    make = ConnectionCounts.make
    shared = tmp_path / "shm"
    shared.mkdir()
    monkeypatch.setattr("service.coordination.shared_folder._SHARED_MEMORY", shared)

    def full(folder: Path, workers: int) -> int:
        if folder.parent == shared:
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(folder, workers)

    monkeypatch.setattr(ConnectionCounts, "make", full)
    folder, descriptor = _make_shared(2)
    os.close(descriptor)
    assert folder.parent != shared
    assert list(shared.iterdir()) == []
    shutil.rmtree(folder)
