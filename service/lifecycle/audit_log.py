"""Writes the service's own steps into the release log, in their order and off the event loop."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from models.registry.release_log import Action, ReleaseLog
from service.observability.logs import get_logger

#: Who takes the steps that nobody asked for.
SERVICE = "service"

_log = get_logger()


class ReleaseAudit:
    """A release log that is written to from the event loop; without one nothing is written."""

    def __init__(self, log: ReleaseLog | None = None) -> None:
        self._log = log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="release-log")

    def note(
        self,
        model: str,
        step: Action,
        before: int | None,
        after: int | None,
        why: str,
        by: str = SERVICE,
    ) -> None:
        """Write a step down soon; ``before`` and ``after`` it these versions served."""
        if self._log is not None:
            self._thread.submit(_write, self._log, model, step, before, after, by, why)

    def close(self) -> None:
        """Wait until all steps are written."""
        self._thread.shutdown(wait=True)


def _write(log: ReleaseLog, model: str, step: Action, *rest: Any) -> None:
    try:
        log.add(model, step, *rest)
    except OSError as error:  # serving goes on, and the service's own log has the step
        _log.error("release log unwritable", model=model, action=step, reason=error.strerror)
