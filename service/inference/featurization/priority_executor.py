"""A thread that does pieces of work by their urgency.

Requests that share a thread by taking turns are all finished at the end: with a queue of twenty
seconds none would be answered in the first twenty. By urgency, equal ones are finished in the order in
which they came, and a short one goes before a long one that came a little earlier.
"""

import heapq
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")


class PriorityExecutor:
    """One thread; of what waits, that with the lowest number comes first."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: list[tuple[float, int, Future[Any], Callable[[], Any]]] = []
        self._number = count()
        self._lock = Lock()

    def submit(self, urgency: float, work: Callable[[], T]) -> Future[T]:
        """Have work done in its turn; raises ``RuntimeError`` after ``close``."""
        future: Future[T] = Future()
        with self._lock:
            # As many calls as there is work: each takes whatever is most urgent by then.
            self._executor.submit(self._do)
            heapq.heappush(self._waiting, (urgency, next(self._number), future, work))
        return future

    def close(self) -> None:
        """Do no more; what waits is cancelled."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for _, _, future, _ in waiting:
            future.cancel()

    def _do(self) -> None:
        with self._lock:
            if not self._waiting:  # closed since
                return
            _, _, future, work = heapq.heappop(self._waiting)
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is for whoever waits
            future.set_exception(error)
