"""The fold ensemble's processes."""

import os
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra train is not installed")

from tests.support.executor import ThisProcess
from training.networks import ensemble
from training.networks.training_loop import Recipe


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_processes_are_no_more_than_the_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine of many cores, a process that may use one fits one member at a time, by itself."""
    started: list[int] = []
    watched: list[int] = []

    class Recorder(ThisProcess):
        def __init__(self, workers: int, *arguments: Any) -> None:
            started.append(workers)
            super().__init__(workers, *arguments)

    def fit(processes: int | None) -> ensemble.Ensemble:
        rows = np.random.default_rng(0).standard_normal((20, 2)).astype(np.float32)
        return ensemble.fit_ensemble(
            rows,
            (rows[:, :1] > 0).astype(np.float32),
            np.arange(20) % 2,
            [Recipe(units=2, layers=1, epochs=1)],
            names=("a", "b"),
            rounds=1,
            seed=0,
            watch=lambda member, _progress: watched.append(member),
            processes=processes,
        )

    monkeypatch.setattr(ensemble, "ProcessPoolExecutor", Recorder)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        alone = fit(None)
        assert (started, watched) == ([], [0, 1])
        several = fit(3)
    finally:
        os.sched_setaffinity(0, allowed)
    assert started == [2]
    for one, other in zip(alone.networks, several.networks, strict=True):
        for name, weights in one.state_dict().items():
            assert weights.equal(other.state_dict()[name])
