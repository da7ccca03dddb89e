"""An executor without processes, for what is tested of the work and not of the pool."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class ThisProcess(Executor):
    """Takes the arguments of a ``ProcessPoolExecutor`` and does the work at once, in this thread."""

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: object = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        if initializer is not None:
            initializer(*initargs)

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Do the work; the future is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **options))
        except Exception as error:  # noqa: BLE001 - the future raises it
            future.set_exception(error)
        return future
