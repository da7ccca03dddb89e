"""Processes that may die over their work."""

import multiprocessing
import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from service.inference.processes import ProcessPool


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
