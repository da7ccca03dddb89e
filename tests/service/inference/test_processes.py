"""How many cores there are, and processes that may die over their work."""

import multiprocessing
import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool
from math import inf
from pathlib import Path

import pytest

from service.inference import processes
from service.inference.processes import ProcessPool, cores


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("", {}, 8),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "1600000 100000\n"}, 8),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "50000 50000"}, 1),
        ("0::/of/the/host\n", {"cpu.max": "400000 100000"}, 4),
        (
            "5:memory:/a\n4:cpu,cpuacct:/a\n0::/\n",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        ("3:cpu:/a\n", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("3:cpuset:/\n", {"cpuset/cpu.cfs_quota_us": "1", "cpuset/cpu.cfs_period_us": "1"}, 8),
    ],
)
def test_cores_are_those_that_the_control_groups_leave(
    tmp_path: Path, monkeypatch, membership: str, files: dict[str, str], expected: int
) -> None:
    """The least quota on the way up counts, in versions 1 and 2, rounded up; eight are in the mask."""
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "membership").write_text(membership)
    monkeypatch.setattr(processes, "_CGROUPS", tmp_path)
    monkeypatch.setattr(processes, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert cores() == expected


def test_cores_follow_the_affinity_mask(monkeypatch) -> None:
    """A process that is bound to one core has one, whatever the machine has."""
    mask = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mask)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, mask)


def test_without_control_groups_or_a_mask_the_machine_counts(tmp_path: Path, monkeypatch) -> None:
    """As on systems that are not Linux."""
    monkeypatch.setattr(processes, "_MEMBERSHIP", tmp_path / "none")
    assert list(processes._quotas()) == [inf]
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


@pytest.fixture
def pool():
    """A pool of two processes."""
    made = ProcessPool(2)
    yield made
    made.close()


def _own_pid(_: int) -> int:
    time.sleep(0.1)
    return os.getpid()


def _die_once(path: Path) -> str:
    """Kill this process unless that was done before."""
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def test_a_piece_whose_process_is_killed_is_done_again(pool: ProcessPool, tmp_path: Path) -> None:
    """In a new process; and pieces beside it do not notice."""
    beside = [pool.submit(_own_pid, place) for place in range(6)]
    assert pool.submit(_die_once, tmp_path / "died").result(30) == "done"
    assert all(future.result(30) for future in beside)


def test_a_piece_that_kills_two_processes_fails_alone(pool: ProcessPool) -> None:
    """Its own future says so, and the pool goes on."""
    futures = [pool.submit(os._exit, 1), *(pool.submit(_own_pid, place) for place in range(6))]
    with pytest.raises(BrokenProcessPool):
        futures[0].result(30)
    assert all(future.result(30) for future in futures[1:])


def test_a_process_that_dies_at_rest_costs_no_attempt(pool: ProcessPool, tmp_path: Path) -> None:
    """A piece may still lose one process of its own after that."""
    for pid in {pool.submit(_own_pid, place).result(30) for place in range(4)}:
        os.kill(pid, signal.SIGKILL)
    while multiprocessing.active_children():
        time.sleep(0.02)
    time.sleep(0.2)
    assert pool.submit(_die_once, tmp_path / "died").result(30) == "done"


def test_an_error_of_the_work_is_given_as_it_is(pool: ProcessPool) -> None:
    """It ends no process and is not tried again."""
    with pytest.raises(FileNotFoundError):
        pool.submit(os.stat, "/nowhere").result(30)


def test_a_closed_pool_finishes_what_is_under_way_and_ends_its_processes(pool: ProcessPool) -> None:
    """What waits is cancelled, no more is taken, and no process is left."""
    futures = [pool.submit(_own_pid, place) for place in range(8)]
    for future in futures[:2]:
        future.result(30)
    pool.close()
    assert any(future.cancelled() for future in futures)
    assert all(future.cancelled() or future.result(30) for future in futures)
    with pytest.raises(RuntimeError):
        pool.submit(_own_pid, 0)
    end = time.monotonic() + 30
    while multiprocessing.active_children() and time.monotonic() < end:
        time.sleep(0.02)
    assert not multiprocessing.active_children()
