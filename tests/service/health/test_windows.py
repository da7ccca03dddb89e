"""Sliding windows: what they hold to the bucket, how much memory they take, and their merging."""

import numpy as np
import pytest

from service.health.windows import WINDOWS, Ring, Windows, closed, evidence_ring, latest, read

ONE = np.ones(3)


def filled(seconds: range) -> Windows:
    """Windows that got one row in each of these seconds; its value and feature are the second."""
    windows = Windows(1, 1)
    for second in seconds:
        windows.add(ONE, np.array([second]), np.array([second]), float(second))
    return windows


def ring(seconds: range) -> Ring:
    """Evidence of one request in each of these seconds, of the second's own size."""
    evidence = evidence_ring(1)
    for second in seconds:
        evidence.add(ONE, np.array([second]), float(second))
    return evidence


def test_a_window_is_as_long_as_its_name_says() -> None:
    """At the end of a bucket a window holds the very seconds that it is named after, each once."""
    now = 7199  # the last second of a bucket of 5, 20 and 60 seconds
    windows = read([filled(range(now + 1)).history()], now + 0.5)
    for name, seconds in WINDOWS.items():
        inside = range(now + 1)[-int(seconds or 0) :]
        assert windows[name].count == windows[name].requests == len(inside), name
        assert windows[name].values[0] == pytest.approx(sum(inside)), name
        if name != "1h":
            assert windows[name].features == pytest.approx([sum(inside)]), name


def test_a_window_begins_with_a_whole_bucket() -> None:
    """In the middle of a bucket a window is shorter by what that bucket still lacks, never longer."""
    history = filled(range(7200 + 2)).history()  # two seconds into a new bucket
    counts = {name: window.count for name, window in read([history], 7201.5).items()}
    assert counts == {"1m": 57, "10m": 597, "1h": 3542, "start": 7202}


def test_closed_buckets_are_told_once_and_whole() -> None:
    """A bucket is read once two more have begun, with the sums of all workers."""
    first, second = ring(range(40)).buckets(), ring(range(10, 40)).buckets()
    assert latest([first]) == 7
    assert latest([evidence_ring(1).buckets()]) == -1
    told = closed([first, second], 0, 39.0)
    assert [(tick, requests) for tick, requests, _ in told] == [
        (1, 5), (2, 10), (3, 10), (4, 10), (5, 10),
    ]  # fmt: skip
    assert told[1][2] == pytest.approx([2 * sum(range(10, 15))])
    assert [tick for tick, _, _ in closed([first], 4, 39.0)] == [5]
    assert closed([first], 5, 39.0) == []


def test_a_history_is_a_copy_that_later_rows_leave_alone() -> None:
    """What was read stays as it was, whatever is added to the windows afterwards."""
    windows = filled(range(100))
    history = windows.history()
    before = {name: window.values.copy() for name, window in read([history], 99.0).items()}
    for second in range(100, 110):
        windows.add(ONE, ONE[:1], ONE[:1], 99.0 if second % 2 else float(second))
    for name, window in read([history], 99.0).items():
        assert window.values == pytest.approx(before[name])


def test_windows_slide_and_keep_their_memory_constant() -> None:
    """Each window holds what its seconds say; a day of traffic holds no more than an hour's buckets."""
    windows = Windows(1, 2)
    one = np.ones(3)
    for second in range(0, 86_400, 3):
        windows.add(one, np.array([second]), np.array([1.0, 2.0]), float(second))
    now = 86_397.0
    seen = read([windows.history()], now)
    assert seen["start"].count == 28_800
    assert seen["1h"].count == pytest.approx(1200, abs=21)  # a minute of them
    assert seen["10m"].count == pytest.approx(200, abs=3)
    assert seen["1m"].count == pytest.approx(20, abs=3)
    assert seen["1m"].values[0] / seen["1m"].count == pytest.approx(now - 30, abs=5)
    assert seen["1h"].features is None
    for name in ("1m", "10m", "start"):
        assert seen[name].features == pytest.approx([seen[name].count, 2 * seen[name].count])
    assert len(windows.history().fine.ticks) == 120
    assert len(windows.history().coarse.ticks) == 60
    later = read([windows.history()], now + 10_000)
    assert [later[name].count for name in WINDOWS] == [0, 0, 0, 28_800]


def test_windows_of_another_shape_are_left() -> None:
    """Those of a worker that serves other files are not added."""
    windows, other = Windows(4), Windows(5)
    for second in range(100):
        windows.add(np.ones(3), np.full(4, second), np.zeros(0), float(second))
        other.add(np.ones(3), np.full(5, second), np.zeros(0), float(second))
    both = read([windows.history(), windows.history(), other.history()], 99.0)
    assert both["start"].count == 200
