"""Processes that compute for this one, and end with it whatever ends it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def pool(workers: int, prepare: Callable[..., object], *arguments: Any) -> ProcessPoolExecutor:
    """A pool whose processes call ``prepare(*arguments)`` first.

    They are spawned, not forked: a fork of a process with threads may find a lock held for ever.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, _begin, (prepare, arguments))


def _begin(prepare: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches the whole group, and it is the parent's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(*arguments)


def _end_with_parent() -> None:
    """Without this a parent's kill -9 would leave its pool waiting for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
