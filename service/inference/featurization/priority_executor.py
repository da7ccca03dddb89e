"""A thread that does work in the order of its urgency.

If requests took turns, all would finish at the end: with twenty seconds of work waiting, none would be
answered in the first twenty seconds. By urgency, requests of a size finish in the order of arrival, and
a short one overtakes a long one that arrived a little earlier.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from queue import Empty, PriorityQueue
from typing import Any, TypeVar

T = TypeVar("T")


class PriorityExecutor:
    """One thread; of the work that waits, that with the lowest urgency value is done first."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: PriorityQueue[tuple[float, int, Future[Any], Callable[[], Any]]] = PriorityQueue()
        self._number = count()

    def submit(self, urgency: float, work: Callable[[], T]) -> Future[T]:
        """Queue ``work``; raises ``RuntimeError`` after ``close``."""
        future: Future[T] = Future()
        self._waiting.put((urgency, next(self._number), future, work))
        # One call per piece of work: each does what is most urgent when it runs.
        self._thread.submit(self._do_most_urgent)
        return future

    def close(self) -> None:
        """Cancel the work that waits; work that has begun is finished."""
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
            except BaseException as error:  # noqa: BLE001 - it is raised where the future is awaited
                future.set_exception(error)
