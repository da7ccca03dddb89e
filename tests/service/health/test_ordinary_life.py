"""Traffic as it is: slow, in huge requests, of several clients, with rows that are no numbers."""

from datetime import UTC, datetime

import numpy as np
import pytest

from service.health.monitor import Monitor
from tests.service.health.test_monitor import Clock, monitor_of, outputs_of
from tests.service.health.test_onset import foreign
from tests.service.health.test_pauses import REFERENCE, sent
from tests.support import bundles


def verdict(monitor: Monitor) -> tuple[str, str | None]:
    """The verdict now, and its origin."""
    judgement = monitor.health().judgement
    return judgement.verdict, judgement.origin


@pytest.mark.parametrize(("size", "apart"), [(1, 1.0), (1, 60.0), (16, 60.0), (64, 60.0), (16, 600.0)])
def test_a_fault_is_seen_at_every_pace(size: int, apart: float) -> None:
    """A request a second, a minute or every ten minutes: 64 rows turn the verdict, 64 return it."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(2048, seed=1), size, apart)
    assert verdict(monitor)[0] == "healthy"
    sent(monitor, clock, foreign(64, seed=9), size, apart)
    assert verdict(monitor) == ("unhealthy", "input")
    sent(monitor, clock, bundles.candidates(64, seed=10), size, apart)
    assert verdict(monitor)[0] == "healthy"


@pytest.mark.parametrize("before", [16, 1000])
def test_a_request_of_ten_thousand_rows_is_judged_at_once(before: int) -> None:
    """Clean it leaves the verdict, foreign it turns it, whatever requests came before."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(6000, seed=1), before, 0.1)
    for number, (rows, expected) in enumerate(
        (
            (bundles.candidates(10_000, seed=7), "healthy"),
            (foreign(10_000, seed=8), "unhealthy"),
            (bundles.candidates(10_000, seed=9), "healthy"),
        )
    ):
        sent(monitor, clock, rows, 10_000, 1.0)
        assert verdict(monitor)[0] == expected, number


@pytest.mark.parametrize("others", [1, 3])
def test_one_client_of_several_at_fault_turns_the_verdict(others: int) -> None:
    """Its requests are a half or a quarter of all; the others' go on as before."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(2000, seed=1), 16, 0.1)
    for number in range(24):
        sent(monitor, clock, foreign(16, seed=9 + number), 16, 0.1)
        sent(monitor, clock, bundles.candidates(16 * others, seed=800 + number), 16, 0.1)
    found, origin = verdict(monitor)
    assert found in ("degraded", "unhealthy")
    assert origin == "input"


def test_rows_that_are_no_numbers_hide_no_fault_and_are_none() -> None:
    """A third of the rows gives NaN: among good rows nothing turns, among foreign ones it does."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)

    def mixed(rows: np.ndarray) -> None:
        outputs = outputs_of(rows.astype(np.float32))
        outputs = {name: array.copy() for name, array in outputs.items()}
        outputs["taps"][::3] = np.nan
        for start in range(0, len(rows), 16):
            monitor.observe({name: array[start : start + 16] for name, array in outputs.items()})
            clock.now += 0.1

    mixed(bundles.candidates(1200, seed=1))
    assert verdict(monitor)[0] == "healthy"
    mixed(foreign(192, seed=2))
    assert verdict(monitor) == ("unhealthy", "input")


def test_a_baseline_that_is_dropped_leaves_the_traffic_as_the_reference_sees_it() -> None:
    """Accepted traffic is healthy, unhealthy again at once without the baseline, and over when it is."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, foreign(2000, seed=1), 16, 0.1)
    assert verdict(monitor) == ("unhealthy", "input")
    window = monitor.health().windows["10m"]
    monitor.baseline = monitor.baseline_of(window, datetime.now(UTC))
    sent(monitor, clock, foreign(200, seed=2), 16, 0.1)
    assert verdict(monitor)[0] == "healthy"
    monitor.baseline = None
    assert verdict(monitor) == ("unhealthy", "input")
    sent(monitor, clock, bundles.candidates(256, seed=3), 16, 0.1)
    assert verdict(monitor)[0] == "healthy"


def test_a_worker_that_is_gone_takes_its_traffic_and_not_the_verdict() -> None:
    """Two workers see good traffic, then one a fault; the other's blocks alone say nothing of it."""
    clock = Clock()
    first, second = monitor_of(REFERENCE, clock), monitor_of(REFERENCE, clock)
    for worker, seed in ((first, 1), (second, 2)):
        sent(worker, clock, bundles.candidates(1024, seed=seed), 16, 0.1)
    sent(second, clock, foreign(256, seed=3), 16, 0.1)
    both = first.scan([first.blocks(), second.blocks()], clock.now)
    assert both is not None
    assert both.scan.has_moved
    alone = first.scan([first.blocks()], clock.now, both.scan.remembered)
    assert alone is not None
    assert not alone.scan.has_moved
    restarted = monitor_of(REFERENCE, clock)
    sent(restarted, clock, foreign(128, seed=4), 16, 0.1)
    again = first.scan([first.blocks(), restarted.blocks()], clock.now, alone.scan.remembered)
    assert again is not None
    assert again.scan.has_moved
