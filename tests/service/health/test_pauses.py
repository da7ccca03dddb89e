"""A pause in traffic changes nothing, however long it is and whenever one looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.health.monitor import Monitor
from service.health.windows import WINDOWS
from tests.service.health.test_monitor import Clock, monitor_of, outputs_of, requests
from tests.support import bundles

LENGTHS = (1, 4, 5, 19, 20, 21, 41, 59, 61, 299, 599, 601, 1800, 3600, 7200)
REFERENCE = bundles.reference()


def sent(monitor: Monitor, clock: Clock, rows: np.ndarray, size: int = 10, gap: float = 0.25) -> None:
    """Send rows in requests of one size, so many seconds apart."""
    outputs = outputs_of(rows.astype(np.float32))
    for start in range(0, len(rows), size):
        part = {name: array[start : start + size] for name, array in outputs.items()}
        monitor.observe(part, requests([len(part["taps"])]))
        clock.now += gap


@pytest.mark.parametrize("pause", LENGTHS)
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "healthy"), (3.0, "unhealthy")])
def test_a_pause_leaves_the_verdict_as_it_is(pause: int, factor: float, verdict: str) -> None:
    """Looked at every few seconds during the pause, and while traffic goes on as before."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, factor * bundles.candidates(800))
    before = monitor.health().judgement
    assert before.verdict == verdict
    looks = np.unique(np.linspace(clock.now, clock.now + pause, 40))
    for clock.now in looks.tolist():
        judgement = monitor.health().judgement
        assert (judgement.verdict, judgement.reason) == (before.verdict, before.reason)
    for seed in range(1, 9):
        sent(monitor, clock, factor * bundles.candidates(100, seed=seed))
        assert monitor.health().judgement.verdict == verdict


@settings(deadline=None, max_examples=15)
@given(
    pauses=st.lists(st.floats(1.0, 7200.0), min_size=1, max_size=4),
    size=st.sampled_from([1, 7, 40]),
    begun=st.floats(0.0, 60.0),
)
def test_clean_traffic_with_pauses_never_turns(pauses: list[float], size: int, begun: float) -> None:
    """Whenever within the buckets traffic begins, stops and goes on."""
    clock = Clock()
    clock.now += begun
    monitor = monitor_of(REFERENCE, clock)
    for seed, pause in enumerate([*pauses, 1.0]):
        sent(monitor, clock, bundles.candidates(280, seed=seed), size)
        for _ in range(6):
            assert monitor.health().judgement.verdict == "healthy"
            clock.now += pause / 6


@settings(deadline=None, max_examples=40)
@given(pause=st.floats(0.0, 700.0), begun=st.floats(0.0, 60.0))
def test_what_is_kept_of_features_leaves_a_window_with_its_rows(pause: float, begun: float) -> None:
    """In every window a feature's sums are of the very rows that are counted."""
    clock = Clock()
    clock.now += begun
    monitor = monitor_of(REFERENCE, clock)
    inputs = REFERENCE.inputs
    assert inputs is not None
    rows = np.repeat(bundles.candidates(1, seed=3), 100, axis=0)
    sent(monitor, clock, rows)
    clock.now += pause
    windows = monitor.health().windows
    scores = (outputs_of(rows[:1])["squashed"][0] - inputs.centre) / inputs.spread
    for name in WINDOWS:
        features, count = windows[name].features, windows[name].count
        assert (features is None) == (name == "1h")
        if features is not None:
            assert features[: len(scores)] == pytest.approx(count * scores, rel=1e-3, abs=1e-2)


def test_a_fault_that_is_over_does_not_come_back_with_a_pause() -> None:
    """When the windows that show the fault are the only ones left with rows, it is still over."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent(monitor, clock, bundles.candidates(500))
    sent(monitor, clock, 3 * bundles.candidates(500, seed=1))
    assert monitor.health().judgement.verdict == "unhealthy"
    sent(monitor, clock, bundles.candidates(800, seed=2))
    for pause in (0, 45, 600, 1800, 5000):
        clock.now += pause
        assert monitor.health().judgement.verdict == "healthy", pause
    sent(monitor, clock, bundles.candidates(100, seed=3))
    assert monitor.health().judgement.verdict == "healthy"
