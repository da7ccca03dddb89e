"""Child processes that compute for this process and end with it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class ProcessPool:
    """A pool of processes that loses no work when a process is killed.

    Each process is a ``ProcessPoolExecutor`` of its own, because an executor of several processes
    fails all of its work when one of them dies. Here the work of a process that dies is done once more
    in a new process: the process may have been killed for a reason that has nothing to do with it.
    """

    def __init__(self, workers: int, niceness: int = 0) -> None:
        """Prepare ``workers`` processes, which start when needed; ``niceness`` lowers their priority."""
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        for _ in range(workers):
            self._idle.put(_Process(niceness))
        self._threads = ThreadPoolExecutor(workers, "process-pool")  # each thread waits for one process
        self._closed = False

    def submit(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call ``work(*arguments)`` in the next free process.

        The future raises what the call raises, ``BrokenProcessPool`` if two processes die during it,
        and ``OSError`` if no process can be started. Work that has begun cannot be cancelled. Raises
        ``RuntimeError`` after ``close``.
        """
        return self._threads.submit(self._run, work, arguments)

    def close(self) -> None:
        """Cancel the work that waits; each process ends when its present work is done."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._end_idle()

    def _run(self, work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        process = self._idle.get()
        try:
            with suppress(BrokenProcessPool):
                return process.run(work, arguments)
            return process.run(work, arguments)
        finally:
            self._idle.put(process)
            if self._closed:
                self._end_idle()

    def _end_idle(self) -> None:
        with suppress(Empty):
            while True:
                self._idle.get_nowait().executor.shutdown(wait=False)


class _Process:
    """One process, which is replaced when it has died."""

    def __init__(self, niceness: int) -> None:
        # Spawned, not forked: a fork of a process with threads may inherit a held lock.
        context = multiprocessing.get_context("spawn")
        self._new = partial(ProcessPoolExecutor, 1, context, _begin, (niceness,))
        self.executor = self._new()

    def run(self, work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        """Call ``work(*arguments)``; raises ``BrokenProcessPool`` if the process dies."""
        try:
            future = self.executor.submit(work, *arguments)
        except BrokenProcessPool:  # it died between two pieces of work
            self.executor = self._new()
            future = self.executor.submit(work, *arguments)
        return future.result()


def _begin(niceness: int) -> None:
    # Ctrl-C reaches the whole process group; the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(niceness)


def _end_with_parent() -> None:
    """End this process when its parent ends; after a kill -9 the parent cannot do that itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
