"""Dense traffic in windows: a share of it, and as good a picture."""

import numpy as np
import pytest

from service.health import windows
from service.health.monitor import Monitor
from service.health.windows import Sampling
from tests.support import bundles


class Clock:
    """A monotonic clock that goes where the test says."""

    now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_quiet_traffic_is_taken_whole() -> None:
    """A thousand seconds of 512 rows each, in requests of 1 to 256 rows, and rare large ones."""
    sampling = Sampling()
    for size in (1, 16, 256):
        times = np.repeat(np.arange(1000.0), 512 // size) + 5000.0 * size
        assert all(sampling.takes(size, now) for now in times)
    assert all(sampling.takes(4096, now) for now in np.arange(2e6, 2e6 + 900, 9))


@pytest.mark.parametrize("size", [1, 64, 256])
@pytest.mark.parametrize("at_once", [True, False])
def test_of_dense_traffic_a_share_is_taken(size: int, at_once: bool) -> None:
    """Of 8,192 rows a second, evenly or at once, 512 are, and an eighth of the rest, behind a burst."""
    sampling, seconds, each = Sampling(), 40, 8192 // size
    times = np.arange(float(seconds * each)) / each
    taken = sum(size for now in times if sampling.takes(size, float(now // 1 if at_once else now)))
    assert taken / seconds == pytest.approx(512 + (8192 - 512) / 8, rel=0.1)


def test_a_burst_after_quiet_traffic_is_taken_whole() -> None:
    """Of 4,096 rows at once every batch counts, and again once as many were spared; not before."""
    sampling = Sampling()
    assert all(sampling.takes(64, 1000.0) for _ in range(64))
    assert sum(sampling.takes(64, 1000.0) for _ in range(64)) < 24
    assert sum(sampling.takes(64, 1001.0) for _ in range(64)) < 32
    assert all(sampling.takes(64, 1009.0) for _ in range(64))


def test_rows_that_are_not_taken_are_judged(monkeypatch) -> None:
    """Every row has its p-value; the windows hold fewer rows, and say the same."""
    monkeypatch.setattr(windows, "_BURST", 512.0)
    clock, quiet = Clock(), Clock()
    sampled = Monitor(bundles.reference(), clock, sampled=True)
    whole = Monitor(bundles.reference(), quiet)
    for batch in range(64):
        outputs = bundles.run_all(bundles.graph(), bundles.candidates(64, seed=batch))
        assert np.array_equal(sampled.observe(outputs), whole.observe(outputs))
    seen, full = sampled.health(), whole.health()
    assert seen.windows["1m"].count < full.windows["1m"].count / 3
    assert seen.judgement.verdict == full.judgement.verdict == "healthy"


@pytest.mark.parametrize("size", [1, 64])
def test_a_fault_in_dense_traffic_is_seen_within_the_same_second(size: int) -> None:
    """At 6,400 rows a second, rows 3 standard deviations off turn the verdict in half a second."""
    clock = Clock()
    monitor = Monitor(bundles.reference(), clock, names=list("abcdefgh"), sampled=True)
    rows = bundles.candidates(6400, seed=1)
    spread = rows.std(axis=0)
    for begin, moved in ((0, 0.0), (3200, 3.0)):
        made = bundles.run_all(bundles.graph(), rows + np.float32(moved) * spread)
        for at in range(begin, begin + 3200, size):
            clock.now = 1000.0 + at / 6400
            monitor.observe({name: array[at : at + size] for name, array in made.items()})
        verdict = monitor.health().judgement.verdict
        assert verdict == ("healthy" if begin == 0 else "unhealthy")
