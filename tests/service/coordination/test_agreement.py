"""What one worker posts of itself."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from service.coordination.coordinator import WorkerCoordinator
from service.coordination.shared_store import SharedStore
from service.inference.served_models import ServedModels
from service.observability.counters import Activations, Telemetry


@pytest.fixture
def switching():
    """Let threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(interval)


def test_a_status_that_is_posted_while_a_version_is_loaded_can_be_read(
    tmp_path: Path, switching
) -> None:
    """Counters that another thread adds to meanwhile are written as of one moment."""
    telemetry, stopping = Telemetry(), threading.Event()
    sums = Activations(1, np.ones((2, 2)), np.ones((2, 2)))
    coordinator = WorkerCoordinator(ServedModels(), telemetry, SharedStore(tmp_path), 1)
    reader = SharedStore(tmp_path)

    def load() -> None:
        version = 0
        while not stopping.is_set():
            version += 1
            telemetry.traffic("htru2", version % 200).activations = sums
            if version % 200 == 0:
                telemetry.by_version.clear()

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(50):
            coordinator.post()
            status = reader.status(1)
            assert status is not None
            assert len(status.counted.by_version) <= 200
    finally:
        stopping.set()
        thread.join()
