"""Counters by version: kept for the last few that served, never falling, read while they change."""

import sys
import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.observability.counters import KEPT_VERSIONS, Telemetry

_STEPS = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9), st.integers(0, 5)), max_size=60)


def serve(telemetry: Telemetry, version: int, rows: int = 0) -> None:
    """Load a version, let it serve, and count rows."""
    traffic = telemetry.traffic("htru2", version)
    telemetry.serves("htru2", version, traffic)
    traffic.rows += rows


def whole(*workers: Telemetry) -> Telemetry:
    """All workers as one."""
    counted = Telemetry()
    for worker in workers:
        counted.merge(worker)
    return counted


def test_counters_of_versions_long_gone_are_forgotten() -> None:
    """The size of a notice does not grow with the number of versions."""
    telemetry, sizes = Telemetry(), []
    # Numbers above 255 all take three bytes.
    for version in range(300, 600):
        serve(telemetry, version, rows=3)
        sizes.append(len(msgspec.msgpack.encode([telemetry.recent, telemetry.forgotten])))
        assert len(telemetry.by_version) <= KEPT_VERSIONS
    assert sizes[-1] == sizes[-50]
    assert [version for _, version in telemetry.by_version] == [595, 596, 597, 598, 599]


def test_another_model_is_left_alone() -> None:
    """Versions are forgotten model by model."""
    telemetry = Telemetry()
    telemetry.traffic("tox21", 1).rows = 7
    for version in range(1, 20):
        serve(telemetry, version)
    assert telemetry.traffic("tox21", 1).rows == 7


def test_a_version_that_returns_in_time_goes_on_counting() -> None:
    """A rollback to one of the last few continues its counters; to a forgotten one begins anew."""
    telemetry = Telemetry()
    for version in (1, 2, 3):
        serve(telemetry, version, rows=10)
    serve(telemetry, 1, rows=1)
    assert telemetry.traffic("htru2", 1).rows == 11
    for version in range(4, 9):
        serve(telemetry, version)
    serve(telemetry, 1, rows=1)
    assert telemetry.traffic("htru2", 1).rows == 1
    assert whole(telemetry).traffic("htru2", 1).rows == 1


def test_what_one_worker_forgot_is_not_shown_by_another_alone() -> None:
    """Between two workers' changes a sum vanishes whole, in whichever order they are added up."""
    one, two = Telemetry(), Telemetry()
    for version in range(1, KEPT_VERSIONS + 1):
        serve(one, version, rows=5)
        serve(two, version, rows=5)
    assert whole(one, two).by_version["htru2", 1].rows == 10
    serve(one, KEPT_VERSIONS + 1)
    for counted in (whole(one, two), whole(two, one)):
        assert ("htru2", 1) not in counted.by_version
        assert counted.by_version["htru2", 2].rows == 10


@given(_STEPS)
def test_a_series_never_falls_while_it_is_shown(steps: list[tuple[int, int, int]]) -> None:
    """Two workers that change over to the same versions, one after the other, as they do."""
    one, two = Telemetry(), Telemetry()
    seen: dict[tuple[str, int], int] = {}
    for first, version, rows in steps:
        for worker in (one, two) if first else (two, one):
            serve(worker, version, rows)
            now = {key: traffic.rows for key, traffic in whole(one, two).by_version.items()}
            assert all(now[key] >= seen[key] for key in now if key in seen)
            seen = now


@pytest.mark.parametrize("versions", [3, 12])
def test_a_successor_goes_on_where_the_last_holder_ended(versions: int) -> None:
    """It keeps what that one kept, and has forgotten what that one had."""
    past, successor = Telemetry(), Telemetry()
    for version in range(1, versions + 1):
        serve(past, version, rows=2)
    successor.merge(past)
    serve(successor, versions, rows=1)
    assert successor.by_version["htru2", versions].rows == 3
    assert set(successor.by_version) == set(past.by_version)
    assert successor.forgotten == past.forgotten


def test_counters_can_be_merged_while_other_threads_count() -> None:
    """A batch of a new size, a new route or a version that is loaded meanwhile does no harm."""
    counted, stopping = Telemetry(), threading.Event()

    def count() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            traffic = counted.traffic("htru2", number % 50)
            traffic.computed(number % 4096, 0.001)
            traffic.rejected[str(number % 1000)] += 1
            counted.answered(str(number % 1000), number % 7, 0.001)
            if number % 5000 == 0:
                counted.by_version.clear()
                counted.requests.clear()
                counted.latency.clear()

    thread = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for _ in range(100):
            total = whole(counted)
            assert len(list(total.all_traffic())) <= 50
            assert len(list(counted.all_traffic())) <= 50
    finally:
        stopping.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_requests_of_minutes_are_told_apart() -> None:
    """A table may take minutes; a quarter of a minute and four minutes are in buckets of their own."""
    telemetry = Telemetry()
    for seconds in (8.0, 15.0, 240.0, 1000.0):
        telemetry.answered("/predict", 200, seconds)
    buckets, _ = telemetry.latency["/predict"].cumulative()
    counts = {bound: count for bound, count in buckets if float(bound) >= 5}
    assert counts == {"5": 0, "10": 1, "30": 2, "60": 2, "120": 2, "300": 3, "+Inf": 4}
