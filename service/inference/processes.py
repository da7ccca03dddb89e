"""Child processes that compute for this one and end with it, whatever ends it; and how many to have."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from math import ceil
from multiprocessing.connection import wait
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def cores() -> int:
    """How many cores this process may use, at least 1.

    The affinity mask of the scheduler counts, and so does the CPU quota of every control group around
    the process, as a container has it; a quota of 1.5 cores is 2.
    """
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        usable = os.cpu_count() or 1
    return max(1, ceil(min(usable, *_quotas())))


def _quotas() -> Iterator[float]:
    """The CPU quotas of the process's control groups (versions 1 and 2) and their parents, in cores.

    Source: ``cpu.max`` in the kernel's admin-guide/cgroup-v2, ``cpu.cfs_quota_us`` in
    scheduler/sched-bwc. In a container the path may be that of the host, whose folders are not
    there: the root's file has the container's quota then.
    """
    yield float("inf")
    try:
        memberships = _MEMBERSHIP.read_text().splitlines()
    except OSError:  # not on Linux
        return
    for membership in memberships:
        _, controllers, path = membership.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = _CGROUPS / controllers
        folder = root / path.lstrip("/")
        for group in (folder, *folder.parents):
            with suppress(OSError):
                if controllers:
                    limit = [(group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")]
                else:
                    limit = (group / "cpu.max").read_text().split()
                if limit[0].strip() not in ("max", "-1"):
                    yield int(limit[0]) / int(limit[1])
            if group == root:
                break


class ProcessPool:
    """Processes that each do one piece of work at a time, whichever is free the next.

    Each is a standard executor of its own, since an executor of many loses all of its work when one
    process dies. Here a process that dies takes no other piece with it. Its own is done once more in
    a new process, since it may have been killed for something else than its work.
    """

    def __init__(self, workers: int, niceness: int = 0) -> None:
        """Have so many processes, which start at need; ``niceness`` lowers their priority."""
        self._free: SimpleQueue[_Process] = SimpleQueue()
        for _ in range(workers):
            self._free.put(_Process(niceness))
        self._threads = ThreadPoolExecutor(workers, "process-pool")  # each waits for one process
        self._closed = False

    def submit(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Have a process call ``work(*arguments)``.

        The future raises what the call raises, ``BrokenProcessPool`` where two processes die over it,
        and ``OSError`` where none can be started. One that is cancelled too late keeps its process
        until it is done.
        """
        return self._threads.submit(self._run, work, arguments)

    def close(self) -> None:
        """Cancel what waits, and end each process when it is done with its piece."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._end_free()

    def _run(self, work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        process = self._free.get()
        try:
            with suppress(BrokenProcessPool):
                return process.run(work, arguments)
            return process.run(work, arguments)
        finally:
            self._free.put(process)
            if self._closed:
                self._end_free()

    def _end_free(self) -> None:
        with suppress(Empty):
            while True:
                self._free.get_nowait().executor.shutdown(wait=False)


class _Process:
    """One process, and a new one when that has died."""

    def __init__(self, niceness: int) -> None:
        # Spawned, not forked: a fork of a process with threads may find a lock held for ever.
        context = multiprocessing.get_context("spawn")
        self._new = partial(ProcessPoolExecutor, 1, context, _begin, (niceness,))
        self.executor = self._new()

    def run(self, work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        """Do one piece of work; raises ``BrokenProcessPool`` if the process dies over it."""
        try:
            future = self.executor.submit(work, *arguments)
        except BrokenProcessPool:  # it died before
            self.executor = self._new()
            future = self.executor.submit(work, *arguments)
        return future.result()


def _begin(niceness: int) -> None:
    # Ctrl-C reaches the whole group, and it is the parent's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(niceness)


def _end_with_parent() -> None:
    """Without this a parent's kill -9 would leave its pool waiting for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
