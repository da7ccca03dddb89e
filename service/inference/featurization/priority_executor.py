"""A thread that does pieces of work by their urgency.

Requests that share a thread by taking turns are all finished at the end: with a queue of twenty
seconds none would be answered in the first twenty. By urgency, equal ones are finished in the order in
which they came, and a short one goes before a long one that came a little earlier.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from queue import Empty, PriorityQueue
from typing import Any, TypeVar

T = TypeVar("T")


class PriorityExecutor:
    """One thread; of what waits, that with the lowest number comes first."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: PriorityQueue[tuple[float, int, Future[Any], Callable[[], Any]]] = PriorityQueue()
        self._number = count()

    def submit(self, urgency: float, work: Callable[[], T]) -> Future[T]:
        """Have work done in its turn; raises ``RuntimeError`` after ``close``."""
        future: Future[T] = Future()
        self._waiting.put((urgency, next(self._number), future, work))
        # As many calls as there is work: each takes whatever is most urgent by then.
        self._thread.submit(self._do_most_urgent)
        return future

    def close(self) -> None:
        """Do no more; what waits is cancelled."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()[2].cancel()

    def _do_most_urgent(self) -> None:
        try:
            _, _, future, work = self._waiting.get_nowait()
        except Empty:  # closed since
            return
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is for whoever waits
                future.set_exception(error)
