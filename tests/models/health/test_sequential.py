"""The e-detector: what it finds, how soon, and how seldom it errs."""

import numpy as np
import pytest

from models.health.sequential import (
    CAP,
    DELTA,
    RATES,
    REQUESTS_PER_FALSE_ALARM,
    Sequential,
    capped,
    cumulants_by_moments,
    cumulants_of,
)


def requests_needed(running: Sequential, departed: float) -> int:
    """How many requests whose first column has a mean of ``departed`` it takes to alarm."""
    rng, needed = np.random.default_rng(2), 0
    while needed < 5000:
        needed += 1
        rows = rng.standard_normal(len(running.cumulants))
        rows[0] += departed
        if running.add(1, np.clip(rows, -3, 3)) is not None:
            return needed
    return needed


def test_a_long_clean_stretch_does_not_hold_back_news() -> None:
    """After 100,000 clean requests a departure is found as soon as at the start, not ages later."""
    cumulants = cumulants_of(np.random.default_rng(0).standard_normal((5000, 4)))
    fresh = requests_needed(Sequential(cumulants), 1.5)
    long = Sequential(cumulants)
    for _ in range(1000):
        assert long.add(100, np.zeros(4)) is None
    assert fresh < 60
    assert requests_needed(long, 1.5) <= fresh + 1


def test_it_begins_anew_after_an_alarm() -> None:
    """The next alarm takes as many requests as the first."""
    running = Sequential(cumulants_of(np.random.default_rng(0).standard_normal((5000, 4))))
    first = requests_needed(running, 1.5)
    assert running.level == 0.0
    assert requests_needed(running, 1.5) == first


def test_the_sequential_detector_finds_a_departure_and_no_harmless_shift() -> None:
    """One standard deviation alarms within some hundred requests; shifts up to delta do not."""
    rng = np.random.default_rng(0)
    cumulants = cumulants_of(rng.standard_normal((5000, 20)))
    harmless = Sequential(cumulants)
    for _ in range(200):
        assert harmless.add(100, np.clip(DELTA + rng.standard_normal((100, 20)), -3, 3).sum(0)) is None
    harmful, needed = Sequential(cumulants), 0
    column = None
    while column is None:
        needed += 10
        rows = rng.standard_normal((10, 20))
        rows[:, 7] -= 1.2
        column = harmful.add(10, np.clip(rows, -3, 3).sum(axis=0))
    assert column == 7
    assert needed < 400
    assert harmful.level == pytest.approx(0.0)


def test_the_declared_number_of_requests_between_false_alarms_holds() -> None:
    """With a threshold of 200, the mean time to a false alarm at the edge of the null is over 200."""
    rng = np.random.default_rng(1)
    cumulants = cumulants_of(rng.standard_normal((20_000, 3)))
    times = []
    for _ in range(60):
        running, count = Sequential(cumulants), 0
        while running.level < np.log(200) and count < 5000:
            running.add(1, np.clip(DELTA + rng.standard_normal(3), -3, 3))
            count += 1
        times.append(count)
    assert np.mean(times) > 200
    assert Sequential(cumulants, models=2).threshold == pytest.approx(
        np.log(2 * REQUESTS_PER_FALSE_ALARM)
    )


def test_rows_that_depend_on_each_other_within_a_request_are_within_the_bounds() -> None:
    """Each request has one row in ten far out, as the reference has: capping means would alarm on it."""
    reference = np.zeros((5000, 1))
    reference[::10] = 30.0
    running = Sequential(cumulants_of(reference))
    by_mean = Sequential(running.cumulants)
    request = np.zeros((10, 1))
    request[3] = 30.0
    alarms = 0
    for _ in range(2000):
        assert running.add(1, capped(request).mean(axis=0)) is None
        alarms += by_mean.add(1, capped(request.mean(axis=0))) is not None
    assert alarms > 0


def test_cumulants_are_those_of_a_coin() -> None:
    """Of rows at 1 and -1 alike, the mean growth is cosh(rate), and its deviation sinh(rate)."""
    number = 400
    coin = np.tile([1.0, -1.0], number // 2)[:, None]
    expected = np.log(np.cosh(RATES) + 2 * np.sinh(RATES) / np.sqrt(number))
    assert cumulants_of(coin)[0] == pytest.approx(np.stack([expected, expected]))


def test_cumulants_tell_the_directions_apart() -> None:
    """Rows that are all at 2 make e^(2 rate) of the rising direction and less than 1 of the other."""
    (rising, falling) = cumulants_of(np.full((100, 1), 2.0))[0]
    assert rising == pytest.approx(2 * RATES)
    assert falling == pytest.approx(0.0)


def test_bounds_by_moments_are_bennetts_for_small_and_the_chord_for_large_variances() -> None:
    """At the end of the cap the chord of the exponential is reached, and never passed."""
    requests, variance = 10_000, 0.04
    error = 4.5 * np.sqrt(variance / requests)
    square = variance * (1 + 4.5 * np.sqrt(2 / requests)) + error**2
    mean, heights = error + variance / (4 * CAP), RATES * CAP
    expected = np.log1p(RATES * mean + square * (np.expm1(heights) - heights) / CAP**2)
    found = cumulants_by_moments(np.array([variance, 1e9]), requests)
    assert found[0] == pytest.approx(np.stack([expected, expected]))
    assert found[1] == pytest.approx(np.stack([heights, heights]))
    # Rows with moments like these, at the two ends of the cap, are just what Bennett's bound is of.
    middling = cumulants_by_moments(np.array([CAP**2]), 10**9)[0]
    assert (middling >= np.log(np.cosh(heights)) - 1e-9).all()
